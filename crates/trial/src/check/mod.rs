//! "Same model": at fresh seeds, base and candidate train K steps; every loss, the final parameters
//! and the validation loss are compared, and the losses with those of the anchor, which the chain
//! of merges began from. How much divergence is innocent is measured: the base against itself with
//! its initial weights moved by one unit in the last place.

mod at_length;
pub(crate) mod checkpoint;
mod losses;
mod parameters;
mod training;
mod validation;

use outpace_process::{Context, Subject};
use outpace_record::{Check, Event, Observer};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::block::seed;
use crate::{Side, SideError, WorkloadError};
use losses::{allowed_divergence, compare_losses, compare_with_anchor, not_repeated, shares};
use parameters::compare_parameters;
use training::{Declared, train, train_base, warm_up, whole_run};
use validation::compare_validation;

pub(crate) use at_length::compare_at_length;
pub use training::Checkpoint;
pub(crate) use training::{Trained, save};

/// The candidate may diverge this many times as much as the base does from itself
/// (docs/statistics.md) ...
const ENVELOPE: f64 = 4.0;
/// ... and never by more than 1 % of the loss (docs/statistics.md).
const LARGEST_RELATIVE: f64 = 0.01;
/// Below this a difference is rounding of the reported number: 8 units in the last place of an f32.
const ROUNDING: f64 = 8.0 * f32::EPSILON as f64;
/// Parameters may differ by this share of their update even if the envelope is smaller: sums in
/// another order.
const PARAMETER_ROUNDING: f64 = 1e-4;
/// Allowed relative difference of a loss where the workload cannot perturb its weights, over as
/// many steps, so that no envelope is known ...
const WITHOUT_ENVELOPE: f64 = 1e-4;
/// ... and of a parameter, as a share of its update.
const PARAMETER_WITHOUT_ENVELOPE: f64 = 1e-3;
/// Over longer runs it may be more, in proportion.
const WITHOUT_ENVELOPE_STEPS: f64 = 20.0;

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
        flops_per_token: runs.declared.flops_per_token,
    })
}

/// How the base was run a second time: what it does not repeat belongs to the envelope.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope {
    /// With every initial weight moved by one unit in the last place, or as the first time.
    perturbed: bool,
    /// Over so many steps.
    steps: usize,
    /// The largest share by which a loss was not repeated.
    not_repeated: f64,
}

impl Envelope {
    fn new(perturbed: bool, base: &[f64], again: &[f64]) -> Self {
        Self {
            perturbed,
            steps: base.len(),
            not_repeated: shares(base, again).fold(0.0, f64::max),
        }
    }

    /// How far a loss may be at least, as a share of it. What a base does not repeat at equal seeds
    /// is noise: in any step it may be as large as in the worst one.
    fn least_loss(self) -> f64 {
        match self.perturbed {
            true => ROUNDING,
            false => (WITHOUT_ENVELOPE * self.length()).max(ENVELOPE * self.not_repeated),
        }
    }

    /// How far a parameter may be at least, as a share of its update.
    fn least_parameter(self) -> f64 {
        match self.perturbed {
            true => PARAMETER_ROUNDING,
            false => PARAMETER_WITHOUT_ENVELOPE * self.length(),
        }
    }

    fn length(self) -> f64 {
        (self.steps as f64 / WITHOUT_ENVELOPE_STEPS).max(1.0)
    }

    fn how(self) -> &'static str {
        match self.perturbed {
            true => "with every initial weight moved by one unit in the last place",
            false => "at equal seeds",
        }
    }
}

/// The training runs that are compared.
struct Runs {
    /// Losses of the anchor, if there is one; nothing in it where it does not run any more.
    anchor: Option<Result<Vec<f64>, SideError>>,
    theirs: Trained,
    base: Repeated,
    declared: Declared,
}

/// The base's run, and a second one for the envelope.
pub(crate) struct Repeated {
    ours: Trained,
    initial: Option<Checkpoint>,
    again: Trained,
    envelope: Envelope,
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
        // exit is told.
        warm_up(context, trainees.base, [model, data]).map_err(of_base)?;
    }
    // For the same reason before the base, whose files it can neither copy nor change then.
    let theirs = run(trainees.candidate, Side::Candidate, None);
    let (ours, initial, declared) =
        train_base(context, trainees.base, steps, [model, data]).map_err(of_base)?;
    let theirs = theirs?;
    let perturbed = declared.can_perturb;
    let again = run(trainees.base, Side::Base, perturbed.then_some(1))?;
    let envelope = Envelope::new(perturbed, &ours.losses, &again.losses);
    if let Some((step, relative)) = not_repeated(&ours.losses, &again.losses, LARGEST_RELATIVE) {
        return Err(of_base(WorkloadError::NotRepeated {
            step,
            relative,
            allowed: LARGEST_RELATIVE,
            how: envelope.how(),
        }));
    }
    Ok(Runs {
        anchor,
        theirs,
        base: Repeated {
            ours,
            initial,
            again,
            envelope,
        },
        declared,
    })
}

fn of_base(error: WorkloadError) -> SideError {
    SideError::Side {
        side: Side::Base,
        error,
    }
}

fn compare_all(
    context: &Context,
    evaluator: Option<&Subject>,
    runs: &Runs,
    validation: u64,
) -> Result<Vec<Check>, SideError> {
    let Runs { base, theirs, .. } = runs;
    let ours = &base.ours;
    let allowed = allowed_divergence(&ours.losses, &base.again.losses, base.envelope);
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
    let evaluator = evaluator.map(|subject| (context, subject));
    checks.extend(compare_checkpoints(evaluator, base, theirs, validation)?);
    shape_first(&mut checks);
    checks.push(whole_run(&base.again, theirs));
    Ok(checks)
}

/// Another shape, which has no figure, explains all other differences, so it is named first.
fn shape_first(checks: &mut [Check]) {
    checks.sort_by_key(|check| check.passed || check.value.is_some());
}

/// Parameters, and the validation loss where there is an evaluator.
fn compare_checkpoints(
    evaluator: Option<(&Context, &Subject)>,
    base: &Repeated,
    theirs: &Trained,
    validation: u64,
) -> Result<Vec<Check>, SideError> {
    let Repeated { ours, again, .. } = base;
    let Some(own) = &ours.checkpoint else {
        return Ok(Vec::new());
    };
    let other = match &theirs.checkpoint {
        Some(other) if other.is_plain_file() => other,
        Some(_) => return Ok(no_checkpoint("the candidate's checkpoint is no plain file")),
        None => {
            return Ok(no_checkpoint(
                "the candidate wrote no checkpoint, and the base did",
            ));
        }
    };
    let initial = base.initial.as_ref();
    let parameters = compare_parameters(initial, ours, again, base.envelope, theirs);
    let mut checks: Vec<Check> = parameters.into_iter().collect();
    if let Some((context, evaluator)) = evaluator {
        let saved = [Some(own), again.checkpoint.as_ref(), Some(other)];
        checks.extend(compare_validation(
            context,
            evaluator,
            saved,
            base.envelope,
            validation,
        )?);
    }
    Ok(checks)
}

fn no_checkpoint(why: &str) -> Vec<Check> {
    vec![Check {
        name: "checkpoint".into(),
        passed: false,
        value: None,
        allowed: None,
        detail: why.into(),
    }]
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::guards::at_most;

    /// As the check runs it, for programs that can perturb their weights and for others.
    pub(in crate::check) const PERTURBED: Envelope = Envelope {
        perturbed: true,
        steps: 20,
        not_repeated: 0.0,
    };
    pub(in crate::check) const REPEATED: Envelope = Envelope {
        perturbed: false,
        steps: 20,
        not_repeated: 0.0,
    };

    #[test]
    fn another_shape_is_named_before_the_losses_that_it_changes() {
        let losses = || at_most("losses", 2.0, 1.0, "losses differ");
        let first = |value: Option<f64>| {
            let parameters = Check {
                value,
                ..at_most("parameters", 2.0, 1.0, "they differ")
            };
            let mut checks = [losses(), parameters];
            shape_first(&mut checks);
            checks[0].name.clone()
        };
        assert_eq!(first(None), "parameters");
        assert_eq!(first(Some(2.0)), "losses");
    }

    #[test]
    fn without_a_measured_envelope_a_longer_run_may_differ_by_more() {
        let of = |steps, perturbed| Envelope::new(perturbed, &vec![5.0; steps], &vec![5.0; steps]);
        assert_eq!(of(5, false).least_loss(), WITHOUT_ENVELOPE);
        assert_eq!(of(200, false).least_loss(), 10.0 * WITHOUT_ENVELOPE);
        assert_eq!(of(200, true).least_loss(), ROUNDING);
        assert_eq!(of(200, true).least_parameter(), PARAMETER_ROUNDING);
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
