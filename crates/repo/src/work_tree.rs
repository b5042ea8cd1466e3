//! What lies in a checkout, before anything of it has to be committed.

use std::path::{Path, PathBuf};

use git2::StatusOptions;

use crate::RepoError;
use crate::error::Doing;
use crate::repo::open;

/// The files of a checkout, by what git thinks of them. Paths are relative to its root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkTree {
    /// The checkout.
    pub root: PathBuf,
    /// Tracked files and those that could be added, sorted.
    pub files: Vec<String>,
    /// Those of `files` that could be added, sorted.
    pub untracked: Vec<String>,
    /// What git ignores, sorted; a folder that is ignored as a whole ends with `/`.
    pub ignored: Vec<String>,
}

/// Looks at the checkout around a path. It may have no commits yet.
///
/// # Errors
/// There is no repository, it is bare, or git cannot read it.
pub fn work_tree(path: &Path) -> Result<WorkTree, RepoError> {
    let git = open(path)?;
    let Some(root) = git.workdir().map(Path::to_owned) else {
        let path = git.path().to_owned();
        return Err(RepoError::Bare { path });
    };
    let reading = || format!("reading the files of {}", root.display());
    let mut options = StatusOptions::new();
    options
        .include_untracked(true)
        .recurse_untracked_dirs(true)
        .include_ignored(true)
        .update_index(false);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let index = git.index().doing(reading)?;
    let mut files: Vec<String> = index.iter().map(|entry| text(&entry.path)).collect();
    let (mut untracked, mut ignored) = (Vec::new(), Vec::new());
    for entry in git.statuses(Some(&mut options)).doing(reading)?.iter() {
        let path = text(entry.path_bytes());
        match entry.status() {
            status if status.is_ignored() => ignored.push(path),
            status if status.is_wt_new() => untracked.push(path),
            _ => {}
        }
    }
    files.extend(untracked.iter().cloned());
    for list in [&mut files, &mut untracked, &mut ignored] {
        list.sort();
        list.dedup();
    }
    Ok(WorkTree {
        root: root.clone(),
        files,
        untracked,
        ignored,
    })
}
