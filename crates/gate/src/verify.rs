//! `verify`: any command that must pass on the candidate.

use std::io;

use outpace_process::{Context, LaunchError, Subject};
use outpace_record::Check;
use outpace_trial::{Side, WorkloadError};

use crate::verdict::reason_of;

/// Runs it in the candidate's directory.
///
/// # Errors
/// It cannot be run, which is the base's fault where the program is looked up on the machine.
pub(crate) fn run_verify(
    context: &Context,
    verify: &Subject,
) -> Result<Check, (Side, WorkloadError)> {
    let failed = |error: WorkloadError| (Side::Candidate, error);
    let system = |what: &'static str| {
        move |source: io::Error| failed(WorkloadError::System { what, source })
    };
    let scratch = context
        .fresh_scratch()
        .map_err(system("cannot make a scratch directory"))?;
    let _in_use = verify
        .acquire()
        .map_err(system("cannot restore the program's directory"))?;
    let spec = context.spec(verify, &[], &[], scratch.path());
    let (passed, detail) = match context.launcher.run(&spec, verify.timeout) {
        Ok(finished) if finished.code == 0 => (true, "`verify` passed".to_owned()),
        Ok(finished) => {
            let log = finished.log_tail();
            let code = finished.code;
            (false, format!("`verify` failed (exit code {code})\n{log}"))
        }
        Err(error @ LaunchError::Timeout { .. }) => (false, format!("`verify` failed: {error}")),
        // A program that is looked up on the machine is not the candidate's.
        Err(error @ LaunchError::Start { .. }) if !verify.command[0].contains('/') => {
            return Err((Side::Base, error.into()));
        }
        Err(error) => return Err(failed(error.into())),
    };
    Ok(Check {
        name: "verify".into(),
        passed,
        value: None,
        allowed: None,
        detail: reason_of(&detail),
    })
}
