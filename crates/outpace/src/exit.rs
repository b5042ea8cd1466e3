//! Exit codes: part of the public surface, listed in the README.

use outpace_record::ConfigError;
use outpace_repo::{HistoryError, MergeError, RepoError};
use outpace_research::ResearchError;

/// Done; for gate and compare: `faster`.
pub(crate) const OK: u8 = 0;
/// Usage or configuration error.
pub(crate) const USAGE: u8 = 2;
/// `rejected`, or an audit that failed.
pub(crate) const REJECTED: u8 = 4;
/// The environment cannot be trusted.
pub(crate) const ENVIRONMENT: u8 = 5;
/// Interrupted.
pub(crate) const INTERRUPTED: u8 = 130;

/// An error with its exit code, for what has no error type of its own.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// A usage error.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    Failure {
        code: USAGE,
        message: message.into(),
    }
    .into()
}

/// An environment that cannot be trusted.
pub(crate) fn environment(message: impl Into<String>) -> anyhow::Error {
    Failure {
        code: ENVIRONMENT,
        message: message.into(),
    }
    .into()
}

/// The exit code that an error means.
pub(crate) fn code_of(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return failure.code;
        }
        if let Some(research) = cause.downcast_ref::<ResearchError>() {
            return research.exit_code();
        }
        if let Some(merge) = cause.downcast_ref::<MergeError>() {
            return match merge {
                MergeError::Moved { .. } => ENVIRONMENT,
                MergeError::Repo(error) if error.is_environment() => ENVIRONMENT,
                _ => USAGE,
            };
        }
        let repo = cause.downcast_ref::<RepoError>();
        if repo.is_some_and(RepoError::is_environment) {
            return ENVIRONMENT;
        }
        if repo.is_some() || cause.is::<ConfigError>() {
            return USAGE;
        }
        if let Some(error) = cause.downcast_ref::<HistoryError>() {
            let asked = matches!(
                error,
                HistoryError::Unknown { .. } | HistoryError::Ambiguous { .. }
            );
            return if asked { USAGE } else { ENVIRONMENT };
        }
        if cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::Interrupted)
        {
            return INTERRUPTED;
        }
    }
    ENVIRONMENT
}
