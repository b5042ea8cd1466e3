//! One candidate on one workload: builds, correctness, trial, verdict.

use std::time::Instant;

use outpace_record::{
    Event, GateRequest, Kind, Observer, Protocol, Role, Track, Verdict, WorkloadConfig,
};
use outpace_trial::{
    CheckOutcome, Evaluator, Executor, SameModel, Settings, Side, SideError, Trainees,
    check_same_model, executor, plausible, run_trial,
};

use crate::anchor::{anchor, refuse_stale, stored_baseline};
use crate::begin::begin_test;
use crate::build::Built;
use crate::candidate::{Candidate, Spent};
use crate::harness::{building, done};
use crate::loss::{Sides, judge_loss};
use crate::verdict::{Draft, reason_of};
use crate::verify::run_verify;
use crate::{GateError, Harness};

/// Sets the draws of the correctness check apart from those of the trial.
const CHECK_SEED: u64 = 0x5EED;

/// What one workload is judged with.
#[derive(Clone, Copy)]
struct Builds<'a> {
    base: &'a Built,
    candidate: &'a Built,
    anchor: Option<&'a Built>,
}

pub(crate) fn judge_workload(
    harness: &mut Harness<'_>,
    candidate: &Candidate<'_>,
    name: &str,
    spent: &mut Spent,
    observer: &mut dyn Observer,
) -> Result<Verdict, GateError> {
    let config = harness.workload(name)?;
    let mut draft = harness.draft(candidate, name)?;
    if config.track == Track::TimeToLoss && candidate.request.rule.margin.is_some() {
        return Err(GateError::Usage(format!(
            "{name}: the time-to-loss track does not judge `not-slower`. Hint: leave out \
             `--require`, or name a workload of the throughput track"
        )));
    }
    let aa = candidate.request.aa;
    if candidate.patch.only_comments() && !aa {
        return Ok(draft.settle(Kind::Same, "only comments and blanks differ"));
    }
    // Before anything is built: a damaged one would end the merge after the whole trial.
    let class = harness.machine.class();
    let baseline = stored_baseline(harness.repo, &candidate.base.tree, &class, name)?;
    refuse_stale(harness.repo, baseline.as_ref())?;
    let base = harness.build_base(name, &candidate.base, observer)?;
    let built = match build_candidate(harness, candidate, name, spent, observer)? {
        Ok(built) => built,
        Err(reason) => return Ok(draft.settle(Kind::Rejected, &reason)),
    };
    draft.set_artefacts(&base.identity, &built.identity);
    let same = base.identity == built.identity;
    observer.on(&Event::ArtefactsCompared {
        workload: name.to_owned(),
        same,
    });
    let timed_for_nothing = config.track == Track::Throughput && base.program == built.program;
    // Who has said what is read knows that these files are.
    if !same && !config.build.is_empty() && timed_for_nothing && config.reads_all() {
        observer.on(&Event::Note {
            text: format!(
                "{name}: the built program is the same, and other files of the tree differ. If it \
                 does not read them when it runs, `reads` in outpace.toml says so, and nothing is \
                 timed"
            ),
        });
    }
    let judged = if same && !aa {
        Ok(draft.settle(Kind::Same, equal_artefacts(config)))
    } else if let Some(target) = config.loss_target() {
        let sides = Sides {
            base: &base,
            candidate: &built,
        };
        judge_loss(harness, candidate, draft, sides, target, spent, observer)
    } else {
        anchor(harness, &candidate.base, name, baseline.as_ref(), observer).and_then(|anchor| {
            let builds = Builds {
                base: &base,
                candidate: &built,
                anchor: anchor.as_ref(),
            };
            compare(harness, candidate, draft, builds, spent, observer)
        })
    };
    built.discard();
    judged.map_err(|error| harness.advised(&candidate.base.tree, error))
}

/// The inner error says why the patch is refused.
fn build_candidate(
    harness: &Harness<'_>,
    candidate: &Candidate<'_>,
    name: &str,
    spent: &mut Spent,
    observer: &mut dyn Observer,
) -> Result<Result<Built, String>, GateError> {
    let config = harness.workload(name)?;
    observer.on(&building(name, Role::Candidate));
    let builder = &harness.builder;
    match builder.candidate(name, config, &candidate.tree, observer) {
        Ok(built) => {
            spent.build_s += built.build_s;
            observer.on(&done(name, Role::Candidate, built.build_s));
            Ok(Ok(built))
        }
        Err(error) if error.is_cancelled() => Err(GateError::Interrupted(Vec::new())),
        Err(error) if error.is_patch() => {
            observer.on(&done(name, Role::Candidate, 0.0));
            let reason = reason_of(&error.to_string());
            Ok(Err(format!("does not build: {reason}")))
        }
        Err(error) => Err(GateError::Environment(format!(
            "the candidate cannot be built: {error}"
        ))),
    }
}

fn equal_artefacts(config: &WorkloadConfig) -> &'static str {
    if config.build.is_empty() {
        "the artefacts are equal: the patch changes nothing that `reads` of the workload names"
    } else {
        "the artefacts are equal"
    }
}

fn compare(
    harness: &Harness<'_>,
    candidate: &Candidate<'_>,
    mut draft: Draft,
    builds: Builds<'_>,
    spent: &mut Spent,
    observer: &mut dyn Observer,
) -> Result<Verdict, GateError> {
    let name = draft.workload().to_owned();
    let config = harness.workload(&name)?;
    let subjects = [&builds.base.run, &builds.candidate.run];
    let (data, before) = harness.data(builds.base)?;
    let (context, protocol) = (harness.context, config.protocol);
    let mut executor = executor(context, protocol, config.gpu, subjects, observer)
        .map_err(|error| GateError::of_base(&name, &error))?;
    let begin = Instant::now();
    let checked = correctness(harness, candidate.request, &name, builds, observer);
    spent.check_s += begin.elapsed().as_secs_f64();
    let outcome = match checked {
        Ok(outcome) => outcome,
        Err(error) => return draft.of_failure(&error.attributed(&mut *executor)),
    };
    draft.set_checks(&outcome);
    draft.add_check(data);
    observer.on(&Event::CheckEnded {
        workload: name.clone(),
        steps: config.check_steps,
        checks: outcome.checks.clone(),
    });
    if let Some(fault) = outcome.fault() {
        let reason = fault.detail.clone();
        if builds.base.identity == builds.candidate.identity {
            return Err(GateError::Environment(format!(
                "{name}: the base does not repeat itself at equal seeds: {reason}\n\
                 Hint: draw everything from `model_seed` and `data_seed`. Atomic additions on a GPU, \
                 and schedules that follow the clock instead of the step, make losses differ too"
            )));
        }
        return Ok(draft.settle(Kind::Rejected, &reason));
    }
    spent.timed = true;
    let same_model = (protocol == Protocol::Steps).then(|| SameModel {
        evaluator: builds.base.evaluate.clone().map(|subject| Evaluator {
            context: context.clone(),
            subject,
        }),
    });
    let settings = Settings {
        same_model,
        ..begin_test(harness, candidate, &mut draft, spent, observer)?
    };
    let earlier = spent.before.as_ref().map(|(_, record)| &**record);
    let verdict = time(
        harness,
        draft,
        &settings,
        earlier,
        &mut *executor,
        &outcome,
        observer,
    )?;
    harness.unchanged(&name, builds.base, &before)?;
    Ok(verdict)
}

/// `before` is the record that the trial goes on from.
fn time(
    harness: &Harness<'_>,
    mut draft: Draft,
    settings: &Settings,
    before: Option<&str>,
    executor: &mut dyn Executor,
    checked: &CheckOutcome,
    observer: &mut dyn Observer,
) -> Result<Verdict, GateError> {
    match run_trial(executor, settings, observer) {
        Ok(mut trial) => {
            if let Some(before) = before {
                draft.goes_on_from(before, &settings.earlier);
            }
            // What a step costs is what the base says; how long it took was measured.
            if let (Some(flops), Some(tokens)) = (checked.flops_per_token, trial.tokens_per_s) {
                let reached = [flops * tokens.base, flops * tokens.candidate];
                trial.checks.extend(plausible(&harness.machine, reached));
            }
            draft.of_trial(trial)
        }
        Err(error) => draft.of_failure(&error),
    }
}

fn correctness(
    harness: &Harness<'_>,
    request: &GateRequest,
    name: &str,
    builds: Builds<'_>,
    observer: &mut dyn Observer,
) -> Result<CheckOutcome, SideError> {
    let config = &harness.config.workload[name];
    let trainees = Trainees {
        base: &builds.base.run,
        candidate: &builds.candidate.run,
        anchor: builds.anchor.map(|anchor| &anchor.run),
        evaluator: builds.base.evaluate.as_ref(),
    };
    let (context, steps) = (harness.context, config.check_steps);
    // A seed of its own: the timing's draws stay the same whatever the check draws.
    let seed = request.seed ^ CHECK_SEED;
    let mut outcome = match config.protocol {
        Protocol::Steps => check_same_model(context, &trainees, name, steps, seed, observer)?,
        Protocol::Process => CheckOutcome::default(),
    };
    if let Some(verify) = &builds.candidate.verify {
        let failed = |(side, error): (Side, _)| SideError::Side { side, error };
        outcome
            .checks
            .push(run_verify(context, verify).map_err(failed)?);
    }
    Ok(outcome)
}
