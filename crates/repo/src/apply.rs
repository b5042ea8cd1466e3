//! Patches as text, applied to a tree: no work tree, no index file, and the path and hunk named where one does not fit.

use std::cell::RefCell;
use std::collections::HashSet;

use git2::{ApplyOptions, Delta, Diff, DiffDelta, DiffFile, Oid, Patch, Tree};

use crate::error::Doing;
use crate::patch::path_of;
use crate::{Commit, Repo, RepoError, paths};

/// Longest text that is parsed as a patch. The policy's own limit is far below; this one guards the parser.
const MAX_TEXT_BYTES: usize = 8 << 20;
/// How far back a patch may have been made.
const EARLIER_COMMITS: usize = 200;

impl Repo {
    /// Applies a patch to a tree and says which tree results. Text without any change gives the same tree back.
    ///
    /// # Errors
    /// It is no patch, names a forbidden path, or does not apply; the message says which file and hunk.
    pub fn apply(&self, base_tree: &str, patch_text: &str) -> Result<String, RepoError> {
        let base = self.tree(base_tree)?;
        if patch_text.trim().is_empty() {
            return Ok(base.id().to_string());
        }
        let diff = parse(patch_text)?;
        let mut added = HashSet::new();
        for (index, delta) in diff.deltas().enumerate() {
            self.refuse_path(&delta, &base)?;
            let refused = |reason: &str| RepoError::DoesNotApply {
                path: shown_path(&delta),
                hunk: String::new(),
                reason: reason.to_owned(),
                base: base.id().to_string(),
            };
            if delta.status() == Delta::Added && !added.insert(path_of(&delta).to_vec()) {
                return Err(refused("the patch adds this file twice"));
            }
            if delta.status() == Delta::Deleted && !self.deletes_what_is_there(&diff, index, &base)
            {
                return Err(refused("what it deletes is not what the file holds"));
            }
        }
        self.apply_diff(&base, &diff)
    }

    /// Applies a patch to a commit; one that was made against an earlier commit of its history is merged with what came since, as
    /// `git apply --3way` does.
    ///
    /// # Errors
    /// Those of [`Repo::apply`], for the commit itself: nothing earlier fits either, or its lines were changed since.
    pub fn apply_onto(&self, base: &Commit, patch_text: &str) -> Result<String, RepoError> {
        match self.apply(&base.tree, patch_text) {
            Err(refused @ RepoError::DoesNotApply { .. }) => {
                let merged = self.merged_since(base, patch_text)?;
                merged.ok_or(refused)
            }
            other => other,
        }
    }

    fn merged_since(&self, base: &Commit, patch_text: &str) -> Result<Option<String>, RepoError> {
        let walking = || format!("reading the history of {}", base.id);
        let mut walk = self.git.revwalk().doing(walking)?;
        walk.simplify_first_parent().doing(walking)?;
        let start = Oid::from_str(&base.id).doing(walking)?;
        walk.push(start).doing(walking)?;
        // A shallow clone's history ends in an error, which is an end too.
        let earlier = walk.skip(1).take(EARLIER_COMMITS).map_while(Result::ok);
        for id in earlier {
            let Ok(then) = self.git.find_commit(id).and_then(|commit| commit.tree()) else {
                break;
            };
            let Ok(patched) = self.apply(&then.id().to_string(), patch_text) else {
                continue;
            };
            let (ours, theirs) = (self.tree(&base.tree)?, self.tree(&patched)?);
            let merging = || "merging the patch with what came since".to_owned();
            let merged = self.git.merge_trees(&then, &ours, &theirs, None);
            let mut index = merged.doing(merging)?;
            if index.has_conflicts() {
                return Ok(None);
            }
            let tree = index.write_tree_to(&self.git).doing(merging)?;
            return Ok(Some(tree.to_string()));
        }
        Ok(None)
    }

    fn apply_diff(&self, base: &Tree<'_>, diff: &Diff<'_>) -> Result<String, RepoError> {
        let (path, hunk) = (RefCell::new(String::new()), RefCell::new(String::new()));
        let mut options = ApplyOptions::new();
        options.delta_callback(|delta| {
            *path.borrow_mut() = delta.as_ref().map(shown_path).unwrap_or_default();
            hunk.borrow_mut().clear();
            true
        });
        options.hunk_callback(|at| {
            *hunk.borrow_mut() = at
                .map(|h| paths::shown(h.header()).trim().to_owned())
                .unwrap_or_default();
            true
        });
        let applied = self.git.apply_to_tree(base, diff, Some(&mut options));
        drop(options);
        let mut index = applied.map_err(|error| RepoError::DoesNotApply {
            path: path.take(),
            hunk: hunk.take().replace("\\n", ""),
            reason: error.message().to_owned(),
            base: base.id().to_string(),
        })?;
        let tree = index
            .write_tree_to(&self.git)
            .doing(|| "writing the patched tree".into())?;
        Ok(tree.to_string())
    }

    /// git's library deletes a file whatever the patch says that it held.
    fn deletes_what_is_there(&self, diff: &Diff<'_>, index: usize, base: &Tree<'_>) -> bool {
        let Ok(Some(patch)) = Patch::from_diff(diff, index) else {
            return false;
        };
        let mut held = Vec::new();
        for hunk in 0..patch.num_hunks() {
            for line in 0..patch.num_lines_in_hunk(hunk).unwrap_or(0) {
                let Ok(line) = patch.line_in_hunk(hunk, line) else {
                    return false;
                };
                if line.origin() == '-' {
                    held.extend_from_slice(line.content());
                }
            }
        }
        let delta = patch.delta();
        let there = delta
            .old_file()
            .path()
            .and_then(|path| base.get_path(path).ok());
        let blob = there.and_then(|entry| self.git.find_blob(entry.id()).ok());
        // A file without an end of its last line, and one that is no text, which the policy refuses.
        blob.is_none_or(|blob| {
            blob.is_binary() || blob.content().trim_ascii_end() == held.trim_ascii_end()
        })
    }

    fn refuse_path(&self, delta: &DiffDelta<'_>, base: &Tree<'_>) -> Result<(), RepoError> {
        for path in [delta.old_file(), delta.new_file()]
            .iter()
            .filter_map(DiffFile::path_bytes)
        {
            let backslash = path.contains(&b'\\').then_some("it has a backslash");
            if let Some(why) = paths::unsafe_path(path).or(backslash) {
                return Err(RepoError::BadPath {
                    path: paths::shown(path),
                    why: why.into(),
                });
            }
        }
        let exists = || {
            delta
                .new_file()
                .path()
                .is_some_and(|path| base.get_path(path).is_ok())
        };
        if delta.status() == Delta::Added && exists() {
            return Err(RepoError::DoesNotApply {
                path: shown_path(delta),
                hunk: String::new(),
                reason: "the file to add is already there".into(),
                base: base.id().to_string(),
            });
        }
        Ok(())
    }
}

fn parse(text: &str) -> Result<Diff<'static>, RepoError> {
    let not_a_patch = |reason: &str| RepoError::NotAPatch {
        reason: reason.to_owned(),
    };
    if text.len() > MAX_TEXT_BYTES {
        return Err(not_a_patch("it has more than 8 MiB"));
    }
    let mut text = text.to_owned();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let diff = Diff::from_buffer(text.as_bytes()).map_err(|error| not_a_patch(error.message()))?;
    match diff.deltas().len() {
        0 => Err(not_a_patch("it names no file")),
        _ => Ok(diff),
    }
}

fn shown_path(delta: &DiffDelta<'_>) -> String {
    paths::shown(path_of(delta))
}
