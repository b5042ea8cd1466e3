//! Revisions: names to commits, ranges, branches. Reads only.

use git2::{BranchType, ErrorCode, Oid, Sort};

use crate::error::Doing;
use crate::{Repo, RepoError};

/// What outpace reads of a commit. The texts are untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id in hex.
    pub id: String,
    /// Id of its tree.
    pub tree: String,
    /// Ids of its parents.
    pub parents: Vec<String>,
    /// First line of its message.
    pub summary: String,
    /// When it was committed, in seconds since 1970.
    pub time_unix: i64,
    /// Name of its author.
    pub author: String,
}

impl Repo {
    /// The commit that a revision names (`HEAD`, a branch, a tag, `HEAD~3`, the start of an id).
    ///
    /// # Errors
    /// It names none.
    pub fn resolve(&self, rev: &str) -> Result<Commit, RepoError> {
        let unknown = |_| RepoError::UnknownRevision {
            rev: rev.to_owned(),
        };
        let object = self.git.revparse_single(rev).map_err(unknown)?;
        Ok(describe(&object.peel_to_commit().map_err(unknown)?))
    }

    /// The commits of `A..B` (first parents of B that A does not reach), or the whole first-parent
    /// history of a single revision, oldest first.
    ///
    /// # Errors
    /// A revision is unknown, or the history cannot be read.
    pub fn commits(&self, range: &str) -> Result<Vec<Commit>, RepoError> {
        self.walk(range, true)
    }

    /// The same over all parents.
    pub(crate) fn all_commits(&self, range: &str) -> Result<Vec<Commit>, RepoError> {
        self.walk(range, false)
    }

    fn walk(&self, range: &str, first_parent: bool) -> Result<Vec<Commit>, RepoError> {
        let or_head = |rev: &str| {
            if rev.is_empty() {
                "HEAD".to_owned()
            } else {
                rev.to_owned()
            }
        };
        let (from, to) = match range.split_once("..") {
            Some((from, to)) => (
                Some(self.resolve(&or_head(from))?),
                self.resolve(&or_head(to))?,
            ),
            None => (None, self.resolve(range)?),
        };
        let walk = || -> Result<Vec<Commit>, git2::Error> {
            let mut walk = self.git.revwalk()?;
            walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
            if first_parent {
                walk.simplify_first_parent()?;
            }
            walk.push(Oid::from_str(&to.id)?)?;
            if let Some(from) = &from {
                walk.hide(Oid::from_str(&from.id)?)?;
            }
            walk.map(|id| Ok(describe(&self.git.find_commit(id?)?)))
                .collect()
        };
        walk().doing(|| format!("walking {range}"))
    }

    /// The commit that a branch points to, if there is such a branch.
    ///
    /// # Errors
    /// git cannot read it.
    pub fn branch_tip(&self, name: &str) -> Result<Option<String>, RepoError> {
        match self.git.find_branch(name, BranchType::Local) {
            Ok(branch) => {
                let commit = branch
                    .get()
                    .peel_to_commit()
                    .doing(|| format!("reading branch {name}"))?;
                Ok(Some(commit.id().to_string()))
            }
            Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::InvalidSpec) => {
                Ok(None)
            }
            Err(error) => Err(error).doing(|| format!("reading branch {name}")),
        }
    }

    /// The branch that is checked out here; `None` if HEAD is detached.
    pub fn current_branch(&self) -> Option<String> {
        let head = self.git.head().ok()?;
        if !head.is_branch() {
            return None;
        }
        head.shorthand().ok().map(str::to_owned)
    }

    /// Whether history ends where a shallow clone ends.
    pub fn is_shallow(&self) -> bool {
        self.git.is_shallow()
    }

    /// Whether commit `a` is in the history of commit `b` (a commit is in its own).
    ///
    /// # Errors
    /// One of them is unknown.
    pub fn is_ancestor(&self, a: &str, b: &str) -> Result<bool, RepoError> {
        let (a, b) = (self.commit_id(a)?, self.commit_id(b)?);
        if a == b {
            return Ok(true);
        }
        self.git
            .graph_descendant_of(b, a)
            .doing(|| format!("asking whether {a} is in the history of {b}"))
    }

    /// The whole message of a commit; untrusted.
    ///
    /// # Errors
    /// There is no such commit.
    pub fn message(&self, id: &str) -> Result<String, RepoError> {
        let commit = self
            .git
            .find_commit(self.commit_id(id)?)
            .doing(|| format!("reading commit {id}"))?;
        Ok(String::from_utf8_lossy(commit.message_bytes()).into_owned())
    }

    pub(crate) fn commit_id(&self, rev: &str) -> Result<Oid, RepoError> {
        let commit = self.resolve(rev)?;
        Oid::from_str(&commit.id).doing(|| format!("reading the id of {rev}"))
    }
}

fn describe(commit: &git2::Commit<'_>) -> Commit {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Commit {
        id: commit.id().to_string(),
        tree: commit.tree_id().to_string(),
        parents: commit.parent_ids().map(|id| id.to_string()).collect(),
        summary: text(commit.message_bytes())
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
        time_unix: commit.time().seconds(),
        author: text(commit.author().name_bytes()),
    }
}
