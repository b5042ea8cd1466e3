//! `protocol = "process"`: the whole command is one turn. Every pair is then a pair of fresh processes, so a block is one pair.

use std::time::Instant;

use crate::session::{SystemClock, rounded};
use crate::{Arena, Clock, Closed, Context, PeerError, Session, Side, Subject, Turn};

/// Pairs in a block of whole commands: each pair is already independent evidence.
pub const PAIRS_OF_COMMANDS: usize = 1;

/// Runs whole commands.
#[derive(Debug)]
pub struct CommandArena<'a> {
    context: &'a Context,
    subjects: [&'a Subject; 2],
    clock: SystemClock,
}

impl<'a> CommandArena<'a> {
    /// `base` and `candidate` are commands that run to their end.
    pub fn new(context: &'a Context, base: &'a Subject, candidate: &'a Subject) -> Self {
        Self {
            context,
            subjects: [base, candidate],
            clock: SystemClock(Instant::now()),
        }
    }
}

impl Arena for CommandArena<'_> {
    fn open(
        &mut self,
        side: Side,
        _model_seed: u64,
        _data_seed: u64,
    ) -> Result<Box<dyn Session>, PeerError> {
        Ok(Box::new(Command {
            context: self.context.clone(),
            subject: self.subjects[side.index()].clone(),
        }))
    }

    fn whole_commands(&self) -> bool {
        true
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }
}

struct Command {
    context: Context,
    subject: Subject,
}

impl Session for Command {
    fn ready_s(&self) -> f64 {
        0.0
    }

    fn tokens_per_step(&self) -> Option<u64> {
        None
    }

    fn turn(&mut self, steps: u32) -> Result<Turn, PeerError> {
        let mut seconds = 0.0;
        for _ in 0..steps {
            let scratch = self
                .context
                .fresh_scratch()
                .map_err(|source| PeerError::System {
                    what: "cannot make a scratch folder",
                    source,
                })?;
            let spec = self.context.spec(&self.subject, &[], &[], scratch.path());
            let finished = self.context.launcher.run(&spec, self.subject.timeout)?;
            if finished.code != 0 {
                let log = finished.log_tail();
                return Err(PeerError::Exited {
                    when: "instead of succeeding".into(),
                    code: finished.code,
                    log,
                });
            }
            seconds += finished.seconds;
        }
        Ok(Turn {
            seconds: rounded(seconds),
            losses: Vec::new(),
        })
    }

    fn cpu_s(&mut self) -> Option<f64> {
        None
    }

    fn close(self: Box<Self>) -> Result<Closed, PeerError> {
        Ok(Closed::default())
    }
}
