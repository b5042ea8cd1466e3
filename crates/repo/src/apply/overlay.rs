//! The files of a tree while a patch changes them. Each part of the patch sees the changes of those
//! above it, so that one patch can have several commits.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use git2::{ErrorCode, ObjectType, Tree};
use outpace_text::short;

use super::splice::Mismatch;
use crate::error::Doing;
use crate::trees::{MODE_GITLINK, TreeFile};
use crate::{Repo, RepoError, paths};

/// A file with its content and git's mode; a submodule has no content.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) content: Vec<u8>,
    pub(super) mode: u32,
}

/// Why a patch does not apply.
pub(super) enum Refusal {
    /// There is no such file. Which one was meant takes a look at all files, so the caller asks for
    /// it only if no earlier commit fits either.
    Missing(Vec<u8>),
    /// Anything else, with its message.
    Other(RepoError),
}

impl Refusal {
    pub(super) fn may_be_for_an_earlier_commit(&self) -> bool {
        matches!(
            self,
            Self::Missing(_) | Self::Other(RepoError::DoesNotApply { .. })
        )
    }
}

impl From<RepoError> for Refusal {
    fn from(error: RepoError) -> Self {
        Self::Other(error)
    }
}

pub(super) struct Overlay<'a> {
    repo: &'a Repo,
    base: &'a Tree<'a>,
    /// The files that the patch changed; `None` where it deleted one.
    changed: BTreeMap<Vec<u8>, Option<File>>,
}

impl<'a> Overlay<'a> {
    pub(super) fn new(repo: &'a Repo, base: &'a Tree<'a>) -> Self {
        Self {
            repo,
            base,
            changed: BTreeMap::new(),
        }
    }

    /// A file as it is now.
    pub(super) fn existing(&self, path: &[u8]) -> Result<File, Refusal> {
        let file = match self.changed.get(path) {
            Some(now) => now.clone(),
            None => self.in_base(path)?,
        };
        file.ok_or_else(|| Refusal::Missing(path.to_vec()))
    }

    /// That no file is there yet.
    pub(super) fn free(&self, path: &[u8]) -> Result<(), RepoError> {
        match self.changed.get(path) {
            Some(Some(_)) => Err(self.refused(path, "the patch adds this file twice")),
            None if self.in_base(path)?.is_some() => {
                Err(self.refused(path, "the file to add is already there"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn put(&mut self, path: &[u8], file: File) {
        self.changed.insert(path.to_vec(), Some(file));
    }

    pub(super) fn remove(&mut self, path: &[u8]) {
        self.changed.insert(path.to_vec(), None);
    }

    /// Writes the tree with all changes.
    pub(super) fn write(self) -> Result<String, RepoError> {
        if self.changed.is_empty() {
            return Ok(self.base.id().to_string());
        }
        let files = self.repo.files_of(self.base)?.into_iter();
        let mut files: BTreeMap<Vec<u8>, TreeFile> =
            files.map(|file| (file.path.clone(), file)).collect();
        for (path, change) in &self.changed {
            let Some(File { content, mode }) = change else {
                files.remove(path);
                continue;
            };
            let storing = || format!("storing {}", paths::shown(path));
            let id = self.repo.git.blob(content).doing(storing)?;
            let (path, mode) = (path.clone(), *mode);
            files.insert(path.clone(), TreeFile { path, id, mode });
        }
        for path in self.changed.keys().filter(|path| files.contains_key(*path)) {
            self.not_file_and_folder(path, &files)?;
        }
        let files: Vec<TreeFile> = files.into_values().collect();
        Ok(self.repo.write_tree(&files)?.to_string())
    }

    fn not_file_and_folder(
        &self,
        path: &[u8],
        files: &BTreeMap<Vec<u8>, TreeFile>,
    ) -> Result<(), RepoError> {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        for (at, _) in slashes {
            if files.contains_key(&path[..at]) {
                let file = paths::shown(&path[..at]);
                return Err(self.refused(path, &format!("`{file}` is a file, not a directory")));
            }
        }
        let inside = [path, b"/"].concat();
        let next = files.range(inside.clone()..).next();
        match next.is_some_and(|(next, _)| next.starts_with(&inside)) {
            true => Err(self.refused(path, "it is a directory there, not a file")),
            false => Ok(()),
        }
    }

    fn in_base(&self, path: &[u8]) -> Result<Option<File>, RepoError> {
        let entry = match self.base.get_path(Path::new(OsStr::from_bytes(path))) {
            Ok(entry) => entry,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(error).doing(|| format!("reading {}", paths::shown(path))),
        };
        let mode = entry.filemode().cast_unsigned();
        let content = match entry.kind() {
            Some(ObjectType::Tree) => return Ok(None),
            _ if mode == MODE_GITLINK => Vec::new(),
            _ => self.repo.blob(entry.id())?,
        };
        Ok(Some(File { content, mode }))
    }

    /// A missing file: settings of git can leave a part of its path out, or add one.
    pub(super) fn missing(&self, path: &[u8]) -> Result<RepoError, RepoError> {
        let below = [b"/", path].concat();
        let slash = path.iter().position(|byte| *byte == b'/');
        let shorter = slash.map(|slash| &path[slash + 1..]);
        let files = self.repo.files_of(self.base)?;
        let found = |fits: &dyn Fn(&[u8]) -> bool| {
            let file = files.iter().find(|file| fits(&file.path))?;
            Some(paths::shown(&file.path))
        };
        let hint = if let Some(file) = found(&|file| file.ends_with(&below)) {
            format!(
                "if it is `{file}`, the patch was made in a subdirectory with `--relative` or \
                 `diff.relative`: `git diff --no-relative` writes whole paths"
            )
        } else if let Some(file) = found(&|file| Some(file) == shorter) {
            format!(
                "if it is `{file}`, the patch has prefixes of its own (`diff.srcPrefix`, \
                 `diff.dstPrefix`): `git diff --src-prefix=a/ --dst-prefix=b/` writes git's"
            )
        } else {
            self.made_against()
        };
        Ok(refusal(path, "", "there is no such file", hint))
    }

    pub(super) fn refused(&self, path: &[u8], reason: &str) -> RepoError {
        refusal(path, "", reason, self.made_against())
    }

    /// The refusal of a patch whose hunk does not fit.
    pub(super) fn mismatch(&self, path: &[u8], mismatch: &Mismatch) -> RepoError {
        match mismatch.endings {
            Some([file, patch]) => line_endings(path, &mismatch.hunk, file, patch),
            None => refusal(path, &mismatch.hunk, &mismatch.reason, self.made_against()),
        }
    }

    fn made_against(&self) -> String {
        format!(
            "make it against the base, tree {}",
            short(&self.base.id().to_string())
        )
    }
}

/// The refusal of a patch because of its line endings, or those of the file.
pub(super) fn line_endings(path: &[u8], hunk: &str, file: &str, patch: &str) -> RepoError {
    let name = paths::shown(path);
    let reason = format!("line endings differ: `{name}` has {file}, the patch has {patch}");
    let hint = "`git diff --output=FILE` keeps them; shells, editors and mail programs may not";
    refusal(path, hunk, &reason, hint.to_owned())
}

fn refusal(path: &[u8], hunk: &str, reason: &str, hint: String) -> RepoError {
    RepoError::DoesNotApply {
        path: paths::shown(path),
        hunk: hunk.to_owned(),
        reason: reason.to_owned(),
        hint,
    }
}
