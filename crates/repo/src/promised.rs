//! Partial clones (`--filter=blob:none`, `tree:0`): git fetches what is missing when it is needed,
//! libgit2 does not. What a tree needs is fetched here, by git and in one go.

use std::path::Path;

use git2::{ErrorCode, Oid};

use crate::error::{AtPath, Doing};
use crate::git::{complaint, git, with_input};
use crate::trees::MODE_GITLINK;
use crate::{Repo, RepoError};

/// How often trees that came may lead to further ones that are missing.
const ROUNDS: usize = 64;

impl Repo {
    /// Fetches what a partial clone lacks of a tree or commit.
    ///
    /// # Errors
    /// git cannot fetch it.
    pub(crate) fn complete(&self, id: Oid) -> Result<(), RepoError> {
        let Some(remote) = &self.promisor else {
            return Ok(());
        };
        if self.whole.borrow().contains(&id) {
            return Ok(());
        }
        self.fetch_promised(remote, id)?;
        self.whole.borrow_mut().insert(id);
        Ok(())
    }

    /// Makes sure that a tree (by its id, or that of a commit) and all files of it are here.
    ///
    /// # Errors
    /// git cannot fetch them.
    pub(crate) fn fetch_promised(&self, remote: &str, id: Oid) -> Result<(), RepoError> {
        for _ in 0..ROUNDS {
            let mut missing = Vec::new();
            self.missing_below(id, &mut missing)?;
            if missing.is_empty() {
                return Ok(());
            }
            self.fetch_objects(remote, &missing)?;
            self.git
                .odb()
                .and_then(|odb| odb.refresh())
                .doing(|| "reading the objects again".into())?;
        }
        Ok(())
    }

    fn missing_below(&self, id: Oid, missing: &mut Vec<Oid>) -> Result<(), RepoError> {
        let odb = self.git.odb().doing(|| "opening the objects".into())?;
        let reading = || format!("reading {id}");
        let tree = match self.git.find_object(id, None) {
            Ok(object) => match object.peel_to_tree() {
                Ok(tree) => tree,
                // A commit whose tree is missing.
                Err(_) => {
                    let commit = object.peel_to_commit().doing(reading)?;
                    missing.push(commit.tree_id());
                    return Ok(());
                }
            },
            Err(error) if error.code() == ErrorCode::NotFound => {
                missing.push(id);
                return Ok(());
            }
            Err(error) => return Err(error).doing(reading),
        };
        for entry in &tree {
            match entry.kind() {
                Some(git2::ObjectType::Tree) => self.missing_below(entry.id(), missing)?,
                _ if entry.filemode().cast_unsigned() == MODE_GITLINK => {}
                _ if odb.exists(entry.id()) => {}
                _ => missing.push(entry.id()),
            }
        }
        Ok(())
    }

    /// What git itself runs when it needs a promised object.
    fn fetch_objects(&self, remote: &str, ids: &[Oid]) -> Result<(), RepoError> {
        let fetch = [
            "-c",
            "fetch.negotiationAlgorithm=noop",
            "fetch",
            remote,
            "--no-tags",
            "--no-write-fetch-head",
            "--recurse-submodules=no",
            "--filter=blob:none",
            "--stdin",
        ];
        let list: String = ids.iter().map(|id| format!("{id}\n")).collect();
        let output = with_input(&mut git(self.git.path(), &fetch), &list).at(Path::new("git"))?;
        if !output.status.success() {
            let complaint = complaint(&output);
            return Err(RepoError::NotFetched { complaint });
        }
        Ok(())
    }
}
