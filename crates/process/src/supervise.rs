//! The process between outpace and every program that it starts.
//!
//! It makes a session of its own, sets the limits, adopts orphans (child subreaper), and ends the
//! whole tree when the program ends or when outpace does: outpace holds the other end of its
//! standard input, so that even a SIGKILL of outpace is noticed as end of file. It never reads what
//! the program writes.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::cores::stay_on;
use crate::processes::{descendants, signal_all};
use crate::program::CANNOT_START;
use crate::sandbox::{self, CONFINE, CUDA, PROBE};
use crate::watch::Watch;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, getpid, getrlimit, kill_process, setrlimit, setsid,
};

/// Exit code when the tree was ended because outpace closed the control pipe.
pub const ENDED: u8 = 137;
/// How long the supervisor goes on trying to end what the program left behind.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// Runs `[LIMITS] -- PROGRAM ARGS...` and returns its exit code, 128 + n if signal n ended it. Or
/// confines itself and becomes the program, or tries what a confined program can reach, or whether
/// CUDA starts: `--confine`, `--probe` and `--cuda`.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let mut args = args.peekable();
    if args.next_if(|arg| arg == CONFINE).is_some() {
        return sandbox::confine(args);
    }
    if args.next_if(|arg| arg == PROBE).is_some() {
        return sandbox::probe(args);
    }
    if args.next_if(|arg| arg == CUDA).is_some() {
        return sandbox::cuda();
    }
    let Some((limits, command)) = parse(args) else {
        eprintln!("outpace supervise: expected [LIMITS] -- PROGRAM ARGS...");
        return ExitCode::from(2);
    };
    if let Err(error) = confine(&limits) {
        eprintln!("outpace supervise: cannot set limits: {error}");
        return ExitCode::from(CANNOT_START);
    }
    ExitCode::from(supervise(&command, limits))
}

#[derive(Default)]
struct Caps {
    memory_mib: Option<u64>,
    file_mib: Option<u64>,
    cores: Option<usize>,
    watch: Watch,
    /// Signals of this process and all below it reach nobody else, so that one ends them all.
    scoped: bool,
}

fn parse(mut args: impl Iterator<Item = OsString>) -> Option<(Caps, Vec<OsString>)> {
    let mut caps = Caps::default();
    loop {
        let arg = args.next()?;
        let mut number = || args.next()?.to_str()?.parse::<u64>().ok();
        match arg.to_str()? {
            "--" => break,
            "--memory-mib" => caps.memory_mib = Some(number()?),
            "--file-mib" => caps.file_mib = Some(number()?),
            "--cores" => caps.cores = usize::try_from(number()?).ok(),
            "--processes" => caps.watch.processes = usize::try_from(number()?).ok(),
            "--disk-mib" => caps.watch.disk_mib = Some(number()?),
            "--writes" => caps.watch.folders.push(args.next()?.into()),
            "--scoped" => caps.scoped = true,
            _ => return None,
        }
    }
    let command: Vec<OsString> = args.collect();
    if command.is_empty() {
        None
    } else {
        Some((caps, command))
    }
}

fn confine(caps: &Caps) -> io::Result<()> {
    // Fails only where this process already leads a session.
    let _ = setsid();
    rustix::process::set_child_subreaper(Some(getpid()))?;
    let limit = |resource, value: u64| {
        // Whoever started us may have allowed less.
        let value = getrlimit(resource)
            .maximum
            .map_or(value, |most| value.min(most));
        setrlimit(
            resource,
            Rlimit {
                current: Some(value),
                maximum: Some(value),
            },
        )
    };
    limit(Resource::Core, 0)?;
    if let Some(mib) = caps.memory_mib {
        limit(Resource::As, mib.saturating_mul(1 << 20))?;
    }
    if let Some(mib) = caps.file_mib {
        limit(Resource::Fsize, mib.saturating_mul(1 << 20))?;
    }
    if let Some(cores) = caps.cores {
        stay_on(cores)?;
    }
    Ok(())
}

fn supervise(command: &[OsString], limits: Caps) -> u8 {
    let Caps { watch, scoped, .. } = limits;
    // Where the kernel cannot, its processes are ended one by one.
    let scoped = scoped && sandbox::keep_signals_in().is_ok();
    // Whoever ends the tree for a reason tells it.
    let told = Arc::new(AtomicBool::new(false));
    let mut program = Command::new(&command[0]);
    program
        .args(&command[1..])
        .stdin(Stdio::null())
        .process_group(0);
    let mut child = match program.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!(
                "outpace: cannot start {}: {error}",
                command[0].to_string_lossy()
            );
            return CANNOT_START;
        }
    };
    std::thread::spawn(move || {
        wait_for_end_of_file();
        end_descendants(scoped);
        std::process::exit(i32::from(ENDED));
    });
    if watch != Watch::default() {
        let told = Arc::clone(&told);
        std::thread::spawn(move || {
            let too_much = watch.until_too_much(scoped);
            told.store(true, Ordering::SeqCst);
            end_descendants(scoped);
            // Last in its log.
            eprintln!("outpace: it was ended: {too_much}");
            std::process::exit(i32::from(ENDED));
        });
    }
    let code = match child.wait() {
        Ok(status) => status
            .code()
            .or_else(|| status.signal().map(|s| 128 + s))
            .unwrap_or(1),
        Err(_) => i32::from(ENDED),
    };
    while told.load(Ordering::SeqCst) {
        std::thread::park();
    }
    end_descendants(scoped);
    u8::try_from(code).unwrap_or(1)
}

fn wait_for_end_of_file() {
    let mut sink = [0_u8; 64];
    while matches!(io::stdin().read(&mut sink), Ok(n) if n > 0) {}
}

/// Ends everything below this process, also what has left its session or whose parent is gone.
fn end_descendants(scoped: bool) {
    let begin = Instant::now();
    while begin.elapsed() < KILL_PATIENCE {
        if scoped {
            // At one stroke: what makes processes without end is never caught one by one.
            signal_all(Signal::KILL);
        }
        let found = descendants(std::process::id());
        if found.is_empty() {
            return;
        }
        for pid in found {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        while matches!(rustix::process::wait(WaitOptions::NOHANG), Ok(Some(_))) {}
        std::thread::sleep(Duration::from_millis(1));
    }
}
