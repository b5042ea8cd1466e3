//! What a measurement is run with, and how a side can fail in it.

use outpace_process::{Context, Subject};
use outpace_record::{Block, SeedRun};
use outpace_stats::{Rule, StatsError};

use crate::plan::attribute;
use crate::{Executor, Side, WorkloadError};

/// What a trial is run with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the workload, for messages.
    pub workload: String,
    /// The rule of proof.
    pub rule: Rule,
    /// Pairs in a block.
    pub pairs: usize,
    /// Shortest turn in seconds.
    pub min_turn_s: f64,
    /// Seed of every draw.
    pub seed: u64,
    /// Steps of a real run, over which what a process costs once is spread. At least 1.
    pub steps_per_run: u64,
    /// What a proven gain is held against: the same model after as many steps as isolated runs
    /// have. Nothing where programs are only timed.
    pub same_model: Option<SameModel>,
    /// The two train different models, as they may on the time-to-loss track: tokens of a step and
    /// losses are not held against each other.
    pub other_mathematics: bool,
    /// What an earlier trial of the same comparison measured.
    pub earlier: Earlier,
    /// Seconds after which a trial that has proven nothing is `not_proven`.
    pub max_s: f64,
}

/// What base and candidate are held against each other with once a gain is proven.
#[derive(Debug, Clone, Default)]
pub struct SameModel {
    /// The base's evaluator, if there is one.
    pub evaluator: Option<Evaluator>,
}

/// A program that computes the validation loss of a checkpoint.
#[derive(Debug, Clone)]
pub struct Evaluator {
    /// How programs are started.
    pub context: Context,
    /// The program.
    pub subject: Subject,
}

/// What an earlier trial of the same comparison measured, which proved nothing. Its blocks are
/// evidence, so that this trial goes on and does not begin again.
#[derive(Debug, Clone, Default)]
pub struct Earlier {
    /// Blocks, base first.
    pub blocks: Vec<Block>,
    /// Isolated runs.
    pub alone: Vec<Block>,
    /// Seeds, on the time-to-loss track.
    pub seeds: Vec<SeedRun>,
    /// Whether a step took the same time there, as far as that was known.
    pub equal_steps: Option<bool>,
    /// Whether a gain in it showed in isolated runs.
    pub confirmed_steps: bool,
    /// Steps of a turn there, and turns of the warm-up; this trial takes the same.
    pub layout: Option<[u32; 2]>,
}

/// A side that failed in the middle of a trial.
#[derive(Debug, thiserror::Error)]
pub enum SideError {
    /// A program failed.
    #[error("the {} failed: {error}", side.as_str())]
    Side {
        /// Whose.
        side: Side,
        /// How.
        error: WorkloadError,
    },
    /// The rule cannot be used, or a time is impossible.
    #[error(transparent)]
    Stats(#[from] StatsError),
}

impl From<(Side, WorkloadError)> for SideError {
    fn from((side, error): (Side, WorkloadError)) -> Self {
        Self::Side { side, error }
    }
}

impl SideError {
    /// Whether the program ended or gave up by itself: not a time limit, not the machine, not the
    /// user.
    pub fn is_own_end(&self) -> bool {
        matches!(self, Self::Side { error, .. } if error.is_own_end())
    }

    /// Whether this is the user's Ctrl-C.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Side { error, .. } if error.is_cancelled())
    }

    /// What failed, if it is the machine and neither side.
    pub fn machine(&self) -> Option<&WorkloadError> {
        match self {
            Self::Side { error, .. } if error.is_machine() => Some(error),
            _ => None,
        }
    }

    /// The GPU's failure where it is one of the GPU.
    #[must_use]
    pub fn attributed(self, executor: &mut dyn Executor) -> Self {
        match self {
            Self::Side { side, error } => Self::Side {
                side,
                error: attribute(executor, error),
            },
            other => other,
        }
    }

    /// Whether it is the candidate's fault.
    pub fn is_candidate(&self) -> bool {
        let Self::Side { side, error } = self else {
            return false;
        };
        *side == Side::Candidate && !error.is_cancelled() && !error.is_machine()
    }
}
