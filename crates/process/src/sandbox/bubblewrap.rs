//! The tier `bubblewrap`: namespaces in which other processes, files and networks do not exist.

use std::ffi::OsString;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::IntoRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{MemfdFlags, memfd_create};

use super::{Plan, syscalls, system};

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
pub(super) fn exec(plan: &Plan, command: &[OsString]) -> io::Error {
    match prepared(plan, command) {
        Ok(mut command) => command.exec(),
        Err(error) => error,
    }
}

fn prepared(plan: &Plan, command: &[OsString]) -> io::Result<Command> {
    let mut bwrap = Command::new("bwrap");
    bwrap.args(APART);
    if !plan.network {
        bwrap.arg("--unshare-net");
    }
    bwrap.args(["--proc", "/proc", "--dev", "/dev"]);
    for name in KERNEL {
        let path = format!("/proc/{name}");
        bwrap.args(["--ro-bind-try", &path, &path]);
    }
    for path in EMPTY {
        bwrap.args(["--tmpfs", path]);
    }
    for path in system::gpu_devices() {
        bwrap.arg("--dev-bind-try").args([&path, &path]);
    }
    // Those above come before those below, whatever may be done there.
    for (path, how) in binds(plan) {
        bwrap.arg(how).args([path, path]);
    }
    bwrap.arg("--chdir").arg(std::env::current_dir()?);
    for filter in &syscalls::filters(plan)? {
        let mut file = std::fs::File::from(memfd_create("filter", MemfdFlags::empty())?);
        file.write_all(&syscalls::bytes(filter))?;
        file.seek(SeekFrom::Start(0))?;
        // It stays open for `bwrap`, which this process becomes.
        bwrap.args(["--add-seccomp-fd", &file.into_raw_fd().to_string()]);
    }
    bwrap.arg("--").args(command);
    Ok(bwrap)
}

fn binds(plan: &Plan) -> Vec<(&PathBuf, &'static str)> {
    let is_own = |path: &Path| OWN.iter().any(|own| path.starts_with(own));
    let read = plan.read.iter().filter(|path| !is_there_anyway(plan, path));
    let read = read.map(|path| (path, "--ro-bind-try"));
    let write = plan.write.iter().map(|path| (path, "--bind-try"));
    let mut binds: Vec<_> = read
        .chain(write)
        .filter(|(path, _)| !is_own(path))
        .collect();
    binds.sort_by_key(|(path, _)| (path.components().count(), *path));
    binds
}

/// What lies in a folder that may be written, or is one, stays so; and a link in a folder that is
/// bound comes with it, and cannot be bound itself.
fn is_there_anyway(plan: &Plan, path: &Path) -> bool {
    let is_link = || path.canonicalize().is_ok_and(|real| real != path);
    path.ancestors().any(|folder| plan.write.contains(folder))
        || (path
            .ancestors()
            .skip(1)
            .any(|folder| plan.read.contains(folder))
            && is_link())
}
