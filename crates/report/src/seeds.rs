//! The seeds of a verdict: how far the runs of both sides came.

use outpace_record::{LossCurve, SeedRun, Verdict};

use crate::format::count;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum End {
    /// At the target loss, after so many steps.
    Reached(f64),
    /// It was given up, far above the base's.
    Stopped,
    /// It never came there.
    NotReached,
}

impl End {
    fn of(curve: &LossCurve, target: f64) -> Self {
        match curve.steps_to(target) {
            Some(steps) => Self::Reached(steps),
            None if curve.stopped => Self::Stopped,
            None => Self::NotReached,
        }
    }

    pub(crate) fn steps(self) -> Option<f64> {
        match self {
            Self::Reached(steps) => Some(steps),
            Self::Stopped | Self::NotReached => None,
        }
    }
}

/// One seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed {
    /// From 1.
    pub(crate) number: usize,
    pub(crate) base: End,
    pub(crate) candidate: End,
    /// ln of the ratio of steps, as the evidence counts it.
    pub(crate) log_ratio: f64,
}

impl Seed {
    /// `seed 3: 354 -> 250 steps`.
    pub(crate) fn text(&self) -> String {
        let word = |end: End, unit: &str| match end {
            End::Reached(steps) => format!("{}{unit}", count(steps.round())),
            End::Stopped => "stopped".to_owned(),
            End::NotReached => "not reached".to_owned(),
        };
        // One unit for both.
        let unit = match self.candidate {
            End::Reached(_) => "",
            End::Stopped | End::NotReached => " steps",
        };
        let (base, candidate) = (word(self.base, unit), word(self.candidate, " steps"));
        format!("seed {}: {base} -> {candidate}", self.number)
    }
}

/// All seeds in order; none where the verdict has no target.
pub(crate) fn seeds(verdict: &Verdict) -> Vec<Seed> {
    let Some(of) = &verdict.target else {
        return Vec::new();
    };
    let seed = |(i, run): (usize, &SeedRun)| Seed {
        number: i + 1,
        base: End::of(&run.base, of.target_loss),
        candidate: End::of(&run.candidate, of.target_loss),
        log_ratio: run.log_ratio(of),
    };
    verdict.runs.iter().enumerate().map(seed).collect()
}
