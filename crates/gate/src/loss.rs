//! A candidate on the time-to-loss track: the time of a step, then seeds.

use outpace_process::Subject;
use outpace_record::{
    Block, Event, GpuMode, Kind, LossCurve, LossTarget, Observer, Verdict, WorkloadConfig,
    step_time_rule,
};
use outpace_repo::Commit;
use outpace_stats::{
    Decision, Outcome, Reason, Rule, SeedRule, block_log_ratio, mean, standard_error,
};
use outpace_trial::{
    Earlier, Programs, ScreeningRuns, SeedSettings, SeedTrial, Settings, Shapes, Side, SideBySide,
    SideError, Trial, executor, measure_beside, run_base_seeds, run_seeds, run_trial, shapes,
};

use crate::begin::begin_test;
use crate::build::Built;
use crate::candidate::{Candidate, Spent};
use crate::verdict::Draft;
use crate::verify::run_verify;
use crate::{GateError, Harness, unfinished};

/// Blocks that look for a sign that equal programs take different times.
const GUARD_BLOCKS: usize = 4;
/// Pairs in one of them.
const GUARD_PAIRS: usize = 10;
/// A mean that is so much slower, as a log ratio, and by so many of its standard errors, is one. To
/// measure is always valid, and takes minutes.
const GUARD_SLOWER: f64 = -0.005;
const GUARD_ERRORS: f64 = 2.0;
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
    let subjects = [&sides.base.run, &sides.candidate.run];
    let shapes = match shapes(harness.context, subjects, observer) {
        Ok(shapes) => shapes,
        Err(error) => return draft.of_failure(&error),
    };
    let earlier = &settings.earlier;
    // What an earlier trial measured of the time of a step stands: to measure it again and take the
    // better one would be a choice. Of one that was cut off, before its first seed, there is too
    // little to prove anything.
    let time_rule = step_time_rule(settings.rule.alpha, settings.rule.threshold_value());
    let is_whole = !earlier.seeds.is_empty() || earlier.blocks.len() >= time_rule.bound_blocks;
    let stands = |_: &bool| !earlier.blocks.is_empty() && is_whole;
    if let Some(equal) = earlier.equal_steps.filter(stands) {
        target.equal_steps = equal;
        target.confirmed_steps = earlier.confirmed_steps;
        draft.set_target(target);
        draft.keep_step_time(&settings);
        if let Some(reason) = draft.refuted_before() {
            return Ok(draft.settle(reason.outcome().into(), reason.as_str()));
        }
    } else {
        // A sign that they are not, once seen, is not drawn again.
        let seen = earlier.equal_steps == Some(false);
        let equal = !seen && only_values(config, candidate, sides) && same_shapes(shapes);
        match step_time(harness, &settings, config, subjects, equal, observer) {
            Ok(StepTime::Equal(looked)) => {
                target.equal_steps = true;
                draft.set_target(target);
                draft.add_look(*looked);
            }
            Ok(StepTime::Measured(trial)) => {
                let faster = |d: Decision| d.outcome == Outcome::Faster;
                target.confirmed_steps = trial.decision.is_some_and(faster);
                draft.set_target(target);
                let unconfirmed = |d: Decision| d.reason == Reason::NotConfirmed;
                if trial.fault().is_some() || trial.decision.is_none_or(unconfirmed) {
                    return draft.of_step_time(*trial);
                }
                draft.add_blocks(*trial);
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
        parallel: room_for_both(config, !harness.machine.gpus.is_empty()),
        shapes,
        blocks: draft.blocks().to_vec(),
        earlier: settings.earlier.seeds.clone(),
        max_s: settings.max_s,
    };
    let mut measured = draft.clone();
    if let Some((_, record)) = &spent.before {
        measured.goes_on_from(record, &settings.earlier);
    }
    let (repo, test) = (harness.repo, spent.test.clone());
    let mut keep = |trial: &SeedTrial| {
        if let (Some(test), Some(verdict)) = (&test, measured.unfinished(trial)) {
            // What cannot be kept is lost with a kill only.
            let _ = unfinished::keep(repo, test, &verdict);
        }
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
        &mut keep,
        observer,
    );
    harness.screening.insert(key, screening);
    let verdict = match ran {
        Err(error) => draft.of_failure(&error)?,
        Ok(trial) => measured.of_seeds(trial)?,
    };
    let unchanged = harness.unchanged(&name, sides.base, &before);
    if let (Err(_), Some(test)) = (&unchanged, &spent.test) {
        // Nothing goes on from what was measured with other data.
        unfinished::forget(harness.repo, test);
    }
    unchanged?;
    Ok(verdict)
}

/// Runs of a base to its loss, and whether a trial runs both sides of a seed at once.
#[derive(Debug)]
pub struct BaseSeeds {
    /// One a seed.
    pub curves: Vec<LossCurve>,
    /// The loss.
    pub target: LossTarget,
    /// Both sides run at once.
    pub parallel: bool,
}

impl Harness<'_> {
    /// Runs of a base to its loss on fresh seeds; nothing where the workload is of the other track.
    ///
    /// # Errors
    /// It does not build or run, or the user asked to stop.
    pub fn measure_seeds(
        &mut self,
        workload: &str,
        base: &Commit,
        seeds: usize,
        seed: u64,
        observer: &mut dyn Observer,
    ) -> Result<Option<BaseSeeds>, GateError> {
        let config = self.workload(workload)?;
        let Some(target) = config.loss_target() else {
            return Ok(None);
        };
        let built = self.build_base(workload, base, observer)?;
        let failed = |error: SideError| GateError::of_side(workload, &error);
        let programs = Programs {
            base: &built.run,
            candidate: &built.run,
            text: built.text.as_ref().expect("checked with the configuration"),
        };
        let shapes = shapes(self.context, [&built.run; 2], observer).map_err(failed)?;
        let parallel = room_for_both(config, !self.machine.gpus.is_empty());
        let settings = SeedSettings {
            workload: workload.to_owned(),
            rule: SeedRule::from(&Rule::default()),
            target,
            seed,
            parallel,
            shapes,
            blocks: Vec::new(),
            earlier: Vec::new(),
            max_s: self.config.gate.max_seconds,
        };
        let curves = run_base_seeds(self.context, programs, &settings, seeds, observer);
        Ok(Some(BaseSeeds {
            curves: curves.map_err(failed)?,
            target,
            parallel,
        }))
    }
}

/// Whether both sides are the same program, and only files of values differ: a script can be part
/// of what is read when a program runs, and is none of the built program. Where nothing is built,
/// the files are the program.
fn only_values(config: &WorkloadConfig, candidate: &Candidate<'_>, sides: Sides<'_>) -> bool {
    let mut files = candidate.patch.files.iter();
    (config.build.is_empty() || sides.base.program == sides.candidate.program)
        && files.all(|file| holds_values(&file.path))
}

fn same_shapes([base, candidate]: [Shapes; 2]) -> bool {
    base.parameters.is_some() && base == candidate
}

fn step_time(
    harness: &Harness<'_>,
    settings: &Settings,
    config: &WorkloadConfig,
    subjects: [&Subject; 2],
    equal: bool,
    observer: &mut dyn Observer,
) -> Result<StepTime, SideError> {
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
        rule: step_time_rule(settings.rule.alpha, settings.rule.threshold_value()),
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
        if !takes_longer(&ratios) {
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

fn takes_longer(ratios: &[f64]) -> bool {
    let most = mean(ratios) + GUARD_ERRORS * standard_error(ratios);
    most <= GUARD_SLOWER || most.is_nan()
}

/// Whether a file holds values and no code.
fn holds_values(path: &str) -> bool {
    const KINDS: [&str; 6] = ["toml", "json", "yaml", "yml", "ini", "cfg"];
    let kind = path
        .rsplit_once('.')
        .map(|(_, kind)| kind.to_ascii_lowercase());
    kind.is_some_and(|kind| KINDS.contains(&&*kind))
}

/// Whether both runs of a seed may go at once: the workload says how many threads it takes, and
/// there are twice as many cores. What it takes of a GPU it does not say.
fn room_for_both(config: &WorkloadConfig, has_gpus: bool) -> bool {
    if has_gpus && config.gpu != GpuMode::None {
        return false;
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    config.threads.is_some_and(|threads| 2 * threads <= cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_take_longer_beyond_the_noise_of_the_blocks() {
        assert!(!takes_longer(&[0.0, 0.0, 0.0, 0.0]));
        assert!(takes_longer(&[-0.02, -0.021, -0.019, -0.02]));
        assert!(!takes_longer(&[-0.05, 0.03, -0.04, 0.02]), "noise");
        assert!(takes_longer(&[-0.05, -0.03, -0.04, -0.05]));
        assert!(!takes_longer(&[0.05, 0.03, 0.04, 0.05]), "faster");
        assert!(takes_longer(&[f64::NAN, 0.0, 0.0, 0.0]));
    }

    #[test]
    fn both_runs_of_a_seed_never_share_a_gpu() {
        let config = |gpu: &str| {
            let text = format!(
                "version = 1\n[workload.w]\nrun = [\"true\"]\nthreads = 1\ngpu = \"{gpu}\"\n\
                 [policy]\neditable = [\"a\"]\n"
            );
            outpace_record::parse_config(&text, "outpace.toml")
                .unwrap()
                .workload["w"]
                .clone()
        };
        assert!(!room_for_both(&config("auto"), true));
        let cores = std::thread::available_parallelism().unwrap().get();
        assert_eq!(room_for_both(&config("auto"), false), cores >= 2);
        assert_eq!(room_for_both(&config("none"), true), cores >= 2);
    }
}
