//! Submodules: the pinned commit's files, from the clone that git keeps of it. Nothing is fetched.

use std::fs;
use std::path::{Path, PathBuf};

use git2::Oid;

use crate::error::Doing;
use crate::trees::{MODE_GITLINK, TreeFile};
use crate::{Repo, RepoError};

/// How deep submodules may lie in submodules, and folders in their names.
const DEEPEST: usize = 8;

impl Repo {
    /// The files of a submodule, with the submodule's own path in front; nothing where this clone
    /// lacks its commit.
    ///
    /// # Errors
    /// The commit is there and cannot be read.
    pub(crate) fn submodule_files(
        &self,
        submodule: &TreeFile,
    ) -> Result<Option<Vec<TreeFile>>, RepoError> {
        if !self.has_object(submodule.id)? {
            self.add_submodule_objects(&submodule.path)?;
            if !self.has_object(submodule.id)? {
                return Ok(None);
            }
        }
        let reading = || format!("reading submodule commit {}", submodule.id);
        let commit = self.git.find_commit(submodule.id).doing(reading)?;
        let mut files = self.files_of(&commit.tree().doing(reading)?)?;
        for file in &mut files {
            file.path = [&submodule.path, &b"/"[..], &file.path].concat();
        }
        Ok(Some(files))
    }

    fn has_object(&self, id: Oid) -> Result<bool, RepoError> {
        let odb = self.git.odb().doing(|| "opening the objects".into())?;
        Ok(odb.exists(id))
    }

    /// Makes the objects of the submodules' clones readable through this repository.
    fn add_submodule_objects(&self, path: &[u8]) -> Result<(), RepoError> {
        let mut stores = Vec::new();
        for dir in [self.git.commondir(), self.git.path()] {
            object_folders(&dir.join("modules"), DEEPEST, &mut stores);
        }
        // A submodule of old keeps its clone in the work tree.
        let path = self.root().join(String::from_utf8_lossy(path).as_ref());
        stores.push(path.join(".git").join("objects"));
        let odb = self.git.odb().doing(|| "opening the objects".into())?;
        for store in stores.iter().filter(|store| store.is_dir()) {
            let adding = || format!("reading {}", store.display());
            odb.add_disk_alternate(&store.to_string_lossy())
                .doing(adding)?;
        }
        Ok(())
    }
}

/// Every `objects` folder of a clone below `dir`.
fn object_folders(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Some(deeper) = depth.checked_sub(1) else {
        return;
    };
    let is_clone = dir.join("HEAD").is_file() && dir.join("objects").is_dir();
    if is_clone {
        found.push(dir.join("objects"));
        return object_folders(&dir.join("modules"), deeper, found);
    }
    // The name of a submodule may hold slashes.
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            object_folders(&entry.path(), deeper, found);
        }
    }
}

/// Whether an entry of a tree is a submodule.
pub(crate) fn is_submodule(file: &TreeFile) -> bool {
    file.mode == MODE_GITLINK
}
