//! `protocol = "process"`: the whole command is one turn. Every pair is then a pair of fresh processes, so a block is one pair.

use std::time::Instant;

use crate::session::{SystemClock, placed, rounded};
use crate::subject::entered;
use crate::{Arena, Clock, Closed, Context, Gpus, PeerError, Session, Side, Subject, Turn};

/// Runs whole commands.
#[derive(Debug)]
pub(crate) struct CommandArena<'a> {
    context: &'a Context,
    subjects: [&'a Subject; 2],
    clock: SystemClock,
    gpus: Option<Gpus>,
}

impl<'a> CommandArena<'a> {
    /// Base and candidate are commands that run to their end.
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

impl Arena for CommandArena<'_> {
    fn open(
        &mut self,
        side: Side,
        _model_seed: u64,
        _data_seed: u64,
    ) -> Result<Box<dyn Session>, PeerError> {
        Ok(Box::new(Command {
            context: self.context.clone(),
            subject: placed(self.subjects[side.index()], side, self.gpus.as_ref()),
        }))
    }

    fn whole_commands(&self) -> bool {
        true
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn gpus(&mut self) -> Option<&mut Gpus> {
        self.gpus.as_mut()
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
            let _in_use = entered(&self.subject)?;
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
