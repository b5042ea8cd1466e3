//! What can be wrong with the history or a record in it.

use super::layout::REFERENCE;
use crate::RepoError;

/// Why the history could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// No record of that id.
    #[error(
        "no record in the history has an id that begins with `{id}`. Hint: `outpace history list`"
    )]
    Unknown {
        /// What was asked for.
        id: String,
    },
    /// More than one record.
    #[error("`{id}` is the beginning of several records: {}. Hint: give more digits", candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        id: String,
        /// Some of those that it may mean.
        candidates: Vec<String>,
    },
    /// A file that is not what its name says.
    #[error("history file `{path}` is damaged: {why}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The reference is none of a history.
    #[error(
        "{REFERENCE} is no history: {why}\nHint: put it aside, with `git update-ref \
         refs/outpace/aside {REFERENCE} \"\" && git update-ref -d {REFERENCE}`, or by moving the file \
         of that name out of the git directory; `outpace history pull` brings what was pushed"
    )]
    Reference {
        /// What is wrong.
        why: String,
    },
    /// A record that cannot be filed.
    #[error(
        "a record of kind `{kind}` dated `{date}` cannot be filed: a kind is lower-case letters, a date like 2026-05-19"
    )]
    BadRecord {
        /// Its kind.
        kind: String,
        /// Its date.
        date: String,
    },
    /// Others kept moving the reference.
    #[error(
        "the history is busy: {tries} tries failed. Hint: delete {REFERENCE}.lock in the git directory if no other outpace or git runs"
    )]
    Busy {
        /// How often it was tried.
        tries: u32,
    },
    /// A remote could not be reached, or refused.
    #[error(
        "{remote}: {why}\nHint: `git ls-remote` with the same name shows whether git reaches it"
    )]
    Remote {
        /// The remote.
        remote: String,
        /// What git said.
        why: String,
    },
    /// Others kept moving the remote's reference.
    #[error("{remote} is busy: {tries} pushes were forestalled. Nothing is lost. Hint: push again")]
    RemoteBusy {
        /// The remote.
        remote: String,
        /// How often it was tried.
        tries: u32,
    },
    /// git is not there.
    #[error("cannot start git: {source}. Hint: push and pull use the command `git`")]
    NoGit {
        /// Why.
        source: std::io::Error,
    },
    /// libgit2 error or I/O error.
    #[error(transparent)]
    Repo(#[from] RepoError),
}
