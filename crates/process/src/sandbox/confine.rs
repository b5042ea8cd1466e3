//! The process that puts a plan on and becomes the program.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use super::{Plan, Tier, bubblewrap, landlock};
use crate::program::{CANNOT_START, is_missing};

/// First argument of the supervisor's program that asks for it.
pub(crate) const CONFINE: &str = "--confine";

/// Runs `PLAN -- PROGRAM ARGS...`; returns only where that cannot be done.
pub(crate) fn main(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let plan = Plan::parse(&mut args);
    let command: Vec<OsString> = args.collect();
    let (Some(plan), Some(program)) = (plan, command.first()) else {
        eprintln!("outpace: expected a plan, `--`, and a program");
        return ExitCode::from(2);
    };
    let name = program.to_string_lossy().into_owned();
    let error = match std::env::current_dir() {
        Ok(cwd) if is_missing(&name, &cwd) => std::io::ErrorKind::NotFound.into(),
        Ok(_) => confined(&plan, &command),
        Err(error) => error,
    };
    eprintln!("outpace: cannot start {name}: {error}");
    ExitCode::from(CANNOT_START)
}

fn confined(plan: &Plan, command: &[OsString]) -> std::io::Error {
    let mut program = Command::new(&command[0]);
    program.args(&command[1..]);
    match plan.tier {
        Tier::Bubblewrap => bubblewrap::exec(plan, command),
        Tier::Landlock => match landlock::restrict(plan) {
            Ok(()) => program.exec(),
            Err(error) => error,
        },
        Tier::None => program.exec(),
    }
}
