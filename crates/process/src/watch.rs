//! What the kernel does not limit for us: the number of processes below a supervisor, and what they
//! write all together.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustix::system::sysinfo;

use crate::disk::free_at;
use crate::processes::{descendants, signal_all};

/// A program that starts another process in each of its own makes some hundreds until the next
/// look.
const LOOK: Duration = Duration::from_millis(50);
const LOOK_AT_DISK: Duration = Duration::from_millis(500);

/// Limits of all processes below this one together.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Watch {
    /// Most processes.
    pub(crate) processes: Option<usize>,
    /// The most that they may have in `folders`, in MiB.
    pub(crate) disk_mib: Option<u64>,
    /// Folders that they write.
    pub(crate) folders: Vec<PathBuf>,
}

impl Watch {
    /// Returns what was too much, when it is. `scoped` says that signals reach them alone.
    pub(crate) fn until_too_much(&self, scoped: bool) -> String {
        let processes = self.processes.unwrap_or(usize::MAX);
        let disk_mib = self.disk_mib.unwrap_or(u64::MAX);
        let mut calm = tasks();
        let free_at_first: Vec<u64> = self.folders.iter().map(|at| free_at(at)).collect();
        let mut looked = Instant::now();
        loop {
            std::thread::sleep(LOOK);
            // All tasks of the machine are one number to ask for; whose they are is a walk.
            let now = tasks();
            calm = calm.min(now);
            if usize::from(now - calm) > processes {
                // They stand still meanwhile: against a thousand that run, a walk never ends.
                if scoped {
                    signal_all(Signal::STOP);
                }
                if descendants(std::process::id()).len() > processes {
                    return format!("more than {processes} processes at once");
                }
                if scoped {
                    signal_all(Signal::CONT);
                }
                calm = now;
            }
            if looked.elapsed() > LOOK_AT_DISK {
                let mut folders = self.folders.iter().zip(&free_at_first);
                // What is free is one number to ask for; who took it is a walk.
                let is_filled = |(at, first): (&PathBuf, &u64)| {
                    first.saturating_sub(free_at(at)) > disk_mib
                        && held(at).saturating_add(held_without_a_name(at)) >> 20 > disk_mib
                };
                if folders.any(is_filled) {
                    return format!("more than {disk_mib} MiB on the disk");
                }
                looked = Instant::now();
            }
        }
    }
}

/// Tasks of the machine.
fn tasks() -> u16 {
    sysinfo().procs
}

/// Bytes that the files in a folder take, without following links. A folder that a program closed,
/// or made too deep to be looked into, counts as full.
fn held(folder: &Path) -> u64 {
    let mut bytes = 0_u64;
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            // It is gone, or a file: a socket may be written too.
            Err(error) if is_no_folder(&error) => continue,
            Err(_) => return u64::MAX,
        };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(_) => bytes += entry.metadata().map_or(0, |data| blocks_of(&data)),
                Err(_) => {}
            }
        }
    }
    bytes
}

fn is_no_folder(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// Bytes of files that processes below this one hold open, on the disk of a folder, and that have
/// no name any more. A process that hides what it holds counts as holding all of it.
fn held_without_a_name(folder: &Path) -> u64 {
    let disk = fs::metadata(folder).map_or(0, |data| data.dev());
    // Several may hold the same.
    let mut nameless = BTreeMap::new();
    for pid in descendants(std::process::id()) {
        let open = match fs::read_dir(format!("/proc/{pid}/fd")) {
            Ok(open) => open,
            Err(_) if has_ended(pid) => continue,
            Err(_) => return u64::MAX,
        };
        // A link in that folder leads to the file itself.
        let files = open
            .flatten()
            .filter_map(|entry| fs::metadata(entry.path()).ok());
        let files = files.filter(|data| data.is_file() && data.nlink() == 0 && data.dev() == disk);
        nameless.extend(files.map(|data| (data.ino(), blocks_of(&data))));
    }
    nameless.values().sum()
}

/// Also one that nobody has waited for yet.
fn has_ended(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat"));
    status.map_or(true, |line| {
        let state = line.rsplit_once(") ").map_or("", |(_, after)| after);
        state.starts_with('Z') || state.starts_with('X')
    })
}

fn blocks_of(data: &fs::Metadata) -> u64 {
    data.blocks() * 512
}
