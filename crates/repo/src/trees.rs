//! Trees: looking things up in them, listing them, and building new ones without an index file.

use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{
    ErrorCode, FileMode, Index, IndexEntry, IndexEntryFlag, IndexTime, ObjectType, Oid, Tree,
};

use crate::error::Doing;
use crate::forbidden::is_forbidden;
use crate::{Repo, RepoError, paths};

/// A symbolic link, as git's file mode.
pub(crate) const MODE_LINK: u32 = 0o120_000;
/// A submodule.
pub(crate) const MODE_GITLINK: u32 = 0o160_000;
/// A regular file.
pub(crate) const MODE_FILE: u32 = 0o100_644;
/// An executable file.
pub(crate) const MODE_EXECUTABLE: u32 = 0o100_755;

/// A file, link or submodule in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeFile {
    pub(crate) path: Vec<u8>,
    pub(crate) id: Oid,
    pub(crate) mode: u32,
}

impl Repo {
    /// The content of a file in a tree (or commit), if it is there.
    ///
    /// # Errors
    /// There is no such tree, or it cannot be read.
    pub fn read(&self, tree: &str, path: &str) -> Result<Option<Vec<u8>>, RepoError> {
        match self.tree(tree)?.get_path(Path::new(path)) {
            Ok(entry) if entry.kind() == Some(ObjectType::Blob) => self.blob(entry.id()).map(Some),
            Ok(_) => Ok(None),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error).doing(|| format!("reading {path} in {tree}")),
        }
    }

    /// The files of a tree (or commit) that match one of the globs, in path order.
    ///
    /// # Errors
    /// A glob is bad, there is no such tree, or it cannot be read.
    pub fn list(&self, tree: &str, globs: &[String]) -> Result<Vec<String>, RepoError> {
        let globs = paths::globs(globs)?;
        let names = self
            .files_of(&self.tree(tree)?)?
            .into_iter()
            .map(|file| paths::name(&file.path));
        let mut names: Vec<String> = names.filter(|path| globs.is_match(path)).collect();
        names.sort();
        Ok(names)
    }

    /// The tree in which one file has this content. A new file is a plain one, an existing one
    /// keeps its mode.
    ///
    /// # Errors
    /// There is no such tree, or the path is refused.
    pub fn replace_file(
        &self,
        tree: &str,
        path: &str,
        content: &[u8],
    ) -> Result<String, RepoError> {
        let file = (path.to_owned(), content.to_vec());
        Ok(self.with_files(tree, &[file])?.to_string())
    }

    /// `base` with the files that match the globs as `candidate` has them, or without them where
    /// `candidate` has none: the part of a commit that an agent could have proposed. Files that no
    /// patch may touch stay those of `base`.
    ///
    /// # Errors
    /// There is no such tree, or a glob cannot be read.
    pub fn with_part(
        &self,
        base: &str,
        candidate: &str,
        globs: &[String],
    ) -> Result<String, RepoError> {
        let globs = paths::globs(globs)?;
        let matches = |file: &TreeFile| {
            let path = paths::name(&file.path);
            globs.is_match(&*path) && !is_forbidden(&path)
        };
        let mut files = self.files_of(&self.tree(base)?)?;
        files.retain(|file| !matches(file));
        let theirs = self.files_of(&self.tree(candidate)?)?;
        files.extend(theirs.into_iter().filter(matches));
        Ok(self.write_tree(&files)?.to_string())
    }

    /// A tree by the id of itself or of a commit.
    pub(crate) fn tree(&self, id: &str) -> Result<Tree<'_>, RepoError> {
        let none = |_| RepoError::NoTree { id: id.to_owned() };
        let oid = Oid::from_str(id).map_err(none)?;
        self.complete(oid)?;
        self.git
            .find_object(oid, None)
            .and_then(|object| object.peel_to_tree())
            .map_err(none)
    }

    /// The bytes of a blob, as they are stored.
    pub(crate) fn blob(&self, id: Oid) -> Result<Vec<u8>, RepoError> {
        Ok(self
            .git
            .find_blob(id)
            .doing(|| format!("reading blob {id}"))?
            .content()
            .to_vec())
    }

    /// Everything in a tree that is not a folder.
    pub(crate) fn files_of(&self, tree: &Tree<'_>) -> Result<Vec<TreeFile>, RepoError> {
        let mut files = Vec::new();
        self.collect(tree, b"", &mut files)
            .doing(|| format!("listing tree {}", tree.id()))?;
        Ok(files)
    }

    fn collect(
        &self,
        tree: &Tree<'_>,
        folder: &[u8],
        files: &mut Vec<TreeFile>,
    ) -> Result<(), git2::Error> {
        for entry in tree {
            let path = [folder, entry.name_bytes()].concat();
            if entry.kind() == Some(ObjectType::Tree) {
                self.collect(
                    &self.git.find_tree(entry.id())?,
                    &[&path[..], b"/"].concat(),
                    files,
                )?;
            } else {
                files.push(TreeFile {
                    path,
                    id: entry.id(),
                    mode: entry.filemode().cast_unsigned(),
                });
            }
        }
        Ok(())
    }

    /// The tree with files put in or replaced.
    pub(crate) fn with_files(
        &self,
        tree: &str,
        files: &[(String, Vec<u8>)],
    ) -> Result<Oid, RepoError> {
        let tree = self.tree(tree)?;
        let mut update = TreeUpdateBuilder::new();
        for (path, bytes) in files {
            if let Some(why) = paths::unsafe_path(path.as_bytes()) {
                return Err(RepoError::BadPath {
                    path: path.clone(),
                    why: why.into(),
                });
            }
            let blob = self.git.blob(bytes).doing(|| format!("storing {path}"))?;
            let executable = tree
                .get_path(Path::new(path))
                .is_ok_and(|entry| entry.filemode().cast_unsigned() == MODE_EXECUTABLE);
            let mode = if executable {
                FileMode::BlobExecutable
            } else {
                FileMode::Blob
            };
            update.upsert(path.as_str(), blob, mode);
        }
        update
            .create_updated(&self.git, &tree)
            .doing(|| "adding the proof to the tree".into())
    }

    /// Writes the tree that holds exactly these files.
    pub(crate) fn write_tree(&self, files: &[TreeFile]) -> Result<Oid, RepoError> {
        let mut index = Index::new().doing(|| "making an index in memory".into())?;
        for file in files {
            index
                .add(&index_entry(file))
                .doing(|| format!("adding {}", paths::shown(&file.path)))?;
        }
        index
            .write_tree_to(&self.git)
            .doing(|| "writing a tree".into())
    }
}

pub(crate) fn index_entry(file: &TreeFile) -> IndexEntry {
    IndexEntry {
        ctime: IndexTime::new(0, 0),
        mtime: IndexTime::new(0, 0),
        dev: 0,
        ino: 0,
        mode: file.mode,
        uid: 0,
        gid: 0,
        file_size: 0,
        id: file.id,
        flags: 0,
        flags_extended: 0,
        path: file.path.clone(),
    }
}

/// The same for a file that git takes for unchanged whatever is on disk.
pub(crate) fn unchanged_index_entry(file: &TreeFile) -> IndexEntry {
    IndexEntry {
        flags: IndexEntryFlag::VALID.bits(),
        ..index_entry(file)
    }
}
