//! `protocol = "process"`: the whole command is one turn. Every pair is then a pair of fresh
//! processes, so a block is one pair.

use outpace_process::{Context, Subject};

use super::{Setup, placed, renewed};
use crate::client::{acquired, scratch};
use crate::executor::rounded;
use crate::{Clock, Closed, Executor, Gpus, Side, Turn, WorkloadError, WorkloadProcess};

/// Runs whole commands.
#[derive(Debug)]
pub(super) struct CommandExecutor<'a>(pub(super) Setup<'a>);

impl Executor for CommandExecutor<'_> {
    fn open(
        &mut self,
        side: Side,
        _model_seed: u64,
        _data_seed: u64,
    ) -> Result<Box<dyn WorkloadProcess>, WorkloadError> {
        let subject = self.0.subjects[side.index()];
        Ok(Box::new(Command {
            context: self.0.context.clone(),
            subject: placed(subject, side, self.0.gpus.as_ref()),
        }))
    }

    fn whole_commands(&self) -> bool {
        true
    }

    fn clock(&self) -> &dyn Clock {
        &self.0.clock
    }

    fn gpus(&mut self) -> Option<&mut Gpus> {
        self.0.gpus.as_mut()
    }
}

struct Command {
    context: Context,
    subject: Subject,
}

impl Command {
    /// Runs what comes before a timed run.
    fn prepare(&self) -> Result<(), WorkloadError> {
        if self.subject.prepare.is_empty() {
            return Ok(());
        }
        let scratch = scratch(&self.context)?;
        let mut spec = self.context.spec(&self.subject, &[], &[], scratch.path());
        spec.command.clone_from(&self.subject.prepare);
        let finished = self.context.launcher.run(&spec, self.subject.timeout)?;
        if finished.code != 0 {
            // It is the user's own command, and neither side's.
            let (code, log) = (finished.code, finished.log_tail());
            return Err(WorkloadError::System {
                what: "`--prepare` failed",
                source: std::io::Error::other(format!("exit code {code}\n{log}")),
            });
        }
        Ok(())
    }
}

impl WorkloadProcess for Command {
    fn ready_s(&self) -> f64 {
        0.0
    }

    fn tokens_per_step(&self) -> Option<u64> {
        None
    }

    fn turn(&mut self, steps: u32) -> Result<Turn, WorkloadError> {
        let mut seconds = 0.0;
        for _ in 0..steps {
            let scratch = scratch(&self.context)?;
            renewed(&self.subject)?;
            let _in_use = acquired(&self.subject)?;
            self.prepare()?;
            let spec = self.context.spec(&self.subject, &[], &[], scratch.path());
            let finished = self.context.launcher.run(&spec, self.subject.timeout)?;
            if !self.subject.ok_exit_codes.contains(&finished.code) {
                let log = finished.log_tail();
                // Only commands that the user typed have the option.
                let option = match self.subject.inherit_env {
                    true => " (`--ok-exit-codes`)",
                    false => "",
                };
                return Err(WorkloadError::Exited {
                    when: format!("with a code that does not mean success{option}"),
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

    fn close(self: Box<Self>) -> Result<Closed, WorkloadError> {
        Ok(Closed::default())
    }
}
