//! Patches as text, applied to a tree: no work tree, no index file, and the path and hunk named where one does not fit.

use std::cell::RefCell;

use git2::{ApplyOptions, Delta, Diff, DiffDelta, DiffFile, Tree};

use crate::error::Doing;
use crate::patch::path_of;
use crate::{Repo, RepoError, paths};

/// Longest text that is parsed as a patch. The policy's own limit is far below; this one guards the parser.
const MAX_TEXT_BYTES: usize = 8 << 20;

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
        for delta in diff.deltas() {
            self.refuse_path(&delta, &base)?;
        }
        self.apply_diff(&base, &diff)
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
