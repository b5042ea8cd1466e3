//! "Same model": at fresh seeds, base and candidate train K steps; every loss, the final parameters
//! and the validation loss are compared, and the losses with those of the anchor, which the chain
//! of merges began from. How much divergence is innocent is measured: the base against itself with
//! its initial weights moved by one unit in the last place.

mod checkpoint;
mod losses;
mod parameters;
mod training;
mod validation;

use outpace_process::{Context, Subject};
use outpace_record::{Check, Event, Observer};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::block::seed;
use crate::guards::at_most;
use crate::{Side, SideError};
use losses::{allowed_divergence, compare_losses, compare_with_anchor};
use parameters::compare_parameters;
use training::{Checkpoint, Declared, Trained, train, train_base, warm_up, whole_run};
use validation::compare_validation;

/// The candidate may diverge this many times as much as the base does from itself
/// (docs/statistics.md) ...
const ENVELOPE: f64 = 4.0;
/// ... and never by more than 1 % of the loss (docs/statistics.md).
const LARGEST_RELATIVE: f64 = 0.01;
/// Below this a difference is rounding of the reported number: 8 units in the last place of an f32.
const ROUNDING: f64 = 8.0 * f32::EPSILON as f64;
/// Allowed relative difference where the workload cannot perturb its weights, so that no envelope
/// is known.
const WITHOUT_ENVELOPE: f64 = 1e-4;

/// How the detail of a check begins that could not be made.
pub const NOT_COMPARED: &str = "not compared";

/// What the check found.
#[derive(Debug, Clone, Default)]
pub struct CheckOutcome {
    /// Every check with its figures.
    pub checks: Vec<Check>,
    /// Model seeds it drew.
    pub model_seeds: Vec<u64>,
    /// Data seeds it drew.
    pub data_seeds: Vec<u64>,
    /// Floating-point operations of a token, as the base states them.
    pub flops_per_token: Option<f64>,
}

impl CheckOutcome {
    /// The first check that failed.
    pub fn fault(&self) -> Option<&Check> {
        self.checks.iter().find(|check| !check.passed)
    }
}

/// Who trains.
#[derive(Debug, Clone, Copy)]
pub struct Trainees<'a> {
    /// The revision that stands.
    pub base: &'a Subject,
    /// The one that wants to replace it.
    pub candidate: &'a Subject,
    /// Where the ratchet began on this machine class, if that is not the base.
    pub anchor: Option<&'a Subject>,
    /// The base's evaluator.
    pub evaluator: Option<&'a Subject>,
}

/// Trains base, perturbed base, candidate and anchor for `steps` steps and compares them.
///
/// # Errors
/// A side failed; see [`SideError::is_candidate`]. Wrong results are no error but a check that did
/// not pass.
pub fn check_same_model(
    context: &Context,
    trainees: &Trainees<'_>,
    workload: &str,
    steps: u32,
    seed_of_check: u64,
    observer: &mut dyn Observer,
) -> Result<CheckOutcome, SideError> {
    observer.on(&Event::CheckStarted {
        workload: workload.to_owned(),
        steps,
    });
    let mut rng = ChaCha20Rng::seed_from_u64(seed_of_check);
    let (model, data, validation) = (seed(&mut rng), seed(&mut rng), seed(&mut rng));
    let runs = train_all(context, trainees, steps, [model, data])?;
    Ok(CheckOutcome {
        checks: compare_all(context, trainees.evaluator, &runs, validation)?,
        model_seeds: vec![model],
        data_seeds: vec![data, validation],
        flops_per_token: runs.base.flops_per_token,
    })
}

/// The training runs that are compared.
struct Runs {
    /// Losses of the anchor, if there is one; nothing in it where it does not run any more.
    anchor: Option<Result<Vec<f64>, SideError>>,
    theirs: Trained,
    ours: Trained,
    initial: Option<Checkpoint>,
    base: Declared,
    perturbed: Option<Trained>,
}

fn train_all(
    context: &Context,
    trainees: &Trainees<'_>,
    steps: u32,
    [model, data]: [u64; 2],
) -> Result<Runs, SideError> {
    let run = |subject, side, perturb| {
        train(context, subject, steps, [model, data], perturb)
            .map_err(|error| SideError::Side { side, error })
    };
    // Before the candidate, which could make it fail, and only what says that it cannot run any
    // more is believed. Of its run only the losses are kept: a candidate must not find a checkpoint
    // that it could hand in as its own.
    let anchor = match trainees.anchor.map(|anchor| run(anchor, Side::Base, None)) {
        Some(Err(error)) if !error.is_own_end() => return Err(error),
        other => other.map(|ran| ran.map(|trained| trained.losses)),
    };
    if anchor.is_none() {
        // The first program finds nothing in the page cache, and the candidate's time from start to
        // exit counts.
        warm_up(context, trainees.base, [model, data]).map_err(|error| SideError::Side {
            side: Side::Base,
            error,
        })?;
    }
    // For the same reason before the base, whose files it can neither copy nor change then.
    let theirs = run(trainees.candidate, Side::Candidate, None);
    let (ours, initial, base) =
        train_base(context, trainees.base, steps, [model, data]).map_err(|error| {
            SideError::Side {
                side: Side::Base,
                error,
            }
        })?;
    let theirs = theirs?;
    let perturbed = base
        .can_perturb
        .then(|| run(trainees.base, Side::Base, Some(1)))
        .transpose()?;
    Ok(Runs {
        anchor,
        theirs,
        ours,
        initial,
        base,
        perturbed,
    })
}

fn compare_all(
    context: &Context,
    evaluator: Option<&Subject>,
    runs: &Runs,
    validation: u64,
) -> Result<Vec<Check>, SideError> {
    let Runs { ours, theirs, .. } = runs;
    let perturbed = runs.perturbed.as_ref();
    let allowed = allowed_divergence(&ours.losses, perturbed.map(|p| &p.losses[..]));
    let mut checks = vec![compare_losses(
        "losses",
        &ours.losses,
        &theirs.losses,
        &allowed,
    )];
    if let Some(anchor) = &runs.anchor {
        let losses = anchor.as_ref().ok().map(|losses| &losses[..]);
        checks.push(compare_with_anchor(
            losses,
            &ours.losses,
            &theirs.losses,
            &allowed,
        ));
    }
    let parameters = compare_parameters(runs.initial.as_ref(), ours, perturbed, theirs);
    add_parameters(&mut checks, parameters);
    if let (Some(evaluator), Some(own), Some(other)) =
        (evaluator, &ours.checkpoint, &theirs.checkpoint)
    {
        let moved = perturbed.and_then(|p| p.checkpoint.as_ref());
        checks.extend(compare_validation(
            context,
            evaluator,
            [Some(own), moved, Some(other)],
            validation,
        )?);
    }
    if ours.checkpoint.is_some() && theirs.checkpoint.is_none() {
        checks.push(at_most(
            "checkpoint",
            f64::NAN,
            0.0,
            "the candidate wrote none, the base did",
        ));
    }
    checks.push(whole_run(perturbed.unwrap_or(ours), theirs));
    Ok(checks)
}

/// Another shape, which has no figure, explains all other differences, so it is named first.
fn add_parameters(checks: &mut Vec<Check>, parameters: Option<Check>) {
    match parameters {
        Some(check) if !check.passed && check.value.is_none() => checks.insert(0, check),
        check => checks.extend(check),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_shape_is_named_before_the_losses_that_it_changes() {
        let losses = || at_most("losses", 2.0, 1.0, "losses differ");
        let first = |value: Option<f64>| {
            let mut checks = vec![losses()];
            let parameters = Check {
                value,
                ..at_most("parameters", 2.0, 1.0, "they differ")
            };
            add_parameters(&mut checks, Some(parameters));
            checks[0].name.clone()
        };
        assert_eq!(first(None), "parameters");
        assert_eq!(first(Some(2.0)), "losses");
    }

    #[test]
    fn the_fault_is_the_first_check_that_failed() {
        let check = |name: &str, value: f64| at_most(name, value, 1.0, "what");
        let outcome = |checks: Vec<Check>| CheckOutcome {
            checks,
            ..CheckOutcome::default()
        };
        let all = outcome(vec![check("a", 1.0), check("b", 2.0), check("c", 3.0)]);
        assert_eq!(all.fault().unwrap().name, "b");
        assert_eq!(outcome(vec![check("a", 1.0)]).fault(), None);
    }
}
