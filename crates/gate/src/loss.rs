//! A candidate on the time-to-loss track: the time of a step, then seeds.

use outpace_record::{
    Block, Check, Event, Kind, LossTarget, Observer, Verdict, WorkloadConfig, step_time_rule,
};
use outpace_stats::{Decision, Outcome, Reason, SeedRule, block_log_ratio, median};
use outpace_trial::{
    Earlier, Programs, ScreeningRuns, SeedSettings, Settings, Side, SideBySide, SideError, Trial,
    executor, measure_beside, run_seeds, run_trial, shapes,
};

use crate::begin::begin_test;
use crate::build::Built;
use crate::candidate::{Candidate, Spent};
use crate::verdict::Draft;
use crate::verify::run_verify;
use crate::{GateError, Harness};

/// Blocks that look for a sign that equal programs take different times.
const GUARD_BLOCKS: usize = 4;
/// Pairs in one of them.
const GUARD_PAIRS: usize = 10;
/// A median that is so much slower, as a log ratio, is one. To measure is always valid.
const GUARD_SLOWER: f64 = -0.005;
/// Sets the draws of step time apart from those of seeds.
const TIME_SEED: u64 = 0x7143;

/// What both sides are judged with.
#[derive(Clone, Copy)]
pub(crate) struct Sides<'a> {
    pub(crate) base: &'a Built,
    pub(crate) candidate: &'a Built,
}

/// The time of a step: the shares of its evidence, or the verdict that it ends in.
enum StepTime {
    /// Both take the same; the blocks looked for a sign that they do not.
    Equal(Box<SideBySide>),
    /// Measured.
    Measured(Box<Trial>),
}

/// Judges a candidate by the time to `target`.
///
/// # Errors
/// The base or the machine fails, or the user asked to stop.
pub(crate) fn judge_loss(
    harness: &mut Harness<'_>,
    candidate: &Candidate<'_>,
    mut draft: Draft,
    sides: Sides<'_>,
    mut target: LossTarget,
    spent: &mut Spent,
    observer: &mut dyn Observer,
) -> Result<Verdict, GateError> {
    let name = draft.workload().to_owned();
    let config = harness.workload(&name)?;
    let (data, before) = harness.data(sides.base)?;
    draft.add_check(data);
    if let Some(verify) = &sides.candidate.verify {
        let check = run_verify(harness.context, verify);
        match check.map_err(SideError::from) {
            Ok(check) if !check.passed => {
                let reason = check.detail.clone();
                draft.add_check(Some(check));
                return Ok(draft.settle(Kind::Rejected, &reason));
            }
            Ok(check) => draft.add_check(Some(check)),
            Err(error) => return draft.of_failure(&error),
        }
    }
    spent.timed = true;
    let settings = begin_test(harness, candidate, &mut draft, spent, observer)?;
    let mut blocks = settings.earlier.blocks.clone();
    // What an earlier trial measured of the time of a step stands: to measure it again and take the
    // better one would be a choice.
    if let Some(equal) = settings.earlier.equal_steps.filter(|_| !blocks.is_empty()) {
        target.equal_steps = equal;
        target.confirmed_steps = settings.earlier.confirmed_steps;
        draft.keep_step_time(&settings);
        if let Some(reason) = draft.refuted_before(target) {
            return Ok(draft.settle(reason.outcome().into(), reason.as_str()));
        }
    } else {
        let only_values = candidate
            .patch
            .files
            .iter()
            .all(|file| holds_values(&file.path));
        target.equal_steps = match same_shapes(harness, config, sides) {
            Ok(same) => same && only_values,
            Err(error) => return draft.of_failure(&error),
        };
        match step_time(
            harness,
            &settings,
            config,
            sides,
            target.equal_steps,
            observer,
        ) {
            Ok(StepTime::Equal(looked)) => {
                draft.set_layout(&looked.plan);
                blocks = looked.blocks;
            }
            Ok(StepTime::Measured(trial)) => {
                target.equal_steps = false;
                let faster = |d: Decision| d.outcome == Outcome::Faster;
                target.confirmed_steps = trial.decision.is_some_and(faster);
                draft.set_target(target);
                blocks.clone_from(&trial.blocks);
                if let Some(ended) = ended_by_time(&mut draft, *trial)? {
                    return Ok(ended);
                }
            }
            Err(error) => return draft.of_failure(&error),
        }
    }
    let screens = settings.rule.screen;
    let key = (name.clone(), sides.base.identity.clone());
    let mut screening: ScreeningRuns = harness.screening.remove(&key).unwrap_or_default();
    let seeds = SeedSettings {
        workload: name.clone(),
        rule: SeedRule {
            earlier_seeds: settings.earlier.seeds.len(),
            ..SeedRule::from(&settings.rule)
        },
        target,
        seed: settings.seed,
        parallel: room_for_both(config),
        blocks: blocks.clone(),
        earlier: settings.earlier.seeds.clone(),
        max_s: settings.max_s,
    };
    let ran = run_seeds(
        harness.context,
        Programs {
            base: &sides.base.run,
            candidate: &sides.candidate.run,
            text: sides
                .base
                .text
                .as_ref()
                .expect("checked with the configuration"),
        },
        &seeds,
        screens.then_some(&mut screening),
        observer,
    );
    harness.screening.insert(key, screening);
    let verdict = match ran {
        Err(error) => draft.of_failure(&error)?,
        Ok(trial) => {
            if let Some((_, record)) = &spent.before {
                draft.goes_on_from(record, &settings.earlier);
            }
            draft.of_seeds(target, blocks, trial)?
        }
    };
    let now = sides.base.data.stamps().map_err(GateError::Environment)?;
    match before.changed(&now) {
        None => Ok(verdict),
        Some(path) => Err(GateError::Environment(format!(
            "{name}: {} changed while it was measured with (key `data`). Hint: programs must not \
             write there",
            path.display()
        ))),
    }
}

/// Whether both sides run the same program on the same shapes, so that only values differ.
fn same_shapes(
    harness: &Harness<'_>,
    config: &WorkloadConfig,
    sides: Sides<'_>,
) -> Result<bool, SideError> {
    if config.build.is_empty() || sides.base.program != sides.candidate.program {
        return Ok(false);
    }
    let of = |side: Side, built: &Built| {
        shapes(harness.context, &built.run).map_err(|error| SideError::Side { side, error })
    };
    let base = of(Side::Base, sides.base)?;
    Ok(base.parameters.is_some() && base == of(Side::Candidate, sides.candidate)?)
}

fn step_time(
    harness: &Harness<'_>,
    settings: &Settings,
    config: &WorkloadConfig,
    sides: Sides<'_>,
    equal: bool,
    observer: &mut dyn Observer,
) -> Result<StepTime, SideError> {
    let subjects = [&sides.base.run, &sides.candidate.run];
    let executor = executor(
        harness.context,
        config.protocol,
        config.gpu,
        subjects,
        observer,
    );
    let mut executor = executor.map_err(|error| SideError::Side {
        side: Side::Base,
        error,
    })?;
    let settings = Settings {
        rule: step_time_rule(settings.rule.alpha),
        seed: settings.seed ^ TIME_SEED,
        same_model: None,
        earlier: Earlier::default(),
        ..settings.clone()
    };
    if equal {
        let few = Settings {
            pairs: GUARD_PAIRS,
            ..settings.clone()
        };
        let mut enough = |blocks: &[Block]| blocks.len() >= GUARD_BLOCKS;
        let looked = measure_beside(&mut *executor, &few, &mut enough, observer)?;
        let ratios = looked
            .blocks
            .iter()
            .map(|block| block_log_ratio(&block.pairs));
        let ratios = ratios.collect::<Result<Vec<f64>, _>>()?;
        if median(&ratios) > GUARD_SLOWER {
            return Ok(StepTime::Equal(Box::new(looked)));
        }
        observer.on(&Event::Note {
            text: format!(
                "{}: the programs are equal and a step of the candidate takes longer: measured",
                settings.workload
            ),
        });
    }
    let trial = run_trial(&mut *executor, &settings, observer)?;
    Ok(StepTime::Measured(Box::new(trial)))
}

/// Keeps what was measured of step time; the verdict where that ends it.
fn ended_by_time(draft: &mut Draft, trial: Trial) -> Result<Option<Verdict>, GateError> {
    let fault = trial.fault().map(|check: &Check| check.detail.clone());
    let decision = trial.decision;
    let refuted = trial.refuted.clone();
    draft.add_step_time(trial);
    match (fault, decision) {
        (Some(fault), _) => Ok(Some(draft.clone().settle(Kind::Rejected, &fault))),
        (None, None) => Err(GateError::Interrupted(Vec::new())),
        (None, Some(decision)) if decision.reason == Reason::NotConfirmed => {
            let figures = refuted.map_or(String::new(), |figures| format!(": {figures}"));
            let reason = format!("{}{figures}", decision.reason);
            Ok(Some(draft.clone().settle(decision.outcome.into(), &reason)))
        }
        _ => Ok(None),
    }
}

/// Whether a file holds values and no code: a script can be part of what is read when a program
/// runs, and is none of the built program.
fn holds_values(path: &str) -> bool {
    const KINDS: [&str; 6] = ["toml", "json", "yaml", "yml", "ini", "cfg"];
    let kind = path
        .rsplit_once('.')
        .map(|(_, kind)| kind.to_ascii_lowercase());
    kind.is_some_and(|kind| KINDS.contains(&&*kind))
}

/// Whether both runs of a seed may go at once: the workload says how many threads it takes, and
/// there are twice as many cores.
fn room_for_both(config: &WorkloadConfig) -> bool {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    config.threads.is_some_and(|threads| 2 * threads <= cores)
}
