//! The difference between two trees, as git sees it.

use std::collections::HashMap;

use git2::{Delta, Diff, DiffDelta, DiffFile, DiffFindOptions, DiffFormat, DiffOptions, Tree};

use crate::canon::{Canonical, Change, Version, canonical};
use crate::error::Doing;
use crate::trees::MODE_GITLINK;
use crate::{Repo, RepoError, paths};

/// What a candidate changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// The unified diff with three lines of context.
    pub text: String,
    /// The files it touches, in path order.
    pub files: Vec<FileChange>,
    /// Canonical hash: equal for patches that differ only in line numbers, context, comments and
    /// spacing.
    pub sha256: String,
    /// Lines added.
    pub added: usize,
    /// Lines removed.
    pub removed: usize,
    only_comments: bool,
    pub(crate) case_clash: Option<(String, String)>,
}

/// What a patch does to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Its path (the old one where it is deleted), U+FFFD standing for what is not UTF-8.
    pub path: String,
    /// The path that it was renamed from.
    pub old_path: Option<String>,
    /// Git's file mode before; 0 where there was no file.
    pub old_mode: u32,
    /// Git's file mode after; 0 where the file is deleted.
    pub new_mode: u32,
    /// What happens to it.
    pub status: FileStatus,
    /// Whether either side is not UTF-8 text.
    pub binary: bool,
    /// Lines added.
    pub added: usize,
    /// Lines removed.
    pub removed: usize,
}

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileStatus {
    /// It is new.
    Added,
    /// It is deleted.
    Deleted,
    /// Its content or mode changes.
    Modified,
    /// It has another path.
    Renamed,
}

impl Patch {
    /// Whether it changes nothing at all.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether it changes comments and spacing only, all of it in languages whose comments are
    /// known. False if a file is added, deleted, renamed or changes its mode.
    pub fn only_comments(&self) -> bool {
        self.only_comments
    }
}

impl Repo {
    /// The difference between two trees (or commits).
    ///
    /// # Errors
    /// There is no such tree, or it cannot be read.
    pub fn patch_between(&self, base_tree: &str, candidate_tree: &str) -> Result<Patch, RepoError> {
        let (base, candidate) = (self.tree(base_tree)?, self.tree(candidate_tree)?);
        let doing = || format!("comparing {base_tree} with {candidate_tree}");
        let mut changes = self.changes(&self.diff(&base, &candidate, false).doing(doing)?)?;
        let Canonical {
            sha256,
            only_comments,
        } = canonical(&mut changes).doing(doing)?;
        let all_text = changes
            .iter()
            .flat_map(|c| [&c.old, &c.new])
            .flatten()
            .all(|v| is_text(&v.content));
        let mut diff = self.diff(&base, &candidate, all_text).doing(doing)?;
        diff.find_similar(Some(DiffFindOptions::new().renames(true)))
            .doing(doing)?;
        let files = self.file_changes(&diff).doing(doing)?;
        Ok(Patch {
            text: text_of(&diff).doing(doing)?,
            sha256,
            added: files.iter().map(|file| file.added).sum(),
            removed: files.iter().map(|file| file.removed).sum(),
            case_clash: self.case_clash(&files, &candidate)?,
            files,
            only_comments,
        })
    }

    fn diff(&self, old: &Tree<'_>, new: &Tree<'_>, text: bool) -> Result<Diff<'_>, git2::Error> {
        let mut options = DiffOptions::new();
        // All that a user's settings could change is set here: a patch reads the same everywhere.
        options
            .context_lines(3)
            .interhunk_lines(0)
            .id_abbrev(40)
            .old_prefix("a")
            .new_prefix("b");
        options.ignore_submodules(false).force_text(text);
        self.git
            .diff_tree_to_tree(Some(old), Some(new), Some(&mut options))
    }

    /// The changes without any guess at renames.
    fn changes(&self, diff: &Diff<'_>) -> Result<Vec<Change>, RepoError> {
        let mut by_path: HashMap<Vec<u8>, Change> = HashMap::new();
        for delta in diff.deltas() {
            let path = path_of(&delta).to_vec();
            let change = by_path.entry(path.clone()).or_insert(Change {
                path,
                old: None,
                new: None,
            });
            // A file that becomes a link is a deletion and an addition of the same path.
            change.old = change.old.take().or(self.version(&delta.old_file())?);
            change.new = change.new.take().or(self.version(&delta.new_file())?);
        }
        Ok(by_path.into_values().collect())
    }

    fn version(&self, file: &DiffFile<'_>) -> Result<Option<Version>, RepoError> {
        let mode = u32::from(file.mode());
        if mode == 0 || file.id().is_zero() {
            return Ok(None);
        }
        let content = if mode == MODE_GITLINK {
            file.id().to_string().into_bytes()
        } else {
            self.blob(file.id())?
        };
        Ok(Some(Version { content, mode }))
    }

    fn file_changes(&self, diff: &Diff<'_>) -> Result<Vec<FileChange>, git2::Error> {
        let mut files = Vec::new();
        for (at, delta) in diff.deltas().enumerate() {
            let (_, added, removed) = match git2::Patch::from_diff(diff, at)? {
                Some(patch) => patch.line_stats()?,
                None => (0, 0, 0),
            };
            files.push(FileChange {
                path: paths::name(path_of(&delta)),
                old_path: (delta.status() == Delta::Renamed)
                    .then(|| paths::name(delta.old_file().path_bytes().unwrap_or_default())),
                old_mode: u32::from(delta.old_file().mode()),
                new_mode: u32::from(delta.new_file().mode()),
                status: status_of(delta.status()),
                binary: [delta.old_file(), delta.new_file()]
                    .iter()
                    .any(|file| self.is_binary(file)),
                added,
                removed,
            });
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    fn is_binary(&self, file: &DiffFile<'_>) -> bool {
        self.git
            .find_blob(file.id())
            .is_ok_and(|blob| !is_text(blob.content()))
    }

    /// Two paths of the candidate that are one file where case does not count, if the patch adds
    /// one of them.
    fn case_clash(
        &self,
        files: &[FileChange],
        candidate: &Tree<'_>,
    ) -> Result<Option<(String, String)>, RepoError> {
        let fresh: HashMap<String, &str> = files
            .iter()
            .filter(|file| matches!(file.status, FileStatus::Added | FileStatus::Renamed))
            .map(|file| (file.path.to_lowercase(), file.path.as_str()))
            .collect();
        if fresh.is_empty() {
            return Ok(None);
        }
        let all = self
            .files_of(candidate)?
            .into_iter()
            .map(|file| paths::name(&file.path));
        let clash = |path: String| {
            let known = fresh
                .get(&path.to_lowercase())
                .filter(|known| **known != path)?;
            Some(((*known).to_owned(), path))
        };
        Ok(all.filter_map(clash).next())
    }
}

pub(crate) fn path_of<'a>(delta: &DiffDelta<'a>) -> &'a [u8] {
    delta
        .new_file()
        .path_bytes()
        .or(delta.old_file().path_bytes())
        .unwrap_or_default()
}

fn status_of(delta: Delta) -> FileStatus {
    match delta {
        Delta::Added => FileStatus::Added,
        Delta::Deleted => FileStatus::Deleted,
        Delta::Renamed => FileStatus::Renamed,
        _ => FileStatus::Modified,
    }
}

fn is_text(content: &[u8]) -> bool {
    !content.contains(&0) && std::str::from_utf8(content).is_ok()
}

fn text_of(diff: &Diff<'_>) -> Result<String, git2::Error> {
    let mut text = Vec::new();
    diff.print(DiffFormat::Patch, |_, _, line| {
        if let sign @ ('+' | '-' | ' ') = line.origin() {
            text.push(sign as u8);
        }
        text.extend_from_slice(line.content());
        true
    })?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
