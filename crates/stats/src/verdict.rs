//! What a trial says, in the words of the verdict record.

use std::fmt;

/// What the blocks of a trial prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The gain is above the minimum.
    Faster,
    /// The candidate is slower than the base.
    Slower,
    /// The difference, either way, is below the minimum.
    Same,
    /// The candidate is slower by less than the margin that was asked for, if at all.
    NotSlower,
    /// Nothing was proven.
    NotProven,
}

impl Outcome {
    /// The word in records and on the terminal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Same => "same",
            Self::NotSlower => "not_slower",
            Self::NotProven => "not_proven",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// [`Outcome::Faster`].
    GainProven,
    /// [`Outcome::Slower`].
    SlowerProven,
    /// [`Outcome::Same`].
    DifferenceBelowMinimum,
    /// [`Outcome::NotSlower`].
    NotSlowerProven,
    /// [`Outcome::NotProven`]: the evidence did not grow.
    ScreenedOut,
    /// [`Outcome::NotProven`]: there were no more blocks.
    BlocksExhausted,
    /// [`Outcome::NotProven`]: there were no more seeds.
    SeedsExhausted,
    /// [`Outcome::NotProven`]: the median turn is faster, all turns together were not proven to be.
    SumsUnproven,
    /// [`Outcome::NotProven`]: there was no more time.
    TimeExhausted,
    /// [`Outcome::NotProven`]: proven side by side, and not with one process at a time.
    NotConfirmed,
}

impl Reason {
    /// The sentence in records and on the terminal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GainProven => "gain proven above the minimum",
            Self::SlowerProven => "proven slower than the base",
            Self::DifferenceBelowMinimum => "difference proven below the minimum",
            Self::NotSlowerProven => "proven not slower by the margin",
            Self::ScreenedOut => "screened out",
            Self::BlocksExhausted => "blocks exhausted",
            Self::SeedsExhausted => "seeds exhausted",
            Self::SumsUnproven => {
                "the median turn is faster, all turns together are not proven to be"
            }
            Self::TimeExhausted => "time limit reached",
            Self::NotConfirmed => "the gain does not show with one process at a time",
        }
    }

    /// The outcome that this reason belongs to.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::GainProven => Outcome::Faster,
            Self::SlowerProven => Outcome::Slower,
            Self::DifferenceBelowMinimum => Outcome::Same,
            Self::NotSlowerProven => Outcome::NotSlower,
            Self::ScreenedOut
            | Self::BlocksExhausted
            | Self::SeedsExhausted
            | Self::SumsUnproven
            | Self::TimeExhausted
            | Self::NotConfirmed => Outcome::NotProven,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The end of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What is proven.
    pub outcome: Outcome,
    /// Why the trial ended here.
    pub reason: Reason,
}

impl From<Reason> for Decision {
    fn from(reason: Reason) -> Self {
        Self {
            outcome: reason.outcome(),
            reason,
        }
    }
}

/// The figures of a trial. Speed-ups are shares: 0.03 is 3 % more work in the same time, -0.03 is
/// 3 % less.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// `exp(median of the blocks' log ratios) - 1`. For a selected winner this is biased up: quote
    /// `at_least`. NaN without blocks.
    pub speedup: f64,
    /// One-sided lower bound at `alpha`; `None` while there are too few blocks for one.
    pub at_least: Option<f64>,
    /// One-sided upper bound at `alpha`; `None` while there are too few blocks for one.
    pub at_most: Option<f64>,
    /// ln of the e-value against "the gain is at most `min_speedup`".
    pub log_e: f64,
    /// Blocks used.
    pub n_blocks: usize,
}

/// A judged trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// What is proven.
    pub outcome: Outcome,
    /// Why the trial ended where it did.
    pub reason: Reason,
    /// Its figures, over the blocks that were used.
    pub summary: Summary,
}
