//! Copying folders with their times: a build cache is only worth something if the build tool
//! believes it.

use std::fs::{self, File, FileTimes};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Copies a folder with permissions and modification times; links are copied as links.
///
/// # Errors
/// A file cannot be read or written.
pub fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&source, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            copy_file(&source, &target)?;
        }
    }
    copy_time(from, to)
}

/// Folders of a cargo target that hold nothing a release build begins from.
const NO_DEPENDENCIES: [&str; 6] = ["debug", "doc", "examples", "incremental", "tmp", "package"];

/// Copies what a build can begin from out of a user's target folder: libraries and their
/// fingerprints, not programs.
///
/// # Errors
/// A file cannot be read or written.
pub fn copy_dependencies(from: &Path, to: &Path) -> io::Result<()> {
    let cargos = subfolders(from)?.iter().any(|folder| is_cargos(folder));
    copy_level(from, to, 0, cargos)
}

/// Whether a folder at the top of a target folder is a profile of cargo's, or that of another
/// platform with its profiles. People keep other things there too, Python environments of
/// gigabytes, and whole target folders of other builds.
fn is_cargos(folder: &Path) -> bool {
    let is_profile = |folder: &Path| folder.join(".fingerprint").is_dir();
    let is_target = folder.join(".rustc_info.json").exists();
    let below = subfolders(folder).unwrap_or_default();
    is_profile(folder) || (!is_target && below.iter().any(|folder| is_profile(folder)))
}

fn subfolders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// The folders that are left out stand at the top or in a profile's folder; deeper ones of the same
/// name are outputs.
fn copy_level(from: &Path, to: &Path, depth: usize, cargos: bool) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let in_deps = from.file_name().is_some_and(|name| name == "deps");
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type()?);
        let left_out =
            depth <= 1 && NO_DEPENDENCIES.contains(&&*entry.file_name().to_string_lossy());
        let foreign = depth == 0 && cargos && kind.is_dir() && !is_cargos(&source);
        if kind.is_dir() && !left_out && !foreign {
            copy_level(&source, &target, depth + 1, cargos)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_file() && !(in_deps && source.extension().is_none()) {
            copy_file(&source, &target)?;
        }
    }
    copy_time(from, to)
}

/// Writes a file whole or not at all: the new content is on the disk before it takes the old one's
/// name, so that a kill or a power cut leaves one or the other.
///
/// # Errors
/// It cannot be written.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let mut next = tempfile::NamedTempFile::new_in(parent)?;
    next.write_all(content)?;
    next.as_file().sync_all()?;
    next.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Deletes a file; one that is not there is no error.
///
/// # Errors
/// It cannot be deleted.
pub fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Gives all files below a folder the present time.
///
/// # Errors
/// A time cannot be set.
pub fn touch_all(root: &Path) -> io::Result<()> {
    let now = FileTimes::new().set_modified(std::time::SystemTime::now());
    for path in files_below(root)? {
        let path = root.join(path);
        if !path.is_symlink() {
            File::open(path)?.set_times(now)?;
        }
    }
    Ok(())
}

/// Copies one file with permissions and modification time; makes its folder.
///
/// # Errors
/// It cannot be read or written.
pub fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy(from, to)?;
    copy_time(from, to)
}

fn copy_time(from: &Path, to: &Path) -> io::Result<()> {
    let modified = fs::metadata(from)?.modified()?;
    File::open(to)?.set_times(FileTimes::new().set_modified(modified))
}

/// Deletes a folder; one that is not there is no error. Folders in it that are closed to us are
/// opened: programs and tools leave such (a cache of Go's modules is one).
///
/// # Errors
/// It cannot be deleted.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let removed = match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_folders(path)?;
            fs::remove_dir_all(path)
        }
        removed => removed,
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Lets us list and change all folders of a tree.
fn open_folders(root: &Path) -> io::Result<()> {
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(())
}

/// All regular files and links below a folder, relative to it, in order.
///
/// # Errors
/// A folder cannot be read.
pub fn files_below(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else {
                found.push(
                    entry
                        .path()
                        .strip_prefix(root)
                        .expect("it lies below its root")
                        .to_owned(),
                );
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_target_folder_only_what_is_cargos_is_copied() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("target"), dir.path().join("copy"));
        let files = [
            ("CACHEDIR.TAG", true),
            ("release/.fingerprint/a/lib", true),
            ("release/deps/liba.rlib", true),
            ("release/deps/program", false),
            ("x86_64-unknown-linux-gnu/release/.fingerprint/a/lib", true),
            ("doc/index.html", false),
            ("venv/lib/python3/torch.so", false),
            ("another/.rustc_info.json", false),
            ("another/release/.fingerprint/a/lib", false),
        ];
        for (file, _) in files {
            let path = from.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        copy_dependencies(&from, &to).unwrap();
        for (file, copied) in files {
            assert_eq!(to.join(file).exists(), copied, "{file}");
        }
    }

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_whole(&path, b"old").unwrap();
        write_whole(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        let left = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 1, "nothing lies beside it");
        assert!(write_whole(&dir.path().join("no/such/dir"), b"x").is_err());
    }

    #[test]
    fn of_another_build_tools_folder_everything_is_copied() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("build"), dir.path().join("copy"));
        fs::create_dir_all(from.join("objects/core")).unwrap();
        fs::write(from.join("objects/core/a.o"), "a").unwrap();
        copy_dependencies(&from, &to).unwrap();
        assert!(to.join("objects/core/a.o").exists());
    }
}
