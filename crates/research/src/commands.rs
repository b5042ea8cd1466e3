//! Two commands that the user typed, timed beside each other: no git, no build, no correctness beyond what is watched.

use std::time::SystemTime;

use outpace_record::{GateConfig, GpuMode, Protocol, Timestamp, Track, Verdict};
use outpace_stats::Rule;
use outpace_trial::{Context, Lock, Observer, Settings, Subject, arena, pairs_of, run_trial};

use crate::ResearchError;
use crate::error::lock;
use crate::gate::{Surroundings, conclude, empty_verdict, side_failed};

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
) -> Result<Verdict, ResearchError> {
    let now = Timestamp::from_system(SystemTime::now());
    let mut verdict = empty_verdict(
        NAME,
        Track::Throughput,
        rule,
        commands.texts[0],
        seed,
        surroundings,
        now,
    );
    verdict.candidate = Some(commands.texts[1].to_owned());
    verdict.title = outpace_record::plain(commands.texts[1], 100);
    let _lock = Lock::machine(observer, &|| context.launcher.cancelled()).map_err(lock)?;
    let protocol = match commands.whole {
        true => Protocol::Process,
        false => Protocol::Steps,
    };
    let mut arena = arena(context, protocol, commands.gpu, commands.subjects)
        .map_err(|error| ResearchError::Environment(error.to_string()))?;
    let settings = Settings {
        workload: NAME.into(),
        rule: *rule,
        pairs: pairs_of(protocol, gate.pairs),
        min_turn_s: gate.min_turn_ms * 1e-3,
        seed,
    };
    match run_trial(&mut *arena, &settings, observer) {
        Ok(trial) => conclude(verdict, trial),
        Err(error) => side_failed(verdict, &error),
    }
}
