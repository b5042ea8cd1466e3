//! A branch that arrives as a bundle from another machine, and goes on to a remote.

use std::path::Path;

use crate::error::AtPath;
use crate::git::{complaint, git};
use crate::{Commit, Repo, RepoError};

/// Where a bundle's branch is looked at before it becomes a branch.
const ARRIVED: &str = "refs/outpace/arrived";

impl Repo {
    /// The tip of a branch in a bundle, whose commits are here afterwards. No branch is moved.
    ///
    /// # Errors
    /// It is no bundle, lacks what it builds on, or has no such branch.
    pub fn fetch_bundle(&self, bundle: &Path, branch: &str) -> Result<Commit, RepoError> {
        let path = std::path::absolute(bundle).at(bundle)?;
        let path = path.to_string_lossy();
        self.run_git(&["bundle", "verify", "--quiet", &path])?;
        let refspec = format!("+refs/heads/{branch}:{ARRIVED}");
        self.run_git(&["fetch", "--quiet", "--no-tags", &path, &refspec])?;
        self.resolve(ARRIVED)
    }

    /// Makes a branch of a remote point at a commit, whatever it was.
    ///
    /// # Errors
    /// The remote refuses or cannot be reached.
    pub fn push_commit(&self, remote: &str, commit: &str, branch: &str) -> Result<(), RepoError> {
        self.run_git(&[
            "push",
            "--quiet",
            remote,
            &format!("+{commit}:refs/heads/{branch}"),
        ])
    }

    fn run_git(&self, args: &[&str]) -> Result<(), RepoError> {
        let output = git(self.git.path(), args).output().at(Path::new("git"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(RepoError::Git {
                doing: format!("running `git {}`", args[0]),
                message: complaint(&output),
            }),
        }
    }
}
