//! Real programs in the arena: processes, sockets, the system's monotonic clock, CPU time from the kernel.

use std::time::Instant;

use crate::peer::Peer;
use crate::process_tree::ProcessTree;
use crate::{Arena, Clock, Closed, Context, Gpus, PeerError, Session, Side, Subject, Turn};

/// Starts the workload processes of both sides.
#[derive(Debug)]
pub(crate) struct ProcessArena<'a> {
    context: &'a Context,
    subjects: [&'a Subject; 2],
    clock: SystemClock,
    gpus: Option<Gpus>,
}

impl<'a> ProcessArena<'a> {
    /// Base and candidate speak the step protocol.
    pub(crate) fn new(
        context: &'a Context,
        subjects: [&'a Subject; 2],
        gpus: Option<Gpus>,
    ) -> Self {
        Self {
            context,
            subjects,
            clock: SystemClock(Instant::now()),
            gpus,
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
        let subject = self.subjects[side.index()];
        subject.renew().map_err(|source| PeerError::System {
            what: "cannot copy the program",
            source,
        })?;
        let mut peer = Peer::start(self.context, &placed(subject, side, self.gpus.as_ref()))?;
        peer.begin(model_seed, data_seed, None)?;
        let ready_s = peer.running.age_s();
        let tree = ProcessTree::of(&peer.running);
        Ok(Box::new(Process {
            ready_s,
            tree,
            peer,
        }))
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn gpus(&mut self) -> Option<&mut Gpus> {
        self.gpus.as_mut()
    }
}

/// A subject with the variables that say where on the GPUs it goes.
pub(crate) fn placed(subject: &Subject, side: Side, gpus: Option<&Gpus>) -> Subject {
    let mut subject = subject.clone();
    subject
        .env
        .extend(gpus.map(|gpus| gpus.environment(side)).unwrap_or_default());
    subject
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
    tree: ProcessTree,
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
        self.tree.cpu_s()
    }

    fn hides(&self) -> bool {
        self.tree.hides()
    }

    fn processes(&self) -> Vec<u32> {
        self.tree.processes()
    }

    fn close(self: Box<Self>) -> Result<Closed, PeerError> {
        let peak_mib = self.tree.peak_mib();
        let (wall_s, exit_s) = self.peer.stop()?;
        Ok(Closed {
            wall_s,
            exit_s,
            peak_mib,
        })
    }
}

/// To 100 ns: finer than any clock call, and the record stays short. What is judged is what is recorded.
pub(crate) fn rounded(seconds: f64) -> f64 {
    (seconds * 1e7).round() / 1e7
}
