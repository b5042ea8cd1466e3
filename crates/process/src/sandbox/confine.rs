//! The process that puts a plan on and becomes the program. Until then it is not confined: nothing
//! of the program's is looked at, not its folder, and not its environment, in which a loader or a
//! search for programs could find what it laid there.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use super::plan::Program;
use super::{Plan, Tier, bubblewrap, landlock};
use crate::program::{CANNOT_START, found};

/// First argument of the supervisor's program that asks for it.
pub(crate) const CONFINE: &str = "--confine";
/// The program's variables have this before their names until it starts.
const PACKED: &str = "OUTPACE_OF_PROGRAM_";

/// The environment of a program as it is handed to the processes before it.
pub(crate) fn packed(env: &BTreeMap<OsString, OsString>) -> BTreeMap<OsString, OsString> {
    let pack = |(name, value): (&OsString, &OsString)| {
        let mut packed = OsString::from(PACKED);
        packed.push(name);
        (packed, value.clone())
    };
    env.iter().map(pack).collect()
}

fn unpacked() -> BTreeMap<OsString, OsString> {
    let own = |(name, value): (OsString, OsString)| {
        let name = name.as_bytes().strip_prefix(PACKED.as_bytes())?;
        Some((OsString::from_vec(name.to_vec()), value))
    };
    std::env::vars_os().filter_map(own).collect()
}

/// Runs `PLAN -- PROGRAM ARGS...`; returns only where that cannot be done.
pub(crate) fn main(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let plan = Plan::parse(&mut args);
    let command: Vec<OsString> = args.collect();
    let (Some(plan), Some(program)) = (plan, command.first()) else {
        eprintln!("outpace: expected a plan, `--`, and a program");
        return ExitCode::from(2);
    };
    let name = program.to_string_lossy().into_owned();
    let program = Program {
        command: &command,
        env: unpacked(),
    };
    let path = program
        .env
        .get(OsStr::new("PATH"))
        .cloned()
        .unwrap_or_default();
    let error = match found(&name, &plan.cwd, &path) {
        None => std::io::ErrorKind::NotFound.into(),
        Some(_) => confined(&plan, &program),
    };
    eprintln!("outpace: cannot start {name}: {error}");
    ExitCode::from(CANNOT_START)
}

fn confined(plan: &Plan, program: &Program<'_>) -> std::io::Error {
    let mut command = Command::new(&program.command[0]);
    command
        .args(&program.command[1..])
        .current_dir(&plan.cwd)
        .env_clear()
        .envs(&program.env);
    match plan.tier {
        Tier::Bubblewrap => bubblewrap::exec(plan, program),
        Tier::Landlock => match landlock::restrict(plan) {
            Ok(()) => command.exec(),
            Err(error) => error,
        },
        Tier::None => command.exec(),
    }
}
