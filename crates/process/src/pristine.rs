//! The folder that programs of one build run in. They may write there, and what one leaves behind
//! must not reach the next one, nor the other side: before each start the folder is what it was
//! when it was pristine.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::FileType;

use crate::tree::{copy_file, copy_tree, remove_file, remove_tree};

/// A directory and a copy of it that no program is started in.
#[derive(Debug)]
pub struct PristineDir {
    root: PathBuf,
    kept: PathBuf,
    /// What every file looked like when it was snapshotted, of the directory and of the copy.
    stamps: Mutex<[Stamps; 2]>,
    /// Programs that run there now.
    users: AtomicUsize,
}

/// A program runs in the folder for as long as this lives.
#[derive(Debug)]
pub struct InUse(Arc<PristineDir>);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Ordering::Relaxed);
    }
}

type Stamps = BTreeMap<PathBuf, Stamp>;

/// What changes when a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    mode: u32,
    inode: u64,
    size: u64,
    /// Of a file when it was changed, which a program that is not root cannot set. A folder changes
    /// with its files, which have stamps of their own: when it was modified, which we set back.
    time: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        let is_folder = metadata.is_dir();
        Ok(Self {
            mode: metadata.mode(),
            inode: if is_folder { 0 } else { metadata.ino() },
            size: if is_folder { 0 } else { metadata.len() },
            time: if is_folder {
                (metadata.mtime(), metadata.mtime_nsec())
            } else {
                (metadata.ctime(), metadata.ctime_nsec())
            },
        })
    }

    fn is_folder(self) -> bool {
        FileType::from_raw_mode(self.mode).is_dir()
    }

    /// The same file, or a folder that may have been modified.
    fn stays(self, was: Self) -> bool {
        let folder = self.is_folder() && self.mode == was.mode;
        folder || self == was
    }

    /// Sets a folder back to it.
    fn set_back(self, folder: &Path) -> io::Result<()> {
        let (seconds, nanoseconds) = self.time;
        let since = Duration::new(
            u64::try_from(seconds).unwrap_or(0),
            u32::try_from(nanoseconds).unwrap_or(0),
        );
        let times = FileTimes::new().set_modified(UNIX_EPOCH + since);
        fs::set_permissions(folder, Permissions::from_mode(self.mode))?;
        File::open(folder)?.set_times(times)
    }
}

impl PristineDir {
    /// Keeps a copy of the directory `root` at `kept`.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn snapshot(root: &Path, kept: &Path) -> io::Result<Self> {
        remove_tree(kept)?;
        copy_tree(root, kept)?;
        Ok(Self {
            root: root.to_owned(),
            kept: kept.to_owned(),
            stamps: Mutex::new([stamps(root)?, stamps(kept)?]),
            users: AtomicUsize::new(0),
        })
    }

    /// Restores the directory for a program that is about to start. Where another one runs there
    /// already, as the base does beside itself in an A/A trial, its files are its own.
    ///
    /// # Errors
    /// A file cannot be read or written, or the copy was changed too.
    pub fn acquire(self: &Arc<Self>) -> io::Result<InUse> {
        self.restore()?;
        self.users.fetch_add(1, Ordering::Relaxed);
        Ok(InUse(Arc::clone(self)))
    }

    /// The same without a program.
    ///
    /// # Errors
    /// As [`PristineDir::acquire`].
    pub fn restore(&self) -> io::Result<()> {
        if self.users.load(Ordering::Relaxed) > 0 {
            return Ok(());
        }
        let mut guard = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        let [of_root, of_kept] = &mut *guard;
        let found = stamps(&self.root)?;
        if found == *of_root {
            return Ok(());
        }
        if stamps(&self.kept)? != *of_kept {
            return Err(io::Error::other(format!(
                "a program has changed {}, which it is never started in",
                self.kept.display()
            )));
        }
        // What is deleted in a folder needs the right to.
        fs::set_permissions(&self.root, Permissions::from_mode(0o755))?;
        // What lies below a folder that is gone is gone with it.
        for (path, stamp) in &found {
            let stays = |was: &Stamp| stamp.stays(*was) || path.as_os_str().is_empty();
            if !of_root.get(path).is_some_and(stays) {
                remove(&self.root.join(path), *stamp)?;
            }
        }
        for (path, stamp) in of_kept.iter() {
            let (from, to) = (self.kept.join(path), self.root.join(path));
            if fs::symlink_metadata(&to).is_ok() {
                continue;
            }
            if stamp.is_folder() {
                fs::create_dir_all(&to)?;
                fs::set_permissions(&to, Permissions::from_mode(stamp.mode))?;
            } else if from.is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(&from)?, &to)?;
            } else {
                copy_file(&from, &to)?;
            }
        }
        for (path, stamp) in of_root.iter().filter(|(_, stamp)| stamp.is_folder()) {
            let folder = self.root.join(path);
            if Stamp::of(&folder)? != *stamp {
                stamp.set_back(&folder)?;
            }
        }
        *of_root = stamps(&self.root)?;
        Ok(())
    }

    /// Deletes both.
    pub fn remove(&self) {
        // What cannot be deleted now is deleted with the area.
        let _ = remove_tree(&self.root);
        let _ = remove_tree(&self.kept);
    }

    /// Replaces a file of the folder by `replace`, which is no change by a program.
    ///
    /// # Errors
    /// Those of `replace`.
    pub fn replace(&self, path: &Path, replace: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut guard = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        replace()?;
        if let Ok(below) = path.strip_prefix(&self.root) {
            guard[0].insert(below.to_owned(), Stamp::of(path)?);
            let folder = below.parent().and_then(|folder| guard[0].get(folder));
            if let (Some(stamp), Some(folder)) = (folder, path.parent()) {
                stamp.set_back(folder)?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path, stamp: Stamp) -> io::Result<()> {
    if stamp.is_folder() {
        remove_tree(path)
    } else {
        remove_file(path)
    }
}

/// Of everything below a folder. One that a program has closed to us is opened again.
fn stamps(root: &Path) -> io::Result<Stamps> {
    let mut found = Stamps::new();
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        let full = root.join(&folder);
        let entries = fs::read_dir(&full).or_else(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => {
                fs::set_permissions(&full, Permissions::from_mode(0o755))?;
                fs::read_dir(&full)
            }
            io::ErrorKind::NotFound if folder.as_os_str().is_empty() => {
                fs::create_dir_all(&full)?;
                fs::read_dir(&full)
            }
            _ => Err(error),
        })?;
        if folder.as_os_str().is_empty() {
            found.insert(folder.clone(), Stamp::of(&full)?);
        }
        for entry in entries {
            let path = folder.join(entry?.file_name());
            let stamp = match Stamp::of(&root.join(&path)) {
                // A program that ends may still take its files away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            if stamp.is_folder() {
                open.push(path.clone());
            }
            found.insert(path, stamp);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn whatever_a_program_does_to_its_folder_is_undone() {
        let area = tempfile::tempdir().unwrap();
        let (root, kept) = (area.path().join("root"), area.path().join("kept"));
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/deep"), "deep").unwrap();
        fs::write(root.join("program"), "program").unwrap();
        fs::set_permissions(root.join("program"), Permissions::from_mode(0o755)).unwrap();
        symlink("program", root.join("link")).unwrap();
        let pristine = Arc::new(PristineDir::snapshot(&root, &kept).unwrap());
        let whole = |root: &Path| {
            let mut all: Vec<_> = stamps(root).unwrap().into_keys().collect();
            all.sort();
            let read = |path: &PathBuf| fs::read(root.join(path)).unwrap_or_default();
            all.iter()
                .map(|path| (path.clone(), read(path)))
                .collect::<Vec<_>>()
        };
        let before = whole(&root);
        let folders = || ["", "a"].map(|path| Stamp::of(&root.join(path)).unwrap());
        let folders_before = folders();
        let harms: [(&str, &dyn Fn()); 12] = [
            ("nothing", &|| ()),
            ("a new file", &|| {
                fs::write(root.join("a/cache"), "x").unwrap();
            }),
            ("a new folder", &|| {
                fs::create_dir_all(root.join("c/d")).unwrap();
            }),
            ("other bytes of one length", &|| {
                let time = fs::metadata(root.join("program"))
                    .unwrap()
                    .modified()
                    .unwrap();
                fs::write(root.join("program"), "PROGRAM").unwrap();
                let file = File::open(root.join("program")).unwrap();
                file.set_modified(time).unwrap();
            }),
            ("a mode", &|| {
                fs::set_permissions(root.join("program"), Permissions::from_mode(0o700)).unwrap();
            }),
            ("a file that is gone", &|| {
                fs::remove_file(root.join("a/b/deep")).unwrap();
            }),
            ("a folder that became a link", &|| {
                fs::remove_dir_all(root.join("a")).unwrap();
                symlink("/tmp", root.join("a")).unwrap();
            }),
            ("a folder that is closed", &|| {
                fs::set_permissions(root.join("a"), Permissions::from_mode(0o000)).unwrap();
            }),
            ("a folder with a time of its own", &|| {
                let time = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(17));
                File::open(root.join("a")).unwrap().set_times(time).unwrap();
            }),
            ("a closed folder with a file in it", &|| {
                fs::create_dir_all(root.join("c/d")).unwrap();
                fs::write(root.join("c/d/e"), "x").unwrap();
                fs::set_permissions(root.join("c/d"), Permissions::from_mode(0o555)).unwrap();
                fs::set_permissions(root.join("c"), Permissions::from_mode(0o000)).unwrap();
            }),
            ("the whole folder closed", &|| {
                fs::write(root.join("new"), "x").unwrap();
                fs::set_permissions(&root, Permissions::from_mode(0o1555)).unwrap();
            }),
            ("all of it gone", &|| fs::remove_dir_all(&root).unwrap()),
        ];
        for (what, harm) in harms {
            harm();
            pristine.restore().unwrap();
            assert_eq!(whole(&root), before, "{what}");
            assert_eq!(folders(), folders_before, "{what}");
            let mode = fs::metadata(root.join("program")).unwrap().mode();
            assert_eq!(mode & 0o777, 0o755, "{what}");
        }
        let program = root.join("program");
        let renew = || {
            copy_file(&program, &root.join("next"))?;
            fs::rename(root.join("next"), &program)
        };
        pristine.replace(&program, renew).unwrap();
        let known = pristine.stamps.lock().unwrap()[0].clone();
        assert_eq!(stamps(&root).unwrap(), known, "nothing is to be restored");
        let one = pristine.acquire().unwrap();
        fs::write(root.join("output"), "x").unwrap();
        let two = pristine.acquire().unwrap();
        drop(one);
        pristine.restore().unwrap();
        assert!(root.join("output").exists(), "a program runs there");
        drop(two);
        pristine.restore().unwrap();
        assert!(!root.join("output").exists());
        fs::write(kept.join("program"), "PROGRAM").unwrap();
        fs::write(root.join("program"), "PROGRAM").unwrap();
        assert!(pristine.restore().is_err(), "the copy was changed too");
    }
}
