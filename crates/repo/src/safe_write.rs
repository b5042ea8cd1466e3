//! Writes single files to disk and never follows a symbolic link on the way.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, BufRead as _, BufReader, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path};

use crate::error::AtPath;
use crate::{RepoError, paths};

const READ_BYTES: usize = 1 << 20;

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
        Some(meta) if meta.is_dir() => remove_folder(at).at(at),
        Some(_) => fs::remove_file(at).at(at),
    }
}

/// A build may have closed folders of its own.
fn remove_folder(at: &Path) -> io::Result<()> {
    match fs::remove_dir_all(at) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            open_folder(at)?;
            for entry in fs::read_dir(at)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    remove_folder(&entry.path())?;
                }
            }
            fs::remove_dir_all(at)
        }
        removed => removed,
    }
}

/// Lets us change what is in a folder.
pub(crate) fn open_folder(at: &Path) -> io::Result<()> {
    const OURS: u32 = 0o700;
    let mode = fs::symlink_metadata(at)?.mode();
    match mode & OURS {
        OURS => Ok(()),
        _ => fs::set_permissions(at, Permissions::from_mode(mode | OURS)),
    }
}

/// Whether a regular file with this content is there. False if it cannot be read: it is then
/// written again.
pub(crate) fn has_content(at: &Path, content: &[u8]) -> bool {
    let same_size = |meta: Metadata| meta.is_file() && meta.len() == content.len() as u64;
    fs::symlink_metadata(at).is_ok_and(same_size) && fs::read(at).is_ok_and(|have| have == content)
}

/// Whether two regular files have the same bytes. False if one cannot be read.
pub(crate) fn same_file(a: &Path, b: &Path) -> bool {
    let size = |path: &Path| {
        let meta = fs::symlink_metadata(path).ok()?;
        meta.is_file().then_some(meta.len())
    };
    let (Some(of_a), Some(of_b)) = (size(a), size(b)) else {
        return false;
    };
    of_a == of_b && same_bytes(a, b).unwrap_or(false)
}

fn same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    let mut readers = [
        BufReader::with_capacity(READ_BYTES, File::open(a)?),
        BufReader::with_capacity(READ_BYTES, File::open(b)?),
    ];
    loop {
        let [a, b] = &mut readers;
        let (of_a, of_b) = (a.fill_buf()?, b.fill_buf()?);
        let n = of_a.len().min(of_b.len());
        if n == 0 || of_a[..n] != of_b[..n] {
            return Ok(of_a.is_empty() && of_b.is_empty());
        }
        a.consume(n);
        b.consume(n);
    }
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
pub(crate) fn escapes(path: &Path, target: &Path) -> bool {
    let depth = path.components().count().saturating_sub(1);
    // `./../x` is `../x`.
    let parts = target
        .components()
        .filter(|part| !matches!(part, Component::CurDir));
    let is_up = |part: &Component<'_>| matches!(part, Component::ParentDir);
    let ups = parts.clone().take_while(is_up).count();
    let rest_is_plain = parts
        .skip(ups)
        .all(|part| matches!(part, Component::Normal(_)));
    !rest_is_plain || ups > depth
}
