//! The tier `bubblewrap`: namespaces in which other processes, files and networks do not exist.

use std::ffi::{OsStr, OsString};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::IntoRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{MemfdFlags, memfd_create};

use super::plan::Program;
use super::{Plan, landlock, syscalls, system};

/// Namespaces of its own, no rights in them, and an end with whoever started it.
const APART: [&str; 8] = [
    "--unshare-user",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--die-with-parent",
    "--cap-drop",
    "ALL",
];
/// Folders that are empty at every start, and gone at its end.
const EMPTY: [&str; 4] = ["/tmp", "/var/tmp", "/run", "/dev/shm"];
/// Settings of the kernel, which belong to root in whatever namespace.
const KERNEL: [&str; 5] = ["sys", "sysrq-trigger", "irq", "bus", "fs"];
/// Handled by themselves.
const OWN: [&str; 2] = ["/proc", "/dev"];

/// Becomes the program, in namespaces of its own. Returns only what went wrong.
pub(super) fn exec(plan: &Plan, program: &Program<'_>) -> io::Error {
    match prepared(plan, program) {
        Ok(mut command) => command.exec(),
        Err(error) => error,
    }
}

fn prepared(plan: &Plan, program: &Program<'_>) -> io::Result<Command> {
    let bwrap = system::bwrap().ok_or_else(|| io::Error::other("bwrap is not installed"))?;
    let options = options(plan, program)?;
    if plan.network {
        // With the network of the machine come its abstract sockets.
        landlock::keep_from_abstract_sockets()?;
    }
    // In a file, because others can read a command line, and variables may be secrets.
    let list: Vec<u8> = options
        .iter()
        .flat_map(|option| option.as_bytes().iter().copied().chain([0]))
        .collect();
    let mut command = Command::new(bwrap);
    command
        .env_clear()
        .current_dir("/")
        .args(["--args", &kept_open(&list)?])
        .arg("--")
        .args(program.command);
    Ok(command)
}

/// A file in memory that stays open for `bwrap`, which this process becomes: its number.
fn kept_open(bytes: &[u8]) -> io::Result<String> {
    let mut file = std::fs::File::from(memfd_create("outpace", MemfdFlags::empty())?);
    file.write_all(bytes)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file.into_raw_fd().to_string())
}

fn options(plan: &Plan, program: &Program<'_>) -> io::Result<Vec<OsString>> {
    let mut options: Vec<OsString> = APART.map(OsString::from).to_vec();
    let mut add = |parts: &[&OsStr]| options.extend(parts.iter().map(OsString::from));
    if !plan.network {
        add(&["--unshare-net".as_ref()]);
    }
    for (at, kind) in [("/proc", "--proc"), ("/dev", "--dev")] {
        add(&[kind.as_ref(), at.as_ref()]);
    }
    for name in KERNEL {
        let path = format!("/proc/{name}");
        add(&["--ro-bind-try".as_ref(), path.as_ref(), path.as_ref()]);
    }
    for path in EMPTY {
        add(&["--tmpfs".as_ref(), path.as_ref()]);
    }
    for path in system::gpu_devices() {
        add(&["--dev-bind-try".as_ref(), path.as_ref(), path.as_ref()]);
    }
    // Those above come before those below, whatever may be done there.
    for (path, how) in binds(plan) {
        add(&[how.as_ref(), path.as_ref(), path.as_ref()]);
    }
    add(&["--chdir".as_ref(), plan.cwd.as_ref(), "--clearenv".as_ref()]);
    for (name, value) in &program.env {
        add(&["--setenv".as_ref(), name, value]);
    }
    for filter in &syscalls::filters(plan)? {
        let file = kept_open(&syscalls::bytes(filter))?;
        add(&["--add-seccomp-fd".as_ref(), file.as_ref()]);
    }
    Ok(options)
}

fn binds(plan: &Plan) -> Vec<(&PathBuf, &'static str)> {
    let is_own = |path: &Path| OWN.iter().any(|own| path.starts_with(own));
    let read = plan.read.iter().map(|path| (path, "--ro-bind-try"));
    let write = plan.write.iter().map(|path| (path, "--bind-try"));
    let mut binds: Vec<_> = read
        .chain(write)
        .filter(|(path, _)| !is_own(path))
        .collect();
    binds.sort_by_key(|(path, _)| (path.components().count(), *path));
    binds
}
