//! The tree of an agent's worktree: the files on disk, independent of what it did with git there.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use git2::{ObjectType, Oid};

use crate::error::{AtPath, Doing};
use crate::ignore::IgnoreRules;
use crate::lfs::Pointer;
use crate::trees::{MODE_EXECUTABLE, MODE_FILE, MODE_GITLINK, MODE_LINK, TreeFile};
use crate::{Repo, RepoError, paths};

/// Largest file that is taken into a tree. Patches are a few KiB of text; this limit only keeps
/// huge files out of the object store.
pub const MAX_FILE_BYTES: u64 = 8 << 20;

/// Most new or changed bytes of one tree, for the same reason.
const MAX_TOTAL_BYTES: u64 = 64 << 20;

impl Repo {
    /// Writes the tree of the files in `dir`: tracked files of the base as they are now, and new
    /// files that the base's own `.gitignore` does not leave out. Links are not followed, a `.git`
    /// at the top is skipped, submodules stay as they were.
    ///
    /// # Errors
    /// A file is too large, a path is refused, or there is an I/O error.
    pub fn tree_from_dir(&self, base_tree: &str, dir: &Path) -> Result<String, RepoError> {
        let base = self.files_of(&self.tree(base_tree)?)?;
        let mut walk = Walk {
            repo: self,
            rules: IgnoreRules::of_tree(self, base_tree)?,
            folders: base.iter().flat_map(|file| folders(&file.path)).collect(),
            files: base
                .iter()
                .filter(|file| file.mode == MODE_GITLINK)
                .cloned()
                .collect(),
            tracked: base
                .iter()
                .map(|file| (file.path.as_slice(), file))
                .collect(),
            new_bytes: 0,
        };
        walk.folder(dir, b"")?;
        walk.keep_links_that_lead_out(dir, &base)?;
        let tree = self.write_tree(&walk.files)?;
        Ok(tree.to_string())
    }
}

fn folders(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'/')
        .map(|(at, _)| &path[..at])
}

struct Walk<'a> {
    repo: &'a Repo,
    rules: IgnoreRules,
    tracked: HashMap<&'a [u8], &'a TreeFile>,
    folders: HashSet<&'a [u8]>,
    files: Vec<TreeFile>,
    new_bytes: u64,
}

impl Walk<'_> {
    fn folder(&mut self, at: &Path, prefix: &[u8]) -> Result<(), RepoError> {
        for entry in fs::read_dir(at).at(at)? {
            let entry = entry.at(at)?;
            let name = entry.file_name().into_vec();
            let path = [prefix, &name].concat();
            if path != b".git" {
                self.entry(&entry.path(), path)?;
            }
        }
        Ok(())
    }

    /// They were never laid, so that nobody can have deleted them.
    fn keep_links_that_lead_out(&mut self, dir: &Path, base: &[TreeFile]) -> Result<(), RepoError> {
        for file in base.iter().filter(|file| file.mode == MODE_LINK) {
            let at = dir.join(OsStr::from_bytes(&file.path));
            if self.repo.leading_out(file)?.is_some() && fs::symlink_metadata(at).is_err() {
                self.files.push(file.clone());
            }
        }
        Ok(())
    }

    fn entry(&mut self, at: &Path, path: Vec<u8>) -> Result<(), RepoError> {
        if let Some(why) = paths::unsafe_path(&path) {
            return Err(RepoError::BadPath {
                path: paths::shown(&path),
                why: why.into(),
            });
        }
        let meta = fs::symlink_metadata(at).at(at)?;
        if meta.is_dir() {
            let submodule = self
                .tracked
                .get(path.as_slice())
                .is_some_and(|file| file.mode == MODE_GITLINK);
            if submodule
                || (!self.folders.contains(path.as_slice()) && self.rules.ignored(&path, true)?)
            {
                return Ok(());
            }
            return self.folder(at, &[&path[..], b"/"].concat());
        }
        let known = self.tracked.get(path.as_slice()).copied();
        if !(meta.is_file() || meta.is_symlink())
            || (known.is_none() && self.rules.ignored(&path, false)?)
        {
            return Ok(());
        }
        let id = self.content(at, &path, &meta, known)?;
        self.files.push(TreeFile {
            path,
            id,
            mode: mode_of(&meta),
        });
        Ok(())
    }

    fn content(
        &mut self,
        at: &Path,
        path: &[u8],
        meta: &Metadata,
        known: Option<&TreeFile>,
    ) -> Result<Oid, RepoError> {
        let hashing = || format!("hashing {}", at.display());
        if meta.is_symlink() {
            let target = fs::read_link(at).at(at)?;
            return self
                .repo
                .git
                .blob(target.as_os_str().as_bytes())
                .doing(hashing);
        }
        if let Some(known) = known
            && Oid::hash_file(ObjectType::Blob, at).doing(hashing)? == known.id
        {
            return Ok(known.id);
        }
        if let Some(known) = known
            && let Some(pointer) = Pointer::parse(&self.repo.blob(known.id)?)
            && pointer.is_object(at).at(at)?
        {
            return Ok(known.id);
        }
        self.new_bytes += meta.len();
        for (bytes, limit) in [
            (meta.len(), MAX_FILE_BYTES),
            (self.new_bytes, MAX_TOTAL_BYTES),
        ] {
            if bytes > limit {
                return Err(RepoError::TooLarge {
                    path: paths::shown(path),
                    bytes,
                    limit,
                });
            }
        }
        self.repo.git.blob(&fs::read(at).at(at)?).doing(hashing)
    }
}

fn mode_of(meta: &Metadata) -> u32 {
    match (meta.is_symlink(), meta.permissions().mode() & 0o100) {
        (true, _) => MODE_LINK,
        (false, 0) => MODE_FILE,
        (false, _) => MODE_EXECUTABLE,
    }
}
