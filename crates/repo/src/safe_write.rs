//! Writes single files to disk and never follows a symbolic link on the way.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Component, Path};

use crate::error::AtPath;
use crate::{RepoError, paths};

/// Makes the directories of a path. None of them may be a link, which could lead anywhere.
pub(crate) fn make_parents(dir: &Path, path: &Path) -> Result<(), RepoError> {
    let mut at = dir.to_owned();
    for part in path.parent().into_iter().flat_map(Path::components) {
        at.push(part);
        match kind(&at)? {
            Some(meta) if meta.is_dir() => {}
            Some(_) => {
                return Err(RepoError::BadPath {
                    path: at.display().to_string(),
                    why: "it is not a directory".into(),
                });
            }
            None => fs::create_dir(&at).at(&at)?,
        }
    }
    Ok(())
}

fn kind(at: &Path) -> Result<Option<Metadata>, RepoError> {
    match fs::symlink_metadata(at) {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at(at),
    }
}

pub(crate) fn remove_any(at: &Path) -> Result<(), RepoError> {
    match kind(at)? {
        None => Ok(()),
        Some(meta) if meta.is_dir() => fs::remove_dir_all(at).at(at),
        Some(_) => fs::remove_file(at).at(at),
    }
}

/// Whether a regular file with this content is there. False if it cannot be read: it is then
/// written again.
pub(crate) fn has_content(at: &Path, content: &[u8]) -> bool {
    let same_size = |meta: Metadata| meta.is_file() && meta.len() == content.len() as u64;
    fs::symlink_metadata(at).is_ok_and(same_size) && fs::read(at).is_ok_and(|have| have == content)
}

pub(crate) fn place_link(at: &Path, path: &Path, target: &OsStr) -> Result<(), RepoError> {
    let target = Path::new(target);
    if escapes(path, target) {
        let why = format!(
            "it is a link to `{}`, which leads out of the tree",
            paths::shown(target.as_os_str().as_bytes())
        );
        return Err(RepoError::BadPath {
            path: path.display().to_string(),
            why,
        });
    }
    if fs::read_link(at).is_ok_and(|have| have == target) {
        return Ok(());
    }
    remove_any(at)?;
    symlink(target, at).at(at)
}

/// Whether a link leads out of the tree. `..` is allowed at the front only: after a name it could
/// start from another link's target.
fn escapes(path: &Path, target: &Path) -> bool {
    let depth = path.components().count().saturating_sub(1);
    let ups = target
        .components()
        .take_while(|part| matches!(part, Component::ParentDir))
        .count();
    let rest_is_plain = target
        .components()
        .skip(ups)
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    !rest_is_plain || ups > depth
}
