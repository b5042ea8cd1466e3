//! How an attempt ended, as pictures and tables show it.

use outpace_record::{Attempt, Kind};

/// The verdict of an attempt, and whether it was merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AttemptStatus {
    /// Proven faster and merged.
    Merged,
    /// Proven faster, not merged.
    Faster,
    /// Not settled.
    NotProven,
    /// Proven not to be slower by the margin.
    NotSlower,
    /// The same artefact, or a difference below the minimum.
    Same,
    /// Proven slower.
    Slower,
    /// Rejected before or instead of a judgement.
    Rejected,
}

impl AttemptStatus {
    /// Those that an attempt can end with, in the order in which they are counted. A campaign never
    /// asks for `not_slower`.
    pub(crate) const ALL: [Self; 6] = [
        Self::Merged,
        Self::Faster,
        Self::NotProven,
        Self::Same,
        Self::Slower,
        Self::Rejected,
    ];

    pub(crate) fn of(attempt: &Attempt) -> Self {
        if attempt.merged.is_some() {
            Self::Merged
        } else {
            Self::of_kind(attempt.verdict)
        }
    }

    pub(crate) fn of_kind(kind: Kind) -> Self {
        match kind {
            Kind::Faster => Self::Faster,
            Kind::Slower => Self::Slower,
            Kind::Same => Self::Same,
            Kind::NotSlower => Self::NotSlower,
            Kind::NotProven => Self::NotProven,
            Kind::Rejected => Self::Rejected,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Merged => "merged",
            Self::Faster => "faster",
            Self::NotProven => "not proven",
            Self::Same => "same",
            Self::NotSlower => "not slower",
            Self::Slower => "slower",
            Self::Rejected => "rejected",
        }
    }

    /// The word as a class name.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::NotProven => "not-proven",
            Self::NotSlower => "not-slower",
            other => other.word(),
        }
    }
}
