//! Two commands that the user typed, timed beside each other: no git, no build, no correctness
//! beyond what is watched.

use outpace_process::{Context, Subject};
use outpace_record::{GateConfig, GpuMode, Observer, Protocol, STEPS_PER_RUN, Track, Verdict};
use outpace_stats::Rule;
use outpace_trial::{Earlier, Settings, executor, pairs_of, run_trial};

use crate::verdict::Draft;
use crate::{GateError, Surroundings};

/// The name that verdicts of commands carry instead of a workload's.
const NAME: &str = "commands";

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub struct Commands<'a> {
    /// Base and candidate.
    pub subjects: [&'a Subject; 2],
    /// How the user wrote them.
    pub texts: [&'a str; 2],
    /// They are whole runs and do not speak the step protocol.
    pub whole: bool,
    /// Where they live on GPUs.
    pub gpu: GpuMode,
}

/// One trial between two commands.
///
/// # Errors
/// The base fails, or the user asked to stop. A candidate that fails is `rejected`.
pub fn compare_commands(
    context: &Context,
    commands: &Commands<'_>,
    rule: &Rule,
    gate: &GateConfig,
    seed: u64,
    surroundings: Surroundings<'_>,
    observer: &mut dyn Observer,
) -> Result<Verdict, GateError> {
    let [base, candidate] = commands.texts;
    let draft = Draft::new(NAME, Track::Throughput, rule, base, seed, surroundings);
    let draft = draft.of_command(candidate);
    let protocol = match commands.whole {
        true => Protocol::Process,
        false => Protocol::Steps,
    };
    let mut executor = executor(context, protocol, commands.gpu, commands.subjects, observer)
        .map_err(|error| GateError::of_base(NAME, &error))?;
    let settings = Settings {
        other_mathematics: false,
        workload: NAME.into(),
        rule: *rule,
        pairs: pairs_of(protocol, gate.pairs),
        min_turn_s: gate.min_turn_ms * 1e-3,
        seed,
        steps_per_run: STEPS_PER_RUN,
        same_model: None,
        earlier: Earlier::default(),
        max_s: gate.max_seconds,
    };
    match run_trial(&mut *executor, &settings, observer) {
        Ok(trial) => draft.of_trial(trial),
        Err(error) => draft.of_failure(&error),
    }
}
