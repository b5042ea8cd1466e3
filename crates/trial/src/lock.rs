//! One measurement at a time on a machine: two at once would time each other.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;
use std::time::Duration;

use crate::{Event, Observer};

/// Held while something is timed; released when dropped, or by the system when the process ends.
#[derive(Debug)]
pub struct MeasureLock(#[expect(dead_code, reason = "held for its lock")] File);

impl MeasureLock {
    /// Waits for its turn.
    ///
    /// # Errors
    /// The lock file cannot be opened, or `cancelled` says to stop.
    pub fn acquire(observer: &mut dyn Observer, cancelled: &dyn Fn() -> bool) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path())?;
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
fn path() -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    std::env::temp_dir().join(format!("outpace-measure-{user}.lock"))
}
