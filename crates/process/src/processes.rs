//! Who is below a process, and signals to all of them.

use std::collections::BTreeMap;
use std::io;

use rustix::process::Signal;

/// Sends a signal to everybody that this process may send one to. Called only where signals are
/// kept in.
pub(crate) fn signal_all(signal: Signal) {
    let all = nix::unistd::Pid::from_raw(-1);
    let signal = nix::sys::signal::Signal::try_from(signal.as_raw()).ok();
    // There may be nobody any more.
    let _ = nix::sys::signal::kill(all, signal);
}

/// Process ids of all living processes below `root`, parents first. Zombies count until they are
/// reaped.
pub(crate) fn descendants(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (pid, parent) in processes() {
        children.entry(parent).or_default().push(pid);
    }
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        for &child in children.get(&pid).into_iter().flatten() {
            found.push(child);
            open.push(child);
        }
    }
    found
}

/// All (process, parent) pairs of the system.
fn processes() -> Vec<(u32, u32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pid_of = |entry: io::Result<std::fs::DirEntry>| {
        entry.ok()?.file_name().to_str()?.parse::<u32>().ok()
    };
    entries
        .filter_map(pid_of)
        .filter_map(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The command's name stands in parentheses and may hold anything; fields count from the
            // last one.
            let parent = stat
                .rsplit_once(')')?
                .1
                .split_whitespace()
                .nth(1)?
                .parse()
                .ok()?;
            Some((pid, parent))
        })
        .collect()
}
