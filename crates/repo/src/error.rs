//! What can be wrong with a repository, a revision, a tree or a patch.

use std::io;
use std::path::{Path, PathBuf};

use outpace_text::plain;

/// Longest reason why something is no patch.
const REASON_CHARS: usize = 300;

/// Why work with git could not be done. Every message names its path, revision or patch.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// There is no repository here.
    #[error("{} is not in a git repository. Hint: run in a clone, or make one: `git init`, then commit your files", path.display())]
    NotARepository {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A repository without a work tree.
    #[error("{} is a bare repository: there are no files to work with. Hint: run in a clone or a worktree of it", path.display())]
    Bare {
        /// The repository.
        path: PathBuf,
    },
    /// A repository of another user.
    #[error("{} belongs to another user. Hint: `git config --global --add safe.directory {}`", path.display(), path.display())]
    OtherOwner {
        /// The repository.
        path: PathBuf,
    },
    /// A repository without commits.
    #[error("{} has no commits yet. Hint: commit your files first: `git add -A && git commit`", path.display())]
    NoCommits {
        /// The repository.
        path: PathBuf,
    },
    /// A name that git does not know.
    #[error("unknown revision `{rev}`. Hint: see `git log --oneline` and `git branch -a`")]
    UnknownRevision {
        /// What was asked for.
        rev: String,
    },
    /// A tree or commit id that is not in the repository.
    #[error("no tree `{id}` in this repository")]
    NoTree {
        /// What was asked for.
        id: String,
    },
    /// A glob that cannot be read.
    #[error("bad glob `{glob}`: {reason}")]
    BadGlob {
        /// The glob.
        glob: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A path that must not be written.
    #[error("`{path}` is refused: {why}")]
    BadPath {
        /// The path, control characters escaped.
        path: String,
        /// Why.
        why: String,
    },
    /// A file that is too large to be taken in.
    #[error(
        "`{path}` has {bytes} bytes, more than the {limit} that a proposal may leave in a file. Hint: add it to .gitignore"
    )]
    TooLarge {
        /// The file.
        path: String,
        /// Its size.
        bytes: u64,
        /// The most that is taken.
        limit: u64,
    },
    /// Text that is not a patch.
    #[error(
        "not a patch: {reason}. Hint: outpace reads what `git diff` and `git format-patch` write, headers included"
    )]
    NotAPatch {
        /// What the parser says.
        reason: String,
    },
    /// A patch for another tree.
    #[error("the patch does not apply to `{path}`{}: {reason}. Hint: {hint}", if hunk.is_empty() { String::new() } else { format!(", hunk {hunk}") })]
    DoesNotApply {
        /// The file.
        path: String,
        /// The hunk's header, empty where it is the file as a whole.
        hunk: String,
        /// Why not.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// git could not sign a commit.
    #[error(
        "commit.gpgsign is set, and git cannot sign the merge commit: {complaint}\nHint: `git commit-tree -S HEAD^{{tree}} -m test` tries it; or `git config commit.gpgsign false` here"
    )]
    NotSigned {
        /// What git says.
        complaint: String,
    },
    /// Objects that a partial clone lacks could not be fetched.
    #[error(
        "this is a partial clone, and git could not fetch what is missing from it: {complaint}\nHint: `git fetch --refetch --no-filter` makes the clone whole"
    )]
    NotFetched {
        /// What git says.
        complaint: String,
    },
    /// I/O error. The message has the cause, so the cause is not a `source` as well.
    #[error("I/O error at {}: {cause}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
    /// libgit2 or git error.
    #[error("git error while {doing}: {message}")]
    Git {
        /// What was being done.
        doing: String,
        /// What it says.
        message: String,
    },
}

impl RepoError {
    /// The reason may quote the patch.
    pub(crate) fn not_a_patch(reason: impl AsRef<str>) -> Self {
        Self::NotAPatch {
            reason: plain(reason.as_ref(), REASON_CHARS),
        }
    }

    /// Whether I/O or libgit2 failed, so that the request itself may be right.
    pub fn is_environment(&self) -> bool {
        matches!(
            self,
            Self::Io { .. } | Self::Git { .. } | Self::NotSigned { .. } | Self::NotFetched { .. }
        )
    }
}

/// Turns a git2 error into ours with the words for what was being done.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, RepoError>;
}

impl<T> Doing<T> for Result<T, git2::Error> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, RepoError> {
        self.map_err(|error| RepoError::Git {
            doing: what(),
            message: error.message().to_owned(),
        })
    }
}

/// Turns an I/O error into ours with its path.
pub(crate) trait AtPath<T> {
    fn at(self, path: &Path) -> Result<T, RepoError>;
}

impl<T> AtPath<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, RepoError> {
        self.map_err(|cause| RepoError::Io {
            path: path.to_owned(),
            cause,
        })
    }
}
