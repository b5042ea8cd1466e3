//! Executors of real programs. Each holds the machine for as long as it lives, so that nothing is
//! timed beside other work.

mod commands;
mod steps;

use std::io;
use std::time::Instant;

use outpace_process::{Context, MachineLock, MachineUse, Subject, Waiting};
use outpace_record::{Event, GpuMode, Observer, Protocol, Timestamp};

use crate::{Clock, Executor, Gpus, Side, WorkloadError};
use commands::CommandExecutor;
use steps::StepExecutor;

/// What both kinds of executors have.
#[derive(Debug)]
struct Setup<'a> {
    context: &'a Context,
    subjects: [&'a Subject; 2],
    clock: SystemClock,
    gpus: Option<Gpus>,
    _machine: MachineLock,
}

/// The executor of real programs, base first. Waits until nothing else works on the machine.
///
/// # Errors
/// `gpu` demands GPUs that are not there, or the user asked to stop.
pub fn executor<'a>(
    context: &'a Context,
    protocol: Protocol,
    gpu: GpuMode,
    subjects: [&'a Subject; 2],
    observer: &mut dyn Observer,
) -> Result<Box<dyn Executor + 'a>, WorkloadError> {
    let machine = lock_machine(context, MachineUse::Timing, observer)?;
    let setup = Setup {
        context,
        subjects,
        clock: SystemClock(Instant::now()),
        gpus: Gpus::find(gpu, subjects[0], &context.launcher)?,
        _machine: machine,
    };
    Ok(match protocol {
        Protocol::Steps => Box::new(StepExecutor(setup)),
        Protocol::Process => Box::new(CommandExecutor(setup)),
    })
}

/// Waits for the machine and tells for whom.
///
/// # Errors
/// The lock cannot be had, or the user asked to stop.
pub fn lock_machine(
    context: &Context,
    to_do: MachineUse,
    observer: &mut dyn Observer,
) -> Result<MachineLock, WorkloadError> {
    let locked = context.lock_machine(to_do, &mut |waiting| observer.on(&waiting_event(waiting)));
    locked.map_err(|source| match source.kind() {
        io::ErrorKind::Interrupted => WorkloadError::Cancelled,
        _ => WorkloadError::System {
            what: "cannot lock the machine",
            source,
        },
    })
}

/// What observers are told of a lock that another process holds.
pub fn waiting_event(waiting: &Waiting) -> Event {
    let holder = &waiting.holder;
    Event::Waiting {
        does: waiting.does.to_owned(),
        pid: holder.pid,
        repository: holder.directory.clone(),
        since: holder.since_unix_s.map(Timestamp::from_unix_seconds),
    }
}

/// A subject with the variables that say where on the GPUs it goes.
fn placed(subject: &Subject, side: Side, gpus: Option<&Gpus>) -> Subject {
    let mut subject = subject.clone();
    subject
        .env
        .extend(gpus.map(|gpus| gpus.environment(side)).unwrap_or_default());
    subject
}

#[derive(Debug)]
struct SystemClock(Instant);

impl Clock for SystemClock {
    fn now_s(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// Replaces the program's files by copies, so that where they lie in memory is drawn anew.
fn renewed(subject: &Subject) -> Result<(), WorkloadError> {
    subject.renew().map_err(|source| WorkloadError::System {
        what: "cannot copy the program",
        source,
    })
}
