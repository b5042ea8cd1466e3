//! Threads and memory of the process, settled once before anything is computed. Two such processes
//! take turns on the same cores and are compared to a percent, so that a process must be as fast as
//! any other start of the same program, and use nothing while it waits:
//!
//! * exactly `threads` threads compute, the main thread one of them, each pinned to its own core of the process's mask; matrix products
//!   use the same ones. A thread without work sleeps. candle's own pool for element-wise operations is left without threads: they would
//!   inherit the main thread's core, and they spin while they wait.
//! * results are allocated on the main thread in the same order, scratch on the thread that uses it, so that heaps look alike from start to
//!   start.
//! * the allocator keeps its pages: no page faults after the first steps. Large pages come from its arena (`madvise`).

use anyhow::{Context as _, Result, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// What must stand in the environment before `main`: candle asks it for the size of its own pool,
/// the allocator whether it may give pages back (-1: never).
fn environment() -> [(&'static str, String); 2] {
    [
        ("CANDLE_NUM_THREADS", "1".to_owned()),
        ("MIMALLOC_PURGE_DELAY", "-1".to_owned()),
    ]
}

/// Cores that this process may use.
///
/// # Errors
/// What the system reports.
pub fn cores() -> Result<Vec<usize>> {
    let mask = sched_getaffinity(None).context("the affinity mask cannot be read")?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|&core| mask.is_set(core))
        .collect())
}

/// Makes the process compute with `threads` threads (0: one a core) and returns how many those are.
/// Replaces the process by itself when its environment has to change, because the allocator reads
/// it before `main`.
///
/// # Errors
/// What the system reports.
pub fn settle(threads: usize) -> Result<usize> {
    let cores = cores()?;
    let threads = if threads == 0 { cores.len() } else { threads };
    let wanted = environment();
    let settled = wanted
        .iter()
        .all(|(key, value)| std::env::var(key).is_ok_and(|is| is == *value));
    if !settled {
        let program = std::env::current_exe().context("the program's own path")?;
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_default();
        let error = Command::new(&program)
            .arg0(name)
            .args(arguments)
            .envs(wanted)
            .exec();
        bail!("{}: cannot be started again: {error}", program.display());
    }
    build_pool(threads, cores)?;
    Ok(threads)
}

/// More threads than cores share them in turn.
fn build_pool(threads: usize, cores: Vec<usize>) -> Result<()> {
    let first = cores[0];
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .use_current_thread()
        .start_handler(move |index| pin(cores[index % cores.len()]))
        .build_global()
        .context("the thread pool")?;
    // Last, because threads inherit the mask of the one that starts them, and its own start handler
    // is never called.
    pin(first);
    Ok(())
}

/// Pinning makes timings steady and changes no result, so a system that refuses it is no error.
fn pin(core: usize) {
    let mut mask = CpuSet::new();
    mask.set(core);
    let _ = sched_setaffinity(None, &mask);
}
