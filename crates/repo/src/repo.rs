//! A user's repository: finding it, the directory for outpace's own state, and what has changed.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Oid, Repository, Status, StatusOptions};

use crate::error::Doing;
use crate::owner::trusted_by_git;
use crate::{RepoError, paths};

/// An open repository with a work tree. It can be moved to another thread. To work on several
/// threads at once, open one on each.
pub struct Repo {
    pub(crate) git: Repository,
    root: PathBuf,
    /// Where a partial clone gets what it lacks.
    pub(crate) promisor: Option<String>,
    /// Trees of a partial clone that are here whole.
    pub(crate) whole: RefCell<HashSet<Oid>>,
}

impl Repo {
    /// Finds the repository of `path`: its work tree, a directory below it, or a linked worktree.
    ///
    /// # Errors
    /// There is none, it belongs to another user, it is bare, or it has no commits yet.
    pub fn discover(path: &Path) -> Result<Self, RepoError> {
        let git = open(path)?;
        let Some(root) = git.workdir().map(Path::to_owned) else {
            return Err(RepoError::Bare {
                path: git.path().to_owned(),
            });
        };
        match git.head().map(drop) {
            Ok(()) => Ok(Self {
                promisor: promisor(&git),
                git,
                root,
                whole: RefCell::default(),
            }),
            Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => {
                Err(RepoError::NoCommits { path: root })
            }
            Err(error) => Err(error).doing(|| format!("reading HEAD of {}", root.display())),
        }
    }

    /// The work tree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of outpace's own files. It is inside the git directory that all worktrees
    /// share, so that no `git status` shows it.
    ///
    /// It is created if possible; if not, the first write into it says why.
    pub fn state_dir(&self) -> PathBuf {
        let dir = self.git.commondir().join("outpace");
        fs::create_dir_all(&dir).ok();
        dir
    }

    /// Whether git ignores a path below the work tree.
    pub fn ignores(&self, path: &str) -> bool {
        self.git.is_path_ignored(path).unwrap_or(false)
    }

    /// Changed tracked files and untracked files that are not ignored, sorted.
    ///
    /// # Errors
    /// git cannot read the work tree or the index.
    pub fn dirty(&self) -> Result<Vec<String>, RepoError> {
        Ok(self.status()?.into_iter().map(|(path, _)| path).collect())
    }

    /// Untracked files that are not ignored and match one of the globs, sorted. `git diff` leaves
    /// them out, so that a patch may lack a new file; after `git add -N` it has them.
    ///
    /// # Errors
    /// A glob is bad, or git cannot read the work tree or the index.
    pub fn untracked(&self, globs: &[String]) -> Result<Vec<String>, RepoError> {
        let globs = paths::globs(globs)?;
        let untracked = self.status()?.into_iter();
        let untracked =
            untracked.filter(|(path, status)| status.is_wt_new() && globs.is_match(path));
        Ok(untracked.map(|(path, _)| path).collect())
    }

    /// The files that differ from HEAD or the index, and the untracked ones, sorted by path.
    fn status(&self) -> Result<Vec<(String, Status)>, RepoError> {
        let mut options = StatusOptions::new();
        options
            .include_untracked(true)
            .recurse_untracked_dirs(true)
            .update_index(false);
        let doing = || format!("reading the status of {}", self.root.display());
        let statuses = self.git.statuses(Some(&mut options)).doing(doing)?;
        let path = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut files: Vec<(String, Status)> = statuses
            .iter()
            .map(|entry| (path(entry.path_bytes()), entry.status()))
            .collect();
        files.sort();
        Ok(files)
    }
}

/// The remote that promised the missing objects, if this is a partial clone.
fn promisor(git: &Repository) -> Option<String> {
    let config = git.config().ok()?.snapshot().ok()?;
    let entries = config.entries(Some(r"remote\..*\.promisor")).ok()?;
    let mut remote = None;
    let read = entries.for_each(|entry| {
        let name = entry.name().ok().and_then(|name| {
            let name = name.strip_prefix("remote.")?.strip_suffix(".promisor")?;
            Some(name.to_owned())
        });
        if entry.value().is_ok_and(|value| value == "true") {
            remote = name;
        }
    });
    read.ok()?;
    remote
}

/// Opens the repository around a path.
pub(crate) fn open(path: &Path) -> Result<Repository, RepoError> {
    let opened = match Repository::discover(path) {
        Err(error) if error.code() == ErrorCode::Owner && trusted_by_git(path) => {
            Repository::discover(path)
        }
        opened => opened,
    };
    opened.map_err(|error| not_opened(&error, path))
}

/// The hint of `safe.directory` needs the whole path.
fn not_opened(error: &git2::Error, path: &Path) -> RepoError {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match error.code() {
        ErrorCode::NotFound => RepoError::NotARepository { path },
        ErrorCode::Owner => RepoError::OtherOwner { path },
        _ => RepoError::Git {
            doing: format!("opening {}", path.display()),
            message: error.message().to_owned(),
        },
    }
}
