//! Merges: a commit on a branch by compare-and-swap. The user's index and files are not touched.

use std::path::PathBuf;

use git2::{ErrorCode, Oid, Reference, Signature};
use outpace_text::short;

use crate::error::Doing;
use crate::{Repo, RepoError};

/// How often a reference that another process has locked is tried again. Such a lock lasts for
/// microseconds.
const LOCK_TRIES: u32 = 50;

/// A merge to make.
#[derive(Debug, Clone)]
pub struct MergeRequest {
    /// Name of the branch.
    pub into: String,
    /// Commit that the branch must point to: the base. `None`: the branch must not exist yet and is
    /// created.
    pub expected_tip: Option<String>,
    /// Commit that was measured against, the parent of the merge.
    pub base: String,
    /// The candidate's tree.
    pub tree: String,
    /// Files that are added to it: proofs and baselines.
    pub files: Vec<(String, Vec<u8>)>,
    /// The commit message.
    pub message: String,
}

/// Why a branch was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The branch is not where it was when the patch was measured.
    #[error("branch {branch} moved to {} meanwhile. Hint: measure the patch again on the new tip", now.as_deref().map_or("nothing (it was deleted)", short))]
    Moved {
        /// The branch.
        branch: String,
        /// Where it is now.
        now: Option<String>,
    },
    /// The branch is checked out in a worktree.
    #[error("branch {branch} is checked out in {}: its files would look changed. Hint: merge into another branch, for example outpace/{branch}, then update it with `git merge --ff-only outpace/{branch}`", path.display())]
    CheckedOut {
        /// The branch.
        branch: String,
        /// The worktree.
        path: PathBuf,
    },
    /// A name that git does not allow.
    #[error("`{branch}` is not a valid branch name")]
    BadBranch {
        /// The name.
        branch: String,
    },
    /// git keeps `a` as a file and `a/b` in a directory of that name, so there cannot be both.
    #[error(
        "branch {branch} cannot be made beside branch {other}. Hint: name another branch with --into"
    )]
    InTheWay {
        /// The branch.
        branch: String,
        /// The one that is there.
        other: String,
    },
    /// The tip and the measured base are not the same commit.
    #[error(
        "branch {branch} is at {}, but the patch was measured against {}. Hint: measure it again on the tip",
        short(tip),
        short(base)
    )]
    NotTheBase {
        /// The branch.
        branch: String,
        /// Its tip.
        tip: String,
        /// What was measured against.
        base: String,
    },
    /// A move that would lose commits.
    #[error(
        "branch {branch} cannot be fast-forwarded from {} to {}: that would lose commits",
        short(from),
        short(to)
    )]
    NotFastForward {
        /// The branch.
        branch: String,
        /// Where it is.
        from: String,
        /// Where it should go.
        to: String,
    },
    /// libgit2 error or I/O error.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

impl Repo {
    /// Whether a branch may be moved at all. Ask this before anything is measured.
    ///
    /// # Errors
    /// The name is not valid or not possible beside the existing branches, or the branch is checked
    /// out in a worktree.
    pub fn check_mergeable(&self, into: &str) -> Result<(), MergeError> {
        let branch = into.to_owned();
        if !git2::Branch::name_is_valid(into).unwrap_or(false)
            || !Reference::is_valid_name(&full_name(into))
        {
            return Err(MergeError::BadBranch { branch });
        }
        if let Some(other) = self.branch_in_the_way(into)? {
            return Err(MergeError::InTheWay { branch, other });
        }
        match self.checked_out_at(into) {
            Some(path) => Err(MergeError::CheckedOut { branch, path }),
            None => Ok(()),
        }
    }

    /// Whether the merge commit can be signed, where the user's settings ask for that. Ask this
    /// before anything is measured: an agent of keys may be locked.
    ///
    /// # Errors
    /// `commit.gpgsign` is set and git cannot sign.
    pub fn check_signing(&self) -> Result<(), MergeError> {
        if !self.signs() {
            return Ok(());
        }
        let head = self.resolve("HEAD")?;
        let reading = || "reading HEAD".to_owned();
        let tree = Oid::from_str(&head.tree).doing(reading)?;
        let parent = Oid::from_str(&head.id).doing(reading)?;
        // Nothing refers to this commit.
        self.signed_commit(tree, parent, "outpace: can this be signed?")?;
        Ok(())
    }

    fn branch_in_the_way(&self, into: &str) -> Result<Option<String>, RepoError> {
        let above = into.match_indices('/').map(|(at, _)| &into[..at]);
        for name in above {
            if self.branch_tip(name)?.is_some() {
                return Ok(Some(name.to_owned()));
            }
        }
        let below = full_name(&format!("{into}/*"));
        let doing = || "looking for branches".to_owned();
        let mut found = self.git.references_glob(&below).doing(doing)?;
        let Some(reference) = found.next() else {
            return Ok(None);
        };
        let name = String::from_utf8_lossy(reference.doing(doing)?.shorthand_bytes()).into_owned();
        Ok(Some(name))
    }

    /// Commits the candidate with its proof and moves the branch to that commit, if the branch is
    /// still where it was.
    ///
    /// # Errors
    /// The branch moved, is checked out or is not at the base; a path is refused; libgit2 error.
    /// The branch has not moved then.
    pub fn merge(&self, request: &MergeRequest) -> Result<String, MergeError> {
        self.check_mergeable(&request.into)?;
        let base = self.commit_id(&request.base)?;
        let expected = request
            .expected_tip
            .as_deref()
            .map(|tip| self.commit_id(tip))
            .transpose()?;
        self.still_at(&request.into, expected)?;
        if let Some(tip) = expected.filter(|tip| *tip != base) {
            let (tip, base) = (tip.to_string(), base.to_string());
            return Err(MergeError::NotTheBase {
                branch: request.into.clone(),
                tip,
                base,
            });
        }
        let tree = self.with_files(&request.tree, &request.files)?;
        let commit = self.commit(&tree, base, &request.message)?;
        let subject = request.message.lines().next().unwrap_or_default();
        self.swap(
            &request.into,
            expected,
            commit,
            &format!("outpace: merge: {subject}"),
        )?;
        Ok(commit.to_string())
    }

    /// Moves a branch forward to a commit, if it is still at `expected` (`None`: it must not exist
    /// yet).
    ///
    /// # Errors
    /// As [`Repo::merge`]; or the commit does not follow the branch.
    pub fn fast_forward(
        &self,
        branch: &str,
        expected: Option<&str>,
        to: &str,
    ) -> Result<(), MergeError> {
        self.check_mergeable(branch)?;
        let to = self.commit_id(to)?;
        let expected = expected.map(|tip| self.commit_id(tip)).transpose()?;
        self.still_at(branch, expected)?;
        if let Some(from) = expected
            && !self.is_ancestor(&from.to_string(), &to.to_string())?
        {
            let (from, to) = (from.to_string(), to.to_string());
            return Err(MergeError::NotFastForward {
                branch: branch.to_owned(),
                from,
                to,
            });
        }
        self.swap(branch, expected, to, "outpace: fast-forward")
    }

    /// The name of whoever works here, as git knows it.
    pub fn author_name(&self) -> String {
        let signature = self.signature();
        signature.map_or_else(
            |_| String::new(),
            |signature| String::from_utf8_lossy(signature.name_bytes()).into_owned(),
        )
    }

    pub(crate) fn signature(&self) -> Result<Signature<'static>, git2::Error> {
        self.git
            .signature()
            .or_else(|_| Signature::now("outpace", "outpace@localhost"))
    }

    fn commit(&self, tree: &Oid, parent: Oid, message: &str) -> Result<Oid, RepoError> {
        if self.signs() {
            return self.signed_commit(*tree, parent, message);
        }
        let doing = || "writing the merge commit".to_owned();
        let author = self.signature().doing(doing)?;
        let parent = self.git.find_commit(parent).doing(doing)?;
        let tree = self.git.find_tree(*tree).doing(doing)?;
        self.git
            .commit(None, &author, &author, message, &tree, &[&parent])
            .doing(doing)
    }

    fn still_at(&self, branch: &str, expected: Option<Oid>) -> Result<(), MergeError> {
        let now = self.branch_tip(branch)?;
        if now == expected.map(|tip| tip.to_string()) {
            return Ok(());
        }
        Err(MergeError::Moved {
            branch: branch.to_owned(),
            now,
        })
    }

    /// The compare-and-swap.
    fn swap(
        &self,
        branch: &str,
        expected: Option<Oid>,
        to: Oid,
        log: &str,
    ) -> Result<(), MergeError> {
        for _ in 0..LOCK_TRIES {
            match self.try_swap(&full_name(branch), expected, to, log) {
                Ok(()) => return Ok(()),
                Err(error) if error.code() == ErrorCode::Locked => std::thread::yield_now(),
                Err(error) if lost_race(&error) => {
                    return Err(MergeError::Moved {
                        branch: branch.to_owned(),
                        now: self.branch_tip(branch)?,
                    });
                }
                Err(error) => {
                    return Err(error)
                        .doing(|| format!("moving branch {branch}"))
                        .map_err(Into::into);
                }
            }
        }
        let message = "another process has its lock file".to_owned();
        Err(RepoError::Git {
            doing: format!("moving branch {branch}"),
            message,
        }
        .into())
    }

    /// Moves a reference that must be at `expected`, or must not exist yet.
    pub(crate) fn try_swap(
        &self,
        name: &str,
        expected: Option<Oid>,
        to: Oid,
        log: &str,
    ) -> Result<(), git2::Error> {
        // The zero id means "must not exist" and is compared under the reference's lock. A plain
        // creation would check before it locks.
        let expected = expected.unwrap_or(Oid::ZERO_SHA1);
        self.git
            .reference_matching(name, to, true, expected, &log.replace('\0', " "))
            .map(drop)
    }
}

/// Whether a swap failed because another writer was faster.
pub(crate) fn lost_race(error: &git2::Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::Modified | ErrorCode::Exists | ErrorCode::NotFound
    )
}

fn full_name(branch: &str) -> String {
    format!("refs/heads/{branch}")
}
