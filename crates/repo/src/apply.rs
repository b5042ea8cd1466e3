//! Patches as text, applied to a tree. No work tree and no index file is touched, and where a patch
//! does not fit, file, hunk and line are named.

mod overlay;
mod splice;

use git2::{ObjectType, Oid, Tree};

use crate::error::Doing;
use crate::patch_text::{self, Action, FilePatch};
use crate::trees::{MODE_FILE, MODE_GITLINK};
use crate::{Commit, Repo, RepoError, paths};
use overlay::{File, Overlay, Refusal, line_endings};
use splice::splice;

/// Longest text that is read as a patch. The policy's own limit is far below; this one bounds the
/// work of the parser.
const MAX_TEXT_BYTES: usize = 8 << 20;
/// How far back a patch may have been made.
const EARLIER_COMMITS: usize = 200;
/// Digits of an id that stand for it. git abbreviates to 7 or more.
const ENOUGH_DIGITS: usize = 7;

impl Repo {
    /// Applies a patch to a tree and says which tree results. Text without any change gives the
    /// same tree back.
    ///
    /// # Errors
    /// It is not a patch, names a forbidden path, or does not apply; the message says which file
    /// and hunk.
    pub fn apply(&self, base_tree: &str, patch_text: &str) -> Result<String, RepoError> {
        let text = prepared(patch_text)?;
        let (base, files) = (self.tree(base_tree)?, files_of(&text)?);
        self.apply_files(&base, &files)
            .or_else(|refusal| self.explained(&base, refusal))
    }

    /// Applies a patch to a commit. One that was made against an earlier commit of its history is
    /// merged with what came since, as `git apply --3way` does.
    ///
    /// # Errors
    /// Those of [`Repo::apply`], for the commit itself: nothing earlier fits either, or its lines
    /// were changed since.
    pub fn apply_onto(&self, base: &Commit, patch_text: &str) -> Result<String, RepoError> {
        let text = prepared(patch_text)?;
        let files = files_of(&text)?;
        let tree = self.tree(&base.tree)?;
        let refusal = match self.apply_files(&tree, &files) {
            Ok(patched) => return Ok(patched),
            Err(refusal) => refusal,
        };
        if refusal.may_be_for_an_earlier_commit()
            && let Some(merged) = self.merged_since(base, &files)?
        {
            return Ok(merged);
        }
        self.explained(&tree, refusal)
    }

    fn explained(&self, base: &Tree<'_>, refusal: Refusal) -> Result<String, RepoError> {
        Err(match refusal {
            Refusal::Missing(path) => Overlay::new(self, base).missing(&path)?,
            Refusal::Other(error) => error,
        })
    }

    fn merged_since(
        &self,
        base: &Commit,
        files: &[FilePatch<'_>],
    ) -> Result<Option<String>, RepoError> {
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
            let Ok(patched) = self.apply_files(&then, files) else {
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

    fn apply_files(&self, base: &Tree<'_>, files: &[FilePatch<'_>]) -> Result<String, Refusal> {
        let mut overlay = Overlay::new(self, base);
        for file in files {
            check_paths(&file.action)?;
            apply_file(&mut overlay, file)?;
        }
        Ok(overlay.write()?)
    }
}

/// The text with its last line ended and without the colours of a terminal.
fn prepared(patch_text: &str) -> Result<String, RepoError> {
    if patch_text.len() > MAX_TEXT_BYTES {
        let limit = MAX_TEXT_BYTES >> 20;
        return Err(RepoError::not_a_patch(format!(
            "it has more than {limit} MiB"
        )));
    }
    let mut text = if patch_text::is_coloured(patch_text) {
        patch_text::without_colours(patch_text).into_owned()
    } else {
        patch_text.to_owned()
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn files_of(text: &str) -> Result<Vec<FilePatch<'_>>, RepoError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    patch_text::parse(text)
}

fn check_paths(action: &Action) -> Result<(), RepoError> {
    for path in action.source().into_iter().chain([action.path()]) {
        let backslash = path.contains(&b'\\').then_some("it has a backslash");
        if let Some(why) = paths::unsafe_path(path).or(backslash) {
            return Err(bad_path(path, why));
        }
    }
    Ok(())
}

fn apply_file(overlay: &mut Overlay<'_>, file: &FilePatch<'_>) -> Result<(), Refusal> {
    let path = file.action.path();
    let before = match file.action.source() {
        Some(source) => Some(overlay.existing(source)?),
        None => None,
    };
    let old_mode = before.as_ref().map(|before| before.mode);
    let content = before.map(|before| before.content).unwrap_or_default();
    check_kind(file, old_mode)?;
    if let Action::Delete(_) = file.action {
        check_deletion(overlay, file, &content)?;
        overlay.remove(path);
        return Ok(());
    }
    let spliced = splice(&content, &file.hunks);
    let content = spliced.map_err(|mismatch| overlay.mismatch(path, &mismatch))?;
    let mode = file.mode.or(old_mode).unwrap_or(MODE_FILE);
    if !matches!(file.action, Action::Modify(_)) {
        overlay.free(path)?;
    }
    if let Action::Rename { from, .. } = &file.action {
        overlay.remove(from);
    }
    overlay.put(path, File { content, mode });
    Ok(())
}

/// Refuses what is not the text of a file.
fn check_kind(file: &FilePatch<'_>, old_mode: Option<u32>) -> Result<(), RepoError> {
    let path = file.action.path();
    if file.is_binary {
        return Err(bad_path(path, "it is binary: a patch is UTF-8 text only"));
    }
    if [old_mode, file.mode].contains(&Some(MODE_GITLINK)) {
        return Err(bad_path(
            path,
            "it is a submodule: a patch changes files only",
        ));
    }
    // Nothing shows which line endings a new file had before the patch was converted.
    if old_mode.is_none() && file.has_crlf_header {
        return Err(line_endings(
            path,
            "",
            "a header with LF as git writes it",
            "CRLF",
        ));
    }
    Ok(())
}

/// A deletion states the content that it deletes, or its id alone (`git diff -D`).
fn check_deletion(
    overlay: &Overlay<'_>,
    file: &FilePatch<'_>,
    content: &[u8],
) -> Result<(), RepoError> {
    let left = match splice(content, &file.hunks) {
        Err(mismatch) if mismatch.endings.is_some() => {
            return Err(overlay.mismatch(file.action.path(), &mismatch));
        }
        left => left.ok(),
    };
    let is_named = || {
        let Ok(id) = Oid::hash_object(ObjectType::Blob, content) else {
            return false;
        };
        let named =
            |digits: &str| digits.len() >= ENOUGH_DIGITS && id.to_string().starts_with(digits);
        file.hunks.is_empty() && file.old_id.is_some_and(named)
    };
    if left.is_some_and(|left| left.is_empty()) || is_named() {
        return Ok(());
    }
    Err(overlay.refused(
        file.action.path(),
        "the file has other content than the patch deletes",
    ))
}

fn bad_path(path: &[u8], why: &str) -> RepoError {
    RepoError::BadPath {
        path: paths::shown(path),
        why: why.to_owned(),
    }
}
