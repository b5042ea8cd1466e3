//! The one table of exit codes: part of the public surface, listed in the README.

use outpace_gate::GateError;
use outpace_record::{ConfigError, Kind};
use outpace_repo::{HistoryError, MergeError, RepoError};

/// Done; for gate and compare: `faster`.
pub(crate) const OK: u8 = 0;
/// `not_proven` or `same`.
pub(crate) const NOT_PROVEN: u8 = 1;
/// Usage or configuration error.
pub(crate) const USAGE: u8 = 2;
/// `slower`.
pub(crate) const SLOWER: u8 = 3;
/// `rejected`, or an audit that failed.
pub(crate) const REJECTED: u8 = 4;
/// The environment cannot be trusted.
pub(crate) const ENVIRONMENT: u8 = 5;
/// Interrupted.
pub(crate) const INTERRUPTED: u8 = 130;

/// The exit code of a gate or a comparison that ends with a verdict.
pub(crate) fn of_kind(kind: Kind) -> u8 {
    match kind {
        Kind::Faster | Kind::NotSlower => OK,
        Kind::Same | Kind::NotProven => NOT_PROVEN,
        Kind::Slower => SLOWER,
        Kind::Rejected => REJECTED,
    }
}

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

/// Something that was refused.
pub(crate) fn rejected(message: impl Into<String>) -> anyhow::Error {
    Failure {
        code: REJECTED,
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

/// An error with its causes. Many name their cause themselves; it is not said twice.
pub(crate) fn whole(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        match text.is_empty() {
            true => cause,
            false if text.contains(&cause) => text,
            false => format!("{text}: {cause}"),
        }
    })
}

/// The exit code that an error means.
pub(crate) fn code_of(error: &anyhow::Error) -> u8 {
    error.chain().find_map(code_of_cause).unwrap_or(ENVIRONMENT)
}

fn code_of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(failure.code);
    }
    if let Some(error) = cause.downcast_ref::<GateError>() {
        return Some(of_gate(error));
    }
    if let Some(error) = cause.downcast_ref::<MergeError>() {
        return Some(of_merge(error));
    }
    if let Some(error) = cause.downcast_ref::<RepoError>() {
        return Some(of_repo(error));
    }
    if cause.is::<ConfigError>() {
        return Some(USAGE);
    }
    if let Some(error) = cause.downcast_ref::<HistoryError>() {
        return Some(of_history(error));
    }
    let io = cause.downcast_ref::<std::io::Error>()?;
    (io.kind() == std::io::ErrorKind::Interrupted).then_some(INTERRUPTED)
}

fn of_gate(error: &GateError) -> u8 {
    match error {
        GateError::Interrupted(_) => INTERRUPTED,
        GateError::Usage(_) => USAGE,
        GateError::Repo(error) => of_repo(error),
        GateError::Merge(error) => of_merge(error),
        GateError::History(error) => of_history(error),
        GateError::Environment(_)
        | GateError::NoVerdict { .. }
        | GateError::Stored { .. }
        | GateError::Disk { .. } => ENVIRONMENT,
    }
}

fn of_merge(error: &MergeError) -> u8 {
    match error {
        // The branch was moved by others: what the user asked for was right.
        MergeError::Moved { .. } => ENVIRONMENT,
        MergeError::Repo(error) => of_repo(error),
        _ => USAGE,
    }
}

fn of_repo(error: &RepoError) -> u8 {
    if error.is_environment() {
        ENVIRONMENT
    } else {
        USAGE
    }
}

fn of_history(error: &HistoryError) -> u8 {
    match error {
        HistoryError::Unknown { .. } | HistoryError::Ambiguous { .. } => USAGE,
        _ => ENVIRONMENT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error = GateError::disk(std::path::Path::new("/a"))(denied);
        assert_eq!(whole(&error.into()), "/a: permission denied");
        let outer = anyhow::anyhow!("why").context("what");
        assert_eq!(whole(&outer), "what: why");
    }

    #[test]
    fn every_verdict_and_every_kind_of_error_has_its_code() {
        let kinds = [
            (Kind::Faster, 0),
            (Kind::Same, 1),
            (Kind::NotProven, 1),
            (Kind::Slower, 3),
            (Kind::Rejected, 4),
        ];
        for (kind, code) in kinds {
            assert_eq!(of_kind(kind), code, "{kind:?}");
        }
        let moved = || MergeError::Moved {
            branch: "b".into(),
            now: None,
        };
        let unknown = || RepoError::UnknownRevision { rev: "x".into() };
        let errors: [(anyhow::Error, u8); 8] = [
            (usage("x"), 2),
            (environment("x"), 5),
            (GateError::Interrupted(Vec::new()).into(), 130),
            (GateError::Environment("x".into()).into(), 5),
            (GateError::Merge(moved()).into(), 5),
            (GateError::Repo(unknown()).into(), 2),
            (anyhow::Error::from(unknown()).context("while reading"), 2),
            (anyhow::anyhow!("anything else"), 5),
        ];
        for (error, code) in errors {
            assert_eq!(code_of(&error), code, "{error:#}");
        }
    }
}
