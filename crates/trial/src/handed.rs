//! Files that a program hands over. It may put another thing in their place: a link, a pipe, a
//! folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outpace_process::Scratch;
use rustix::fs::{Mode, OFlags};

/// A file in the folder that outpace shares with a program; deleted when this is dropped. It lies
/// in no folder below, which the program could make a link to the other side's.
#[derive(Debug)]
pub(crate) struct Handed {
    path: PathBuf,
    /// It stays as long.
    _folder: Arc<Scratch>,
}

impl Handed {
    pub(crate) fn new(folder: &Arc<Scratch>, name: &str) -> Self {
        Self {
            path: folder.path().join(name),
            _folder: Arc::clone(folder),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What was handed over before is no answer.
    pub(crate) fn clear(&self) {
        let _ = std::fs::remove_file(&self.path);
    }

    pub(crate) fn open(&self) -> Option<File> {
        plain_file(&self.path)
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Neither a link is followed nor a pipe waited for.
pub(crate) fn plain_file(path: &Path) -> Option<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, OFlags::RDONLY | flags, Mode::empty()).map(File::from);
    let plain = |file: &File| file.metadata().is_ok_and(|metadata| metadata.is_file());
    opened.ok().filter(plain)
}
