//! Which files a tree has on disk: its own, those of its submodules, the objects of LFS pointers;
//! and what cannot be laid, with the way out.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use globset::GlobSet;

use crate::error::Doing;
use crate::left_out::LeftOut;
use crate::lfs::{self, Pointer};
use crate::safe_write::escapes;
use crate::submodules::is_submodule;
use crate::trees::{MODE_LINK, TreeFile};
use crate::{Repo, RepoError, paths};

/// The files to lay.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) files: BTreeMap<PathBuf, TreeFile>,
    pub(crate) left_out: Vec<LeftOut>,
}

impl Repo {
    /// The files of a tree that match the globs.
    ///
    /// # Errors
    /// There is no such tree, a path of it leads out of the folder, or it cannot be read.
    pub(crate) fn sources(&self, tree: &str, globs: &GlobSet) -> Result<Sources, RepoError> {
        let mut sources = Sources::default();
        for file in self.files_of(&self.tree(tree)?)? {
            self.add_source(file, globs, &mut sources)?;
        }
        Ok(sources)
    }

    /// What an export of a tree would lack.
    ///
    /// # Errors
    /// There is no such tree, or it cannot be read.
    pub fn left_out(&self, tree: &str) -> Result<Vec<LeftOut>, RepoError> {
        let sources = self.sources(tree, &paths::globs(&["**".into()])?)?;
        let mut left_out = sources.left_out;
        for file in sources.files.values().filter(|file| file.mode != MODE_LINK) {
            left_out.extend(self.lacks_object(file)?);
        }
        Ok(left_out)
    }

    /// Whether a file is an LFS pointer without its object.
    fn lacks_object(&self, file: &TreeFile) -> Result<Option<LeftOut>, RepoError> {
        let odb = self.git.odb().doing(|| "opening the objects".into())?;
        let (bytes, _) = odb
            .read_header(file.id)
            .doing(|| format!("reading {}", paths::shown(&file.path)))?;
        if bytes >= lfs::MOST_BYTES {
            return Ok(None);
        }
        let pointer = Pointer::parse(&self.blob(file.id)?);
        let missing = pointer.is_some_and(|pointer| self.lfs_object(&pointer).is_none());
        Ok(missing.then(|| lfs::no_object(file)))
    }

    fn add_source(
        &self,
        file: TreeFile,
        globs: &GlobSet,
        sources: &mut Sources,
    ) -> Result<(), RepoError> {
        if is_submodule(&file) {
            return self.add_submodule(&file, globs, sources);
        }
        let path = PathBuf::from(OsStr::from_bytes(&file.path));
        if !globs.is_match(&path) {
            return Ok(());
        }
        if let Some(why) = paths::unsafe_path(&file.path) {
            return Err(RepoError::BadPath {
                path: paths::shown(&file.path),
                why: why.into(),
            });
        }
        if let Some(target) = self.leading_out(&file)? {
            let why = format!(
                "is a link to `{target}`, which leads out of the tree, and is left out. If \
                 training needs it: `data = [\"{}\"]` in the workload's section",
                paths::shown(&file.path)
            );
            sources.left_out.push(LeftOut {
                is_link: true,
                ..LeftOut::new(&file.path, why)
            });
            return Ok(());
        }
        sources.files.insert(path, file);
        Ok(())
    }

    fn add_submodule(
        &self,
        submodule: &TreeFile,
        globs: &GlobSet,
        sources: &mut Sources,
    ) -> Result<(), RepoError> {
        let Some(files) = self.submodule_files(submodule)? else {
            let path = paths::shown(&submodule.path);
            let why = format!(
                "is a submodule whose commit {} is not in this clone, and is left out. If the \
                 build needs it: `git submodule update --init {path}`",
                outpace_text::short(&submodule.id.to_string())
            );
            sources.left_out.push(LeftOut::new(&submodule.path, why));
            return Ok(());
        };
        for file in files {
            self.add_source(file, globs, sources)?;
        }
        Ok(())
    }

    /// Where a link leads, if that is out of the tree.
    pub(crate) fn leading_out(&self, file: &TreeFile) -> Result<Option<String>, RepoError> {
        if file.mode != MODE_LINK {
            return Ok(None);
        }
        let target = self.blob(file.id)?;
        let path = Path::new(OsStr::from_bytes(&file.path));
        let leads_out = escapes(path, Path::new(OsStr::from_bytes(&target)));
        Ok(leads_out.then(|| paths::shown(&target)))
    }
}
