//! The base's evaluator and profiler, each in a process of its own.

use outpace_record::{Document, Profile};
use outpace_step::Evaluation;
use outpace_text::plain;
use std::path::Path;

use outpace_process::{Context, LaunchSpec, Subject};

use crate::WorkloadError;
use crate::client::{acquired, scratch};

/// Evaluates a checkpoint on text drawn from `data_seed`.
///
/// # Errors
/// The evaluator fails or prints no evaluation.
pub fn evaluate(
    context: &Context,
    evaluator: &Subject,
    checkpoint: &Path,
    data_seed: u64,
) -> Result<Evaluation, WorkloadError> {
    let path = checkpoint.to_string_lossy().into_owned();
    let more = [
        "--checkpoint".into(),
        path,
        "--data-seed".into(),
        data_seed.to_string(),
    ];
    let scratch = scratch(context)?;
    let spec = context.spec(evaluator, &more, &[], scratch.path());
    let text = output(context, evaluator, &spec.reading(&[checkpoint]))?;
    let line = text
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    let evaluation: Evaluation =
        serde_json::from_str(line).map_err(|_| WorkloadError::Garbage {
            line: plain(line, 80),
        })?;
    if evaluation.loss.is_finite() && evaluation.tokens > 0 {
        return Ok(evaluation);
    }
    Err(WorkloadError::Reported(format!(
        "the evaluation is {} nats over {} tokens",
        evaluation.loss, evaluation.tokens
    )))
}

/// Where a step's time goes, as the workload's own profiler says. For people and agents; nothing is
/// judged by it.
///
/// # Errors
/// The profiler fails or prints no profile.
pub fn profile(context: &Context, profiler: &Subject) -> Result<Profile, WorkloadError> {
    let scratch = scratch(context)?;
    let spec = context.spec(profiler, &[], &[], scratch.path());
    let text = output(context, profiler, &spec)?;
    Profile::from_json(&text).map_err(|_| WorkloadError::Garbage {
        line: plain(&text, 80),
    })
}

/// Runs a command of `subject` and returns what it prints.
pub(crate) fn output(
    context: &Context,
    subject: &Subject,
    spec: &LaunchSpec,
) -> Result<String, WorkloadError> {
    let _in_use = acquired(subject)?;
    let finished = context.launcher.run(spec, subject.timeout)?;
    if finished.code != 0 {
        let when = format!("while `{}` ran", subject.command.join(" "));
        return Err(WorkloadError::Exited {
            when: plain(&when, 200),
            code: finished.code,
            log: finished.log_tail(),
        });
    }
    Ok(finished.stdout_text())
}
