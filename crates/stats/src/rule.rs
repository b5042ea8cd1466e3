//! What a trial has to show: the least gain, the error rate, the threshold, and when to give up.

use crate::{Reason, StatsError};

/// Blocks before screening may stop a candidate (proof rule: a useless one then stops after 5-8
/// blocks).
pub const SCREEN_BLOCKS: usize = 4;

/// A candidate whose `log_e` has fallen to this is screened out (proof rule; costs 0-2 % of true
/// wins, simulated).
pub const SCREEN_LOG_E: f64 = -1.0;

/// A candidate whose e-value for "gain below the minimum" reaches this is screened out (proof
/// rule).
pub const SCREEN_E_BELOW: f64 = 5.0;

/// The e-value of [`Rule::isolated`], and its most blocks.
const ISOLATED_THRESHOLD: f64 = 20.0;
const ISOLATED_BLOCKS: usize = 24;

/// Blocks that a proven gain of programs has at least ([`Rule::of_programs`]).
const BOUND_BLOCKS: usize = 12;

/// What a trial has to show. The default is the single gate: 0.5 % at an error rate of 1 %, at most
/// 100 blocks, no screening.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Least gain worth merging, as a share: 0.005 is 0.5 %. Finite, at least 0.
    pub min_speedup: f64,
    /// Chance of a false verdict that a single trial may run, and the level of its bounds. In
    /// (0, 1).
    pub alpha: f64,
    /// E-value that `faster` needs; `None` is `1 / alpha`. A campaign sets it to
    /// [`crate::e_lond_threshold`]. At least 1.
    pub threshold: Option<f64>,
    /// Whether to stop a candidate early whose evidence does not grow. This can only lose wins,
    /// never add false ones.
    pub screen: bool,
    /// Blocks after which a trial is `not_proven`. At least 1.
    pub max_blocks: usize,
    /// E-value that `faster` also needs, against "the sums of turns are no shorter"
    /// ([`crate::block_sum_log_ratio`]). `None`, the default, is the plain rule, for samples whose
    /// turns cannot carry each other's work. At least 1.
    pub sum_threshold: Option<f64>,
    /// Where it is enough that the candidate is not slower by more than this share, for changes
    /// that are not about speed: `not_slower` ends the trial too, and `same` does not. Finite, at
    /// least 0.
    pub margin: Option<f64>,
    /// A gain that is proven earlier is measured on until there are so many blocks: at the first
    /// proof the bounds are those of the number of blocks and not of the noise. The verdict stays.
    pub bound_blocks: usize,
    /// Whether `bound_blocks` are measured whatever is decided, for whom the evidence itself is of
    /// use.
    pub bounds_always: bool,
    /// So many blocks come first that an earlier trial of the same two programs measured: they are
    /// evidence, and decide nothing. A decision then has five new blocks at least. They count for
    /// `max_blocks`.
    pub earlier_blocks: usize,
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
            margin: None,
            bound_blocks: 0,
            bounds_always: false,
            earlier_blocks: 0,
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
        if let Some(margin) = self.margin
            && !(margin.is_finite() && margin >= 0.0)
        {
            return Err(StatsError::BadMargin(margin));
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

    /// The rule for isolated runs ([`crate::Isolated`]): a gain that was proven side by side has to
    /// show again with one process at a time. What only looked like a gain passes with a chance of
    /// at most 1 in 20. Five blocks are the fewest that can show it. Nothing is screened: one after
    /// the other, drift of the machine is noise, and a true gain may begin with losses.
    pub fn isolated() -> Self {
        Self {
            min_speedup: 0.0,
            alpha: 1.0 / ISOLATED_THRESHOLD,
            threshold: Some(ISOLATED_THRESHOLD),
            screen: false,
            max_blocks: ISOLATED_BLOCKS,
            sum_threshold: Some(1.0),
            margin: None,
            bound_blocks: 0,
            bounds_always: false,
            earlier_blocks: 0,
        }
    }

    /// What a gain is that isolated runs do not show. It was proven side by side, so where not to
    /// be slower is enough, that is proven too.
    pub fn unconfirmed(&self) -> Reason {
        match self.margin {
            Some(_) => Reason::NotSlowerProven,
            None => Reason::NotConfirmed,
        }
    }

    /// The same rule with what a trial of programs also has to show: all turns of a block together
    /// are shorter, at the same threshold. It goes on after an early proof, for bounds that are
    /// worth quoting.
    #[must_use]
    pub fn of_programs(&self) -> Self {
        Self {
            sum_threshold: Some(self.threshold_value()),
            bound_blocks: BOUND_BLOCKS,
            ..*self
        }
    }

    /// `ln(1 + margin)`, where there is one.
    pub(crate) fn log_margin(&self) -> Option<f64> {
        self.margin.map(f64::ln_1p)
    }

    /// `ln(1 + min_speedup)`: the centre that a block's log ratio has to lie above.
    pub(crate) fn min_log_ratio(&self) -> f64 {
        self.min_speedup.ln_1p()
    }
}
