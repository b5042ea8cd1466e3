//! Why a gate or a campaign could not come to an answer. A refused patch is no error.

use outpace_record::{ReadError, Verdict};
use outpace_repo::{HistoryError, MergeError, RepoError};

/// What went wrong; [`ResearchError::exit_code`] says whose business it is.
#[derive(Debug, thiserror::Error)]
pub enum ResearchError {
    /// The user asked to stop; verdicts of the workloads that were settled, and what was measured of the running trial.
    #[error("interrupted")]
    Interrupted(Vec<Verdict>),
    /// Base, machine or disk cannot be trusted.
    #[error("{0}")]
    Environment(String),
    /// A trial ended without a verdict, and neither base nor patch is to blame: a GPU was full, busy with something else, or is gone.
    #[error("{message}")]
    NoVerdict {
        /// What happened.
        message: String,
        /// It is of no use for anybody any more.
        lost: bool,
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
    #[error("{path}: {source}")]
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

impl ResearchError {
    /// Exit code of a command that ends with it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted(_) => 130,
            Self::Repo(error) | Self::Merge(MergeError::Repo(error)) if error.is_environment() => 5,
            // Somebody else moved the branch: what the user asked for was right.
            Self::Merge(MergeError::Moved { .. }) => 5,
            Self::Usage(_) | Self::Repo(_) | Self::Merge(_) => 2,
            Self::History(HistoryError::Unknown { .. } | HistoryError::Ambiguous { .. }) => 2,
            Self::Environment(_)
            | Self::NoVerdict { .. }
            | Self::History(_)
            | Self::Stored { .. }
            | Self::Disk { .. } => 5,
        }
    }
}

/// Turns an I/O error into one with its path.
pub(crate) fn disk(path: &std::path::Path) -> impl Fn(std::io::Error) -> ResearchError {
    let path = path.display().to_string();
    move |source| ResearchError::Disk {
        path: path.clone(),
        source,
    }
}

/// A lock that could not be had: the user stopped waiting, or the disk says no.
pub(crate) fn lock(error: std::io::Error) -> ResearchError {
    match error.kind() {
        std::io::ErrorKind::Interrupted => ResearchError::Interrupted(Vec::new()),
        _ => ResearchError::Environment(format!("cannot take the measuring lock: {error}")),
    }
}
