//! Real programs in the arena: processes, sockets, the system's monotonic clock, CPU time from /proc.

use std::time::Instant;

use crate::peer::Peer;
use crate::{Arena, Clock, Closed, Context, PeerError, Session, Side, Subject, Turn};

/// Starts the workload processes of both sides.
#[derive(Debug)]
pub struct ProcessArena<'a> {
    context: &'a Context,
    subjects: [&'a Subject; 2],
    clock: SystemClock,
}

impl<'a> ProcessArena<'a> {
    /// `base` and `candidate` speak the step protocol.
    pub fn new(context: &'a Context, base: &'a Subject, candidate: &'a Subject) -> Self {
        Self {
            context,
            subjects: [base, candidate],
            clock: SystemClock(Instant::now()),
        }
    }
}

impl Arena for ProcessArena<'_> {
    fn open(
        &mut self,
        side: Side,
        model_seed: u64,
        data_seed: u64,
    ) -> Result<Box<dyn Session>, PeerError> {
        let mut peer = Peer::start(self.context, self.subjects[side.index()])?;
        peer.begin(model_seed, data_seed, None)?;
        let processes = peer.running.processes();
        Ok(Box::new(Process {
            ready_s: peer.running.age_s(),
            processes,
            peer,
        }))
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }
}

#[derive(Debug)]
pub(crate) struct SystemClock(pub(crate) Instant);

impl Clock for SystemClock {
    fn now_s(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

#[derive(Debug)]
struct Process {
    peer: Peer,
    ready_s: f64,
    processes: Vec<u32>,
}

impl Session for Process {
    fn ready_s(&self) -> f64 {
        self.ready_s
    }

    fn tokens_per_step(&self) -> Option<u64> {
        self.peer.hello.tokens_per_step
    }

    fn turn(&mut self, steps: u32) -> Result<Turn, PeerError> {
        let (seconds, losses) = self.peer.step(steps)?;
        Ok(Turn {
            seconds: rounded(seconds),
            losses,
        })
    }

    fn cpu_s(&mut self) -> Option<f64> {
        self.processes.iter().map(|&pid| cpu_of(pid)).sum()
    }

    fn close(self: Box<Self>) -> Result<Closed, PeerError> {
        let peak_mib = self.processes.iter().map(|&pid| peak_of(pid)).sum();
        Ok(Closed {
            wall_s: self.peer.stop()?,
            peak_mib,
        })
    }
}

/// To 100 ns: finer than any clock call, and the record stays short. What is judged is what is recorded.
pub(crate) fn rounded(seconds: f64) -> f64 {
    (seconds * 1e7).round() / 1e7
}

/// CPU seconds of all threads of a process, to the nanosecond where the kernel keeps scheduler statistics.
fn cpu_of(pid: u32) -> Option<f64> {
    let mut total_ns = 0_u64;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        total_ns += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(total_ns as f64 * 1e-9)
}

fn peak_of(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
