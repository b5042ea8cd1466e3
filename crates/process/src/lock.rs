//! Who may use the machine: two measurements at once would time each other, and a build beside a
//! measurement slows it. Work (builds, agents) shares the machine, timing has it alone.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often a lock that another process holds is tried.
const RETRY: Duration = Duration::from_millis(50);
/// Directories that every process of a machine has in common, best first. TMPDIR is none of them:
/// jobs have their own, and two of them would measure at once.
const MACHINE_DIRS: [&str; 4] = ["/run/lock", "/dev/shm", "/var/tmp", "/tmp"];
const MACHINE_FILE: &str = "outpace-machine.lock";
/// Another directory for the lock: for tests, and for jobs that share no core with each other.
const DIR_VARIABLE: &str = "OUTPACE_LOCK_DIR";

/// What this process does with the machine while it holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineUse {
    /// Builds and agents: any number at once, none while a measurement runs.
    Work,
    /// A measurement: nothing else beside it.
    Timing,
}

/// Who holds a lock, as far as it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    /// Process id.
    pub pid: Option<u32>,
    /// Where it works.
    pub directory: Option<String>,
    /// Since when, in seconds since 1970-01-01 UTC.
    pub since_unix_s: Option<i64>,
}

/// A lock that is held by another process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What it does, as the end of a sentence that begins with "another outpace".
    pub does: &'static str,
    /// Who it is.
    pub holder: Holder,
}

/// The machine, held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct MachineLock(#[expect(dead_code, reason = "held for its lock")] File);

/// A repository's builds and campaigns, held in the same way.
#[derive(Debug)]
pub struct RepositoryLock(#[expect(dead_code, reason = "held for its lock")] File);

impl MachineLock {
    /// Waits for the machine. `on_wait` is told once if another process has it.
    ///
    /// # Errors
    /// No lock file can be opened; `Interrupted` if `cancelled` says to stop.
    pub fn acquire(
        to_do: MachineUse,
        on_wait: &mut dyn FnMut(&Waiting),
        cancelled: &dyn Fn() -> bool,
    ) -> io::Result<Self> {
        with_dirs(|dirs| Self::acquire_in(dirs, to_do, on_wait, cancelled))
    }

    /// Opens the lock and lets it go: whether the machine can be locked is known before an hour of
    /// builds.
    ///
    /// # Errors
    /// No lock file can be opened.
    pub fn check() -> io::Result<()> {
        with_dirs(open_first).map(drop)
    }

    fn acquire_in(
        dirs: &[&Path],
        to_do: MachineUse,
        on_wait: &mut dyn FnMut(&Waiting),
        cancelled: &dyn Fn() -> bool,
    ) -> io::Result<Self> {
        let mut file = open_first(dirs)?;
        let does = match to_do {
            MachineUse::Work => "measures on this machine",
            MachineUse::Timing => "works on this machine",
        };
        wait(&mut file, to_do, does, on_wait, cancelled)?;
        if to_do == MachineUse::Timing {
            // The file may be another user's: then it goes on naming who was there before.
            let _ = write_holder(&mut file);
        }
        Ok(Self(file))
    }
}

impl RepositoryLock {
    /// Waits until no other outpace builds and runs below a repository's state directory.
    ///
    /// # Errors
    /// The lock file cannot be opened; `Interrupted` if `cancelled` says to stop.
    pub fn acquire(
        state_dir: &Path,
        on_wait: &mut dyn FnMut(&Waiting),
        cancelled: &dyn Fn() -> bool,
    ) -> io::Result<Self> {
        let path = state_dir.join("lock");
        let file = options().create(true).open(&path);
        let mut file = file.map_err(|error| named(&path, &error))?;
        let does = "works in this repository";
        wait(&mut file, MachineUse::Timing, does, on_wait, cancelled)?;
        write_holder(&mut file)?;
        Ok(Self(file))
    }
}

/// The directory may be everyone's: a link put there must not lead to another file.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    options
}

/// Where the lock may be.
fn with_dirs<T>(then: impl FnOnce(&[&Path]) -> T) -> T {
    match std::env::var_os(DIR_VARIABLE).map(PathBuf::from) {
        Some(dir) => then(&[&dir]),
        None => then(&MACHINE_DIRS.map(Path::new)),
    }
}

/// The lock file of the first directory that has one or takes one.
fn open_first(dirs: &[&Path]) -> io::Result<File> {
    let mut last = io::ErrorKind::NotFound.into();
    for path in dirs.iter().map(|dir| dir.join(MACHINE_FILE)) {
        match open_shared(&path) {
            Ok(file) => return Ok(file),
            Err(error) => last = named(&path, &error),
        }
    }
    Err(last)
}

/// The error with the file that it is about.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// A file that every user may lock. To lock it, reading is enough: the kernel refuses to open
/// another user's file for writing in a sticky directory (`fs.protected_regular`).
fn open_shared(path: &PathBuf) -> io::Result<File> {
    match options().create_new(true).open(path) {
        Ok(file) => {
            fs::set_permissions(path, Permissions::from_mode(0o666))?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            options().open(path).or_else(|_| {
                let nofollow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
                let mut read_only = OpenOptions::new();
                read_only.read(true).custom_flags(nofollow).open(path)
            })
        }
        Err(error) => Err(error),
    }
}

fn wait(
    file: &mut File,
    to_do: MachineUse,
    does: &'static str,
    on_wait: &mut dyn FnMut(&Waiting),
    cancelled: &dyn Fn() -> bool,
) -> io::Result<()> {
    let mut told = false;
    loop {
        let tried = match to_do {
            MachineUse::Work => file.try_lock_shared(),
            MachineUse::Timing => file.try_lock(),
        };
        match tried {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if cancelled() => {
                return Err(io::ErrorKind::Interrupted.into());
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if !told {
            let holder = read_holder(file);
            on_wait(&Waiting { does, holder });
            told = true;
        }
        std::thread::sleep(RETRY);
    }
}

/// Three lines: process id, directory, time. Only for messages.
fn write_holder(file: &mut File) -> io::Result<()> {
    let directory = std::env::current_dir().unwrap_or_default();
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    file.set_len(0)?;
    file.rewind()?;
    let pid = std::process::id();
    write!(file, "{pid}\n{}\n{since}\n", directory.display())
}

fn read_holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file
        .rewind()
        .and_then(|()| file.take(8192).read_to_string(&mut text));
    if read.is_err() {
        return Holder::default();
    }
    let mut lines = text.lines();
    let pid: Option<u32> = lines.next().and_then(|line| line.parse().ok());
    // One that shares the machine writes nothing, so the file may name a process that has gone.
    if !pid.is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
        return Holder::default();
    }
    Holder {
        pid,
        directory: lines.next().map(|line| outpace_text::plain(line, 200)),
        since_unix_s: lines.next().and_then(|line| line.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MachineUse::{Timing, Work};

    fn try_now(dir: &Path, to_do: MachineUse) -> (io::Result<MachineLock>, Vec<Waiting>) {
        let mut waits = Vec::new();
        let mut on_wait = |w: &Waiting| waits.push(w.clone());
        let got = MachineLock::acquire_in(&[dir], to_do, &mut on_wait, &|| true);
        (got, waits)
    }

    #[test]
    fn work_is_shared_and_timing_is_alone() {
        for (first, second, both) in [
            (Work, Work, true),
            (Work, Timing, false),
            (Timing, Work, false),
            (Timing, Timing, false),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let held = try_now(dir.path(), first).0.unwrap();
            let got = try_now(dir.path(), second).0;
            assert_eq!(got.is_ok(), both, "{first:?} then {second:?}");
            drop((held, got));
            assert!(try_now(dir.path(), second).0.is_ok(), "released by a drop");
        }
    }

    #[test]
    fn a_directory_that_takes_no_file_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        let dirs = [missing.as_path(), dir.path()];
        let lock = MachineLock::acquire_in(&dirs, Timing, &mut |_| (), &|| true);
        assert!(lock.is_ok() && dir.path().join(MACHINE_FILE).exists());
    }

    #[test]
    fn a_lock_file_that_can_only_be_read_still_locks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(MACHINE_FILE);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
        let held = try_now(dir.path(), Timing).0.unwrap();
        assert!(try_now(dir.path(), Work).0.is_err());
        drop(held);
    }

    #[test]
    fn who_waits_is_told_for_whom_once() {
        let dir = tempfile::tempdir().unwrap();
        let held = try_now(dir.path(), Timing).0.unwrap();
        let mut asked = 0;
        let mut waits = Vec::new();
        let cancelled = std::cell::Cell::new(0);
        let got = MachineLock::acquire_in(
            &[dir.path()],
            Work,
            &mut |w| {
                asked += 1;
                waits.push(w.clone());
            },
            &|| {
                cancelled.set(cancelled.get() + 1);
                cancelled.get() > 2
            },
        );
        assert_eq!(got.unwrap_err().kind(), io::ErrorKind::Interrupted);
        assert_eq!(asked, 1);
        assert_eq!(waits[0].does, "measures on this machine");
        assert_eq!(waits[0].holder.pid, Some(std::process::id()));
        assert!(waits[0].holder.directory.is_some());
        drop(held);
    }
}
