//! CPU time and memory of a started program with everything that it started, ended threads and
//! processes included.

use std::fs;

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::Running;
use crate::processes::descendants;

/// The processes below a supervisor.
#[derive(Debug)]
pub struct ProcessTree {
    supervisor: u32,
    /// Where the kernel does not list children, those there were when the program was ready:
    /// walking through all processes of the machine takes too long to be done before every turn.
    first: Option<Vec<u32>>,
    /// Seconds of one tick of the times in `/proc/<pid>/stat`.
    tick_s: f64,
}

impl ProcessTree {
    /// The processes of a program that was started.
    pub fn of(running: &Running) -> Self {
        let supervisor = running.supervisor_pid();
        Self {
            supervisor,
            first: (!lists_children()).then(|| descendants(supervisor)),
            tick_s: 1.0 / rustix::param::clock_ticks_per_second() as f64,
        }
    }

    /// CPU seconds so far. Living processes count to the nanosecond, with their ended threads;
    /// ended ones to the tick, in the account of who reaped them, which for orphans is the
    /// supervisor.
    pub fn cpu_s(&self) -> Option<f64> {
        let living = self.processes();
        let mut seconds = self.reaped_s(self.supervisor)?;
        for pid in living {
            // One that ended in this moment is in its parent's account the next time.
            seconds += own_s(pid).unwrap_or(0.0) + self.reaped_s(pid).unwrap_or(0.0);
        }
        Some(seconds)
    }

    /// Sum of the peaks of resident memory in MiB.
    pub fn peak_mib(&self) -> Option<f64> {
        let peaks: Vec<f64> = self.processes().into_iter().filter_map(peak_of).collect();
        (!peaks.is_empty()).then(|| peaks.iter().sum())
    }

    /// Without the supervisor.
    pub fn processes(&self) -> Vec<u32> {
        if let Some(first) = &self.first {
            return first.clone();
        }
        let mut found = Vec::new();
        let mut open = vec![self.supervisor];
        while let Some(pid) = open.pop() {
            let children = children_of(pid);
            found.extend(&children);
            open.extend(children);
        }
        found
    }

    /// CPU seconds of the children that ended and were waited for, and of theirs.
    fn reaped_s(&self, pid: u32) -> Option<f64> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command's name stands in parentheses and may hold anything; fields count from the
        // last one: cutime and cstime are the 14th and 15th after it.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(13);
        let mut ticks = || fields.next()?.parse::<f64>().ok();
        Some((ticks()? + ticks()?) * self.tick_s)
    }
}

fn lists_children() -> bool {
    let pid = std::process::id();
    fs::exists(format!("/proc/{pid}/task/{pid}/children")).unwrap_or(false)
}

/// The children of all threads of a process; none if it is gone.
fn children_of(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let lists =
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    let ids = lists.flat_map(|list| {
        let ids = list.split_whitespace().filter_map(|id| id.parse().ok());
        ids.collect::<Vec<u32>>()
    });
    ids.collect()
}

/// CPU seconds of all threads of a process, living or ended.
fn own_s(pid: u32) -> Option<f64> {
    let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid).ok()?)).ok()?;
    let time = clock_gettime(clock).ok()?;
    Some(time.tv_sec() as f64 + time.tv_nsec() as f64 * 1e-9)
}

fn peak_of(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
