//! A tree as plain files: the blobs as they are stored, without filters, hooks or attributes. What
//! `sources` knows besides are submodules and LFS objects.
//!
//! Modification times are part of the contract. Files that equal the base have one fixed old time,
//! files that differ have the current time. With the base's build directory beside them cargo then
//! rebuilds exactly what a patch changed.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{AtPath, Doing};
use crate::left_out::LeftOut;
use crate::lfs::{Pointer, no_object};
use crate::safe_write::{
    has_content, make_parents, open_folder, place_link, remove_any, same_file,
};
use crate::trees::{MODE_EXECUTABLE, MODE_LINK, TreeFile, index_entry, unchanged_index_entry};
use crate::{Repo, RepoError, paths};

/// 2020-01-01T00:00:00Z: the modification time of files that equal the base. Any time before the
/// first build would do.
const PRISTINE_TIME_S: u64 = 1_577_836_800;

/// Longest title of the commit in a scratch worktree.
const TITLE_CHARS: usize = 72;

/// What to export, and beside what.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// Globs of the files to export.
    pub only: Vec<String>,
    /// Tree that modification times are relative to: the base. Default: the exported tree itself.
    pub pristine: Option<String>,
    /// Names at the top of the directory that are left alone, such as `target` or `.git`.
    pub keep: Vec<String>,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self {
            only: vec!["**".into()],
            pristine: None,
            keep: Vec::new(),
        }
    }
}

type Files = BTreeMap<PathBuf, TreeFile>;

impl Repo {
    /// Makes the files in `dir` exactly those of a tree: creates and overwrites where needed,
    /// deletes the rest. Submodules are laid from the clones that git keeps of them, LFS pointers
    /// are replaced by their objects, and links that lead out of the tree are left out. Says what
    /// is missing.
    ///
    /// # Errors
    /// A path of the tree leads out of `dir`, a glob is bad, or there is an I/O error.
    pub fn export(
        &self,
        tree: &str,
        dir: &Path,
        options: &ExportOptions,
    ) -> Result<Vec<LeftOut>, RepoError> {
        let globs = paths::globs(&options.only)?;
        let sources = self.sources(tree, &globs)?;
        let (wanted, mut left_out) = (sources.files, sources.left_out);
        let pristine = match &options.pristine {
            Some(base) => self.sources(base, &globs)?.files,
            None => wanted.clone(),
        };
        fs::create_dir_all(dir).at(dir)?;
        let folders = folders_of(&wanted);
        prune(dir, Path::new(""), &wanted, &folders, &options.keep)?;
        let now = SystemTime::now();
        for (path, file) in &wanted {
            let time = if pristine.get(path) == Some(file) {
                pristine_time()
            } else {
                now
            };
            left_out.extend(self.place(dir, path, file, time)?);
        }
        date_folders(dir, &folders, &wanted, &pristine, now)?;
        Ok(left_out)
    }

    /// Exports a tree to `dir` and makes that a repository of its own with a single commit, without
    /// remotes or history.
    ///
    /// # Errors
    /// As [`Repo::export`], or git cannot create the repository.
    pub fn scratch_worktree(&self, tree: &str, dir: &Path, title: &str) -> Result<(), RepoError> {
        self.export(tree, dir, &ExportOptions::default())?;
        let sources = self.sources(tree, &paths::globs(&["**".into()])?)?;
        let files: Vec<TreeFile> = sources.files.into_values().collect();
        self.init_scratch(dir, &files, &outpace_text::plain(title, TITLE_CHARS))
            .doing(|| format!("making a repository in {}", dir.display()))
    }

    fn init_scratch(&self, dir: &Path, files: &[TreeFile], title: &str) -> Result<(), git2::Error> {
        let mut options = git2::RepositoryInitOptions::new();
        options
            .external_template(false)
            .initial_head("main")
            .no_reinit(true);
        let scratch = git2::Repository::init_opts(dir, &options)?;
        let mut config = scratch.config()?;
        // So that the agent may commit, and finds its files unchanged under any user settings.
        for (key, value) in [
            ("user.name", "agent"),
            ("user.email", "agent@localhost"),
            ("core.autocrlf", "false"),
        ] {
            config.set_str(key, value)?;
        }
        let mut index = scratch.index()?;
        for file in files {
            let content = self.git.find_blob(file.id)?.content().to_vec();
            scratch.blob(&content)?;
            // On disk is the object, which git would call a change of the pointer.
            let entry = match Pointer::parse(&content) {
                Some(_) => unchanged_index_entry(file),
                None => index_entry(file),
            };
            index.add(&entry)?;
        }
        index.write()?;
        let tree = scratch.find_tree(index.write_tree()?)?;
        let author = git2::Signature::now("outpace", "outpace@localhost")?;
        scratch.commit(Some("HEAD"), &author, &author, title, &tree, &[])?;
        Ok(())
    }

    fn place(
        &self,
        dir: &Path,
        path: &Path,
        file: &TreeFile,
        time: SystemTime,
    ) -> Result<Option<LeftOut>, RepoError> {
        let at = dir.join(path);
        make_parents(dir, path)?;
        let content = self.blob(file.id)?;
        if file.mode == MODE_LINK {
            return place_link(&at, path, OsStr::from_bytes(&content)).map(|()| None);
        }
        let pointer = Pointer::parse(&content);
        let object = pointer.as_ref().and_then(|p| self.lfs_object(p));
        match &object {
            Some(object) => place_copy(&at, object)?,
            None => place_content(&at, &content)?,
        }
        let left_out = (pointer.is_some() && object.is_none()).then(|| no_object(file));
        let mode = if file.mode == MODE_EXECUTABLE {
            0o755
        } else {
            0o644
        };
        let out = File::open(&at).at(&at)?;
        if out.metadata().at(&at)?.permissions().mode() & 0o777 != mode {
            out.set_permissions(fs::Permissions::from_mode(mode))
                .at(&at)?;
        }
        out.set_times(FileTimes::new().set_modified(time)).at(&at)?;
        Ok(left_out)
    }
}

fn place_content(at: &Path, content: &[u8]) -> Result<(), RepoError> {
    if has_content(at, content) {
        return Ok(());
    }
    remove_any(at)?;
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(at)
        .at(at)?;
    out.write_all(content).at(at)
}

fn place_copy(at: &Path, from: &Path) -> Result<(), RepoError> {
    if same_file(at, from) {
        return Ok(());
    }
    remove_any(at)?;
    fs::copy(from, at).map(drop).at(at)
}

fn pristine_time() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(PRISTINE_TIME_S)
}

fn folders_of(files: &Files) -> HashSet<PathBuf> {
    files
        .keys()
        .flat_map(|path| path.ancestors().skip(1))
        .map(Path::to_owned)
        .collect()
}

/// Deletes everything in a directory that is not wanted there, without following links.
fn prune(
    dir: &Path,
    folder: &Path,
    wanted: &Files,
    folders: &HashSet<PathBuf>,
    keep: &[String],
) -> Result<(), RepoError> {
    let here = dir.join(folder);
    open_folder(&here).at(&here)?;
    for entry in fs::read_dir(&here).at(&here)? {
        let entry = entry.at(&here)?;
        let path = folder.join(entry.file_name());
        let kept = folder.as_os_str().is_empty()
            && keep.iter().any(|name| entry.file_name() == name.as_str());
        let is_dir = entry.file_type().at(&entry.path())?.is_dir();
        if kept || (!is_dir && wanted.contains_key(&path)) {
            continue;
        }
        if is_dir && folders.contains(&path) {
            prune(dir, &path, wanted, folders, keep)?;
        } else {
            remove_any(&entry.path())?;
        }
    }
    Ok(())
}

/// Build scripts may watch whole directories, so their times follow the same rule: the current time
/// if a file of the base is gone.
fn date_folders(
    dir: &Path,
    folders: &HashSet<PathBuf>,
    wanted: &Files,
    pristine: &Files,
    now: SystemTime,
) -> Result<(), RepoError> {
    let gone = pristine.keys().filter(|path| !wanted.contains_key(*path));
    let touched: HashSet<&Path> = gone.filter_map(|path| path.parent()).collect();
    for folder in folders {
        let at = dir.join(folder);
        let time = if touched.contains(folder.as_path()) {
            now
        } else {
            pristine_time()
        };
        File::open(&at)
            .and_then(|open| open.set_times(FileTimes::new().set_modified(time)))
            .at(&at)?;
    }
    Ok(())
}
