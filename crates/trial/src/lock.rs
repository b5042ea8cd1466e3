//! One at a time: two measurements on a machine would time each other, two builds in a repository overwrite each other.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Event, Observer};

/// A lock that is held until it is dropped, or until the process ends, however it ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Lock {
    /// For timing on this machine.
    ///
    /// # Errors
    /// The lock file cannot be opened; `Interrupted` if `cancelled` says to stop.
    pub fn machine(observer: &mut dyn Observer, cancelled: &dyn Fn() -> bool) -> io::Result<Self> {
        Self::acquire(
            &machine_path(),
            "measures on this machine",
            observer,
            cancelled,
        )
    }

    /// For building and running below a repository's state folder.
    ///
    /// # Errors
    /// The lock file cannot be opened; `Interrupted` if `cancelled` says to stop.
    pub fn repository(
        state_dir: &Path,
        observer: &mut dyn Observer,
        cancelled: &dyn Fn() -> bool,
    ) -> io::Result<Self> {
        Self::acquire(
            &state_dir.join("lock"),
            "works in this repository",
            observer,
            cancelled,
        )
    }

    fn acquire(
        path: &Path,
        does: &'static str,
        observer: &mut dyn Observer,
        cancelled: &dyn Fn() -> bool,
    ) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            // The folder may be everybody's: a link put there must not lead us to another file.
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
            .open(path)?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if cancelled() => {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                Err(TryLockError::WouldBlock) => {}
            }
            if !told {
                let mut pid = String::new();
                // The id is only for the message.
                let _ = file.rewind().and_then(|()| file.read_to_string(&mut pid));
                observer.on(&Event::Waiting {
                    pid: pid.trim().to_owned(),
                    does,
                });
                told = true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "{}", std::process::id())?;
        Ok(Self(file))
    }
}

/// One file a machine and user; other users' locks cannot be opened on most systems.
fn machine_path() -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    std::env::temp_dir().join(format!("outpace-measure-{user}.lock"))
}
