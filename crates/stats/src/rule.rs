//! What a trial has to show: the least gain, the error rate, the threshold, and when to give up.

use crate::StatsError;

/// Blocks before screening may stop a candidate (proof rule: a useless one then stops after 5-8 blocks).
pub const SCREEN_BLOCKS: usize = 4;

/// A candidate whose `log_e` has fallen to this is screened out (proof rule; costs 0-2 % of true wins, simulated).
pub const SCREEN_LOG_E: f64 = -1.0;

/// A candidate whose e-value for "gain below the minimum" reaches this is screened out (proof rule).
pub const SCREEN_E_BELOW: f64 = 5.0;

/// The e-value of [`Rule::alone`], and its most blocks.
const ALONE_THRESHOLD: f64 = 20.0;
const ALONE_BLOCKS: usize = 24;

/// The e-value of sums ([`Rule::of_programs`]).
const SUM_THRESHOLD: f64 = 20.0;

/// What a trial has to show. The default is the single gate: 0.5 % at an error rate of 1 %, at most 100 blocks, no screening.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Least gain worth merging, as a share: 0.005 is 0.5 %. Finite, at least 0.
    pub min_speedup: f64,
    /// Chance of a false verdict that a single trial may run, and the level of its bounds. In (0, 1).
    pub alpha: f64,
    /// E-value that `faster` needs; `None` is `1 / alpha`. A campaign sets it to [`crate::e_lond_threshold`]. At least 1.
    pub threshold: Option<f64>,
    /// Whether to stop a candidate that is going nowhere. This can only lose wins, never add false ones.
    pub screen: bool,
    /// Blocks after which a trial is `not_proven`. At least 1.
    pub max_blocks: usize,
    /// E-value that `faster` needs besides against "the sums of turns are no shorter" ([`crate::block_sum_log_ratio`]). `None`, the default, is the
    /// plain rule, for samples whose turns cannot carry each other's work. At least 1.
    pub sum_threshold: Option<f64>,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            min_speedup: 0.005,
            alpha: 0.01,
            threshold: None,
            screen: false,
            max_blocks: 100,
            sum_threshold: None,
        }
    }
}

impl Rule {
    /// Checks every field against its range.
    ///
    /// # Errors
    /// Names the first field that is out of range, with its value.
    pub fn validate(&self) -> Result<(), StatsError> {
        if !(self.min_speedup.is_finite() && self.min_speedup >= 0.0) {
            return Err(StatsError::BadMinSpeedup(self.min_speedup));
        }
        if !(self.alpha > 0.0 && self.alpha < 1.0) {
            return Err(StatsError::BadAlpha(self.alpha));
        }
        for threshold in [self.threshold, self.sum_threshold].into_iter().flatten() {
            if !(threshold.is_finite() && threshold >= 1.0) {
                return Err(StatsError::BadThreshold(threshold));
            }
        }
        if self.max_blocks == 0 {
            return Err(StatsError::NoMaxBlocks);
        }
        Ok(())
    }

    /// The e-value that `faster` needs: `threshold`, or `1 / alpha` where none is set.
    pub fn threshold_value(&self) -> f64 {
        self.threshold.unwrap_or(1.0 / self.alpha)
    }

    /// What a gain that was proven with both processes on a GPU has to show again with one after the other. Whatever looked like a gain and is none passes with
    /// a chance of 1 in 20 at most; five blocks are the fewest that can show it.
    pub fn alone(&self) -> Self {
        Self {
            min_speedup: self.min_speedup,
            alpha: 1.0 / ALONE_THRESHOLD,
            threshold: Some(ALONE_THRESHOLD),
            screen: false,
            max_blocks: ALONE_BLOCKS,
            sum_threshold: None,
        }
    }

    /// The same with what a trial of programs has to show besides: that the turns of a block are shorter together too. Whatever is no faster in
    /// the sum passes that with a chance of 1 in 20 at most.
    #[must_use]
    pub fn of_programs(&self) -> Self {
        Self {
            sum_threshold: Some(SUM_THRESHOLD),
            ..*self
        }
    }

    /// `ln(1 + min_speedup)`: the centre that a block's log ratio has to lie above.
    pub(crate) fn min_log_ratio(&self) -> f64 {
        self.min_speedup.ln_1p()
    }
}
