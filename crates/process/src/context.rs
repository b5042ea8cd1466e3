//! Where programs are started and how: the launcher, and a scratch directory for each.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::disk::free_mib;
use crate::tree::remove_tree;
use crate::{LaunchSpec, Launcher, MachineLock, MachineUse, Subject, Waiting};

/// A socket's path has at most 107 bytes (`sun_path` of unix(7), with the zero at its end).
const SOCKET_PATH_BYTES: usize = 107;
/// Where sockets go if the temporary directory has a long name (Slurm, Bazel, Nix): short names.
const SHORT_DIRS: [&str; 3] = ["/tmp", "/dev/shm", "/var/tmp"];
/// In the name of a folder of ours, after the process id.
pub(crate) const RANDOM_CHARS: usize = 6;

/// A directory for one program, deleted when it is dropped: a long campaign keeps no checkpoint
/// longer than it compares it.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be deleted now is deleted with the context.
        let _ = remove_tree(&self.path);
    }
}

/// Starts programs, each with a scratch directory of its own.
#[derive(Debug, Clone)]
pub struct Context {
    /// Starts them.
    pub launcher: Launcher,
    scratch: Arc<OwnDir>,
    /// For sockets, where the path of the scratch is too long for one.
    sockets: Arc<OnceLock<OwnDir>>,
    next: Arc<AtomicU64>,
}

/// Less than this is said.
const LEAST_FREE_MIB: u64 = 1024;

impl Context {
    /// A context whose scratch is deleted with it.
    ///
    /// # Errors
    /// The temporary directory cannot be written.
    pub fn new(launcher: Launcher) -> io::Result<Self> {
        Self::below(&std::env::temp_dir(), launcher)
    }

    fn below(temp_dir: &Path, launcher: Launcher) -> io::Result<Self> {
        Ok(Self {
            launcher,
            scratch: Arc::new(own_dir(temp_dir)?),
            sockets: Arc::default(),
            next: Arc::default(),
        })
    }

    /// A directory that did not exist before. The names are equally long, so that both sides see
    /// environments of one size.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn fresh_scratch(&self) -> io::Result<Scratch> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.scratch.path().join(format!("{n:06}"));
        std::fs::create_dir(&path)?;
        Ok(Scratch { path })
    }

    /// A path for the socket of the program that `scratch` belongs to, short enough for the system.
    ///
    /// # Errors
    /// No directory with a short name can be written.
    pub fn socket_path(&self, scratch: &Scratch) -> io::Result<PathBuf> {
        let path = scratch.path().join("s");
        if path.as_os_str().len() <= SOCKET_PATH_BYTES {
            return Ok(path);
        }
        if self.sockets.get().is_none() {
            // Two threads may come here at once; one directory is kept, the other deleted.
            let _ = self.sockets.set(short_dir()?);
        }
        let dir = self.sockets.get().expect("it was set above");
        Ok(dir
            .path()
            .join(scratch.path().file_name().unwrap_or_default()))
    }

    /// Waits for the machine; see [`MachineLock::acquire`].
    ///
    /// # Errors
    /// As there.
    pub fn lock_machine(
        &self,
        to_do: MachineUse,
        on_wait: &mut dyn FnMut(&Waiting),
    ) -> io::Result<MachineLock> {
        MachineLock::acquire(to_do, on_wait, &|| self.launcher.cancelled())
    }

    /// The launch of `subject` with further arguments and variables.
    pub fn spec(
        &self,
        subject: &Subject,
        more: &[String],
        env: &[(&str, OsString)],
        scratch: &Path,
    ) -> LaunchSpec {
        let own = subject
            .env
            .iter()
            .map(|(k, v)| (k.clone(), OsString::from(v)));
        LaunchSpec {
            command: subject.command.iter().chain(more).cloned().collect(),
            cwd: subject.cwd.clone(),
            scratch: scratch.to_owned(),
            env: own
                .chain(env.iter().map(|(k, v)| ((*k).to_owned(), v.clone())))
                .collect(),
            inherit_env: subject.inherit_env,
            limits: subject.limits,
            home_links: subject.home_links.clone(),
            reach: subject.reach.clone(),
        }
    }
}

/// What is wrong with the folder that scratch is made in, a line each.
///
/// # Errors
/// It cannot be written at all; why.
pub fn scratch_faults() -> Result<Vec<String>, String> {
    let dir = std::env::temp_dir();
    let shown = dir.display();
    if let Err(error) = own_dir(&dir) {
        return Err(format!(
            "TMPDIR {shown}: {error}. Set TMPDIR to a folder that can be written"
        ));
    }
    let Ok(disk) = rustix::fs::statvfs(&dir) else {
        return Ok(Vec::new());
    };
    let mut faults = Vec::new();
    let free_mib = free_mib(&disk);
    if free_mib < LEAST_FREE_MIB {
        faults.push(format!(
            "TMPDIR {shown} has {free_mib} MiB free, and a check keeps four checkpoints there. Set \
             TMPDIR to a larger disk"
        ));
    }
    if disk.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC) {
        faults.push(format!(
            "TMPDIR {shown} is mounted `noexec`: programs that start what they write there fail. \
             Set TMPDIR to another folder"
        ));
    }
    Ok(faults)
}

/// A folder that a later run deletes where this one was killed. It is locked as long as this
/// process lives, which is seen from other containers too, where process ids mean nothing.
#[derive(Debug)]
struct OwnDir {
    dir: TempDir,
    _lock: File,
}

impl OwnDir {
    fn path(&self) -> &Path {
        self.dir.path()
    }
}

fn own_dir(parent: &Path) -> io::Result<OwnDir> {
    let dir = tempfile::Builder::new()
        .prefix(&format!("outpace-{}-", std::process::id()))
        .rand_bytes(RANDOM_CHARS)
        .tempdir_in(parent)?;
    let lock = File::open(dir.path())?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    Ok(OwnDir { dir, _lock: lock })
}

fn short_dir() -> io::Result<OwnDir> {
    let mut last = io::ErrorKind::NotFound.into();
    for parent in SHORT_DIRS {
        match own_dir(Path::new(parent)) {
            Ok(dir) => return Ok(dir),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Directories in which a killed run may have left something.
pub(crate) fn scratch_parents() -> Vec<PathBuf> {
    let mut parents = vec![std::env::temp_dir()];
    parents.extend(SHORT_DIRS.map(PathBuf::from));
    parents.dedup();
    parents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_finds_room_below_a_long_temporary_directory() {
        let area = tempfile::tempdir().unwrap();
        let long = area.path().join("job/".repeat(40));
        std::fs::create_dir_all(&long).unwrap();
        let context = Context::below(&long, Launcher::new(vec!["true".into()], Arc::default()));
        let context = context.unwrap();
        let (one, two) = (
            context.fresh_scratch().unwrap(),
            context.fresh_scratch().unwrap(),
        );
        let paths = [&one, &two].map(|scratch| context.socket_path(scratch).unwrap());
        assert_ne!(paths[0], paths[1]);
        for path in &paths {
            std::os::unix::net::UnixListener::bind(path).unwrap();
        }
        let dir = paths[0].parent().unwrap().to_owned();
        drop(context);
        assert!(!dir.exists(), "it is deleted with the context");
    }
}
