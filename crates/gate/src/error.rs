//! Why a gate could not come to an outcome. A refused patch is an outcome, not an error.

use std::path::Path;

use outpace_record::{ReadError, Verdict};
use outpace_repo::{HistoryError, MergeError, RepoError};
use outpace_trial::{SideError, WorkloadError};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The user asked to stop; verdicts of the workloads that were settled, and what was measured
    /// of the running trial.
    #[error("interrupted")]
    Interrupted(Vec<Verdict>),
    /// Base, machine or disk cannot be trusted.
    #[error("{0}")]
    Environment(String),
    /// A trial ended without a verdict, and neither base nor patch is to blame: a GPU was full,
    /// busy with something else, or is gone.
    #[error("{message}")]
    NoVerdict {
        /// What happened.
        message: String,
        /// Nothing can be measured on it any more.
        lost: bool,
        /// Verdicts of the workloads that were settled before.
        verdicts: Vec<Verdict>,
    },
    /// What the user asked for is not possible.
    #[error("{0}")]
    Usage(String),
    /// git.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The merge.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// The history.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A stored document.
    #[error(
        "{path}: {source}\nHint: bring the file back from a copy, or move its campaign's folder away"
    )]
    Stored {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        source: ReadError,
    },
    /// The disk.
    #[error("{path}: {source}")]
    Disk {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl GateError {
    /// An I/O error with its path.
    pub fn disk(path: &Path) -> impl Fn(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Disk {
            path: path.clone(),
            source,
        }
    }

    /// A failure of a base that is measured by itself.
    pub(crate) fn of_base(workload: &str, error: &WorkloadError) -> Self {
        if error.is_cancelled() {
            return Self::Interrupted(Vec::new());
        }
        Self::Environment(format!("{workload}: {error}"))
    }

    /// The same, named by side.
    pub(crate) fn of_side(workload: &str, error: &SideError) -> Self {
        match error {
            SideError::Side { error, .. } => Self::of_base(workload, error),
            SideError::Stats(error) => Self::Environment(format!("{workload}: {error}")),
        }
    }
}
