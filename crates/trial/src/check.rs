//! "Same model": at fresh seeds, base and candidate train K steps; every loss, the final parameters and the validation loss
//! are compared, and the losses with those of the revision that the ratchet began from. What divergence is innocent is measured: the base against itself with its initial weights moved by one
//! unit in the last place.

use std::path::PathBuf;

use outpace_record::{ANCHOR_CHECK, Check, plain};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use rayon::prelude::*;

use crate::checkpoint::{self, Distances, Tensors, distances, structure_difference};
use crate::peer::Peer;
use crate::trial::{at_most, seed};
use crate::{Context, Event, Observer, PeerError, Scratch, Side, SideError, Subject, evaluate};

/// The candidate may diverge this many times as much as the base does from itself (docs/statistics.md) ...
const ENVELOPE: f64 = 4.0;
/// ... and never by more than 1 % of the loss (docs/statistics.md).
const LARGEST_RELATIVE: f64 = 0.01;
/// Over all merges together the candidate may be twice as far from the anchor, so that tolerances are not eaten up one by one.
const BUDGET: f64 = 2.0;
/// A base that is this many budgets away from the anchor did not get there through the gate.
const BY_HAND: f64 = 10.0;
/// A whole run may take half as long again as the base's plus half a second.
const WHOLE_RUN_FACTOR: f64 = 1.5;
const WHOLE_RUN_SLACK_S: f64 = 0.5;
/// Below this a difference is rounding of the reported number: 8 units in the last place of an f32.
const ROUNDING: f64 = 8.0 * f32::EPSILON as f64;
/// Allowed relative difference where the workload cannot perturb its weights, so that no envelope is known.
const WITHOUT_ENVELOPE: f64 = 1e-4;
/// Parameters may differ by this share of their update even if the envelope is smaller: sums in another order.
const PARAMETER_ROUNDING: f64 = 1e-4;
/// And never by more than this share of their update.
const LARGEST_PARAMETER: f64 = 0.25;
/// A validation loss below the entropy of the text is proof of cheating; this many standard errors of slack, at one nat
/// standard deviation a token.
const FLOOR_ERRORS: f64 = 5.0;
/// Sums of probabilities and losses of the past may be off by this much.
const PROBE: f64 = 1e-3;

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

struct Trained {
    losses: Vec<f64>,
    checkpoint: Option<Checkpoint>,
    /// Seconds from its start to its exit.
    wall_s: f64,
}

/// A saved file, deleted with its folder.
struct Checkpoint {
    folder: Scratch,
}

impl Checkpoint {
    fn path(&self) -> PathBuf {
        self.folder.path().join("checkpoint.safetensors")
    }
}

/// Trains base, perturbed base, candidate and anchor for `steps` steps and compares them.
///
/// # Errors
/// A side failed; see [`SideError::is_candidate`]. Wrong results are no error but a check that did not pass.
pub fn check_same_model(
    context: &Context,
    trainees: &Trainees<'_>,
    workload: &str,
    steps: u32,
    seed_of_check: u64,
    observer: &mut dyn Observer,
) -> Result<CheckOutcome, SideError> {
    observer.on(&Event::Checking { workload, steps });
    let mut rng = ChaCha20Rng::seed_from_u64(seed_of_check);
    let (model, data, validation) = (seed(&mut rng), seed(&mut rng), seed(&mut rng));
    let run = |subject, side, perturb| {
        train(context, subject, steps, [model, data], perturb)
            .map_err(|error| SideError::Side { side, error })
    };
    // Before the candidate, which could make it fail, and only what says that it cannot run any more is believed. Of its run only the losses are
    // kept: a candidate must not find a checkpoint that it could hand in as its own.
    let anchor = match trainees.anchor.map(|anchor| run(anchor, Side::Base, None)) {
        Some(Err(error)) if !error.is_own_end() => return Err(error),
        other => other.map(|ran| ran.map(|trained| trained.losses)),
    };
    if anchor.is_none() {
        // The first program finds nothing in the page cache, and the candidate's time from start to exit counts.
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

    let allowed = allowed_divergence(&ours.losses, perturbed.as_ref().map(|p| &p.losses[..]));
    let mut checks = vec![compare_losses(
        "losses",
        &ours.losses,
        &theirs.losses,
        &allowed,
    )];
    if let Some(anchor) = anchor {
        let losses = anchor.as_ref().ok().map(|losses| &losses[..]);
        checks.push(compare_with_anchor(
            losses,
            &ours.losses,
            &theirs.losses,
            &allowed,
        ));
    }
    checks.extend(compare_parameters(
        initial.as_ref(),
        &ours,
        perturbed.as_ref(),
        &theirs,
    ));
    if let (Some(evaluator), Some(own), Some(other)) =
        (trainees.evaluator, &ours.checkpoint, &theirs.checkpoint)
    {
        let moved = perturbed.as_ref().and_then(|p| p.checkpoint.as_ref());
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
    checks.push(whole_run(perturbed.as_ref().unwrap_or(&ours), &theirs));
    Ok(CheckOutcome {
        checks,
        model_seeds: vec![model],
        data_seeds: vec![data, validation],
        flops_per_token: base.flops_per_token,
    })
}

/// The cumulative budget. Where the base itself is another model than the anchor, somebody changed the training by hand, and
/// the budget begins anew: a check without an allowance, which makes this base the anchor of the next baseline.
fn compare_with_anchor(
    anchor: Option<&[f64]>,
    base: &[f64],
    candidate: &[f64],
    allowed: &[f64],
) -> Check {
    let times = |factor: f64| allowed.iter().map(|a| factor * a).collect::<Vec<_>>();
    let anew = |why: &str| Check {
        name: ANCHOR_CHECK.into(),
        passed: true,
        value: None,
        allowed: None,
        detail: format!("{why}: the budget counts from the base"),
    };
    match anchor {
        None => anew("the anchor does not run any more"),
        Some(anchor)
            if !compare_losses(ANCHOR_CHECK, anchor, base, &times(BY_HAND * BUDGET)).passed =>
        {
            anew("the base trains another model than the anchor")
        }
        Some(anchor) => {
            // Where the base stands already, a candidate may stand too.
            let stands = anchor.iter().zip(base).map(|(a, b)| (a - b).abs());
            let limit: Vec<f64> = times(BUDGET)
                .into_iter()
                .zip(stands)
                .map(|(l, s)| l.max(s))
                .collect();
            compare_losses(ANCHOR_CHECK, anchor, candidate, &limit)
        }
    }
}

/// Work that is moved before the first step, into saving or behind the last one shows in the time from start to exit.
fn whole_run(base: &Trained, candidate: &Trained) -> Check {
    let allowed = WHOLE_RUN_FACTOR * base.wall_s + WHOLE_RUN_SLACK_S;
    at_most(
        "whole run",
        candidate.wall_s,
        allowed,
        "seconds from start to exit, checkpoint saved",
    )
}

/// What the base says of itself.
struct Said {
    can_perturb: bool,
    flops_per_token: Option<f64>,
}

/// The base's run, with a checkpoint of its first moment.
fn train_base(
    context: &Context,
    subject: &Subject,
    steps: u32,
    seeds: [u64; 2],
) -> Result<(Trained, Option<Checkpoint>, Said), PeerError> {
    let mut peer = Peer::start(context, subject)?;
    let said = Said {
        can_perturb: peer.can("perturb"),
        flops_per_token: peer.hello.flops_per_token,
    };
    peer.begin(seeds[0], seeds[1], None)?;
    let initial = save(context, &mut peer)?;
    let trained = finish(context, peer, steps)?;
    Ok((trained, initial, said))
}

/// One step, of which nothing is kept.
fn warm_up(context: &Context, subject: &Subject, seeds: [u64; 2]) -> Result<(), PeerError> {
    let mut peer = Peer::start(context, subject)?;
    peer.begin(seeds[0], seeds[1], None)?;
    peer.step(1)?;
    peer.stop()?;
    Ok(())
}

fn train(
    context: &Context,
    subject: &Subject,
    steps: u32,
    seeds: [u64; 2],
    perturb: Option<u32>,
) -> Result<Trained, PeerError> {
    let mut peer = Peer::start(context, subject)?;
    peer.begin(seeds[0], seeds[1], perturb)?;
    finish(context, peer, steps)
}

fn finish(context: &Context, mut peer: Peer, steps: u32) -> Result<Trained, PeerError> {
    let mut losses = Vec::new();
    for _ in 0..steps {
        losses.extend(peer.step(1)?.1);
    }
    let checkpoint = save(context, &mut peer)?;
    let (wall_s, _) = peer.stop()?;
    Ok(Trained {
        losses,
        checkpoint,
        wall_s,
    })
}

fn save(context: &Context, peer: &mut Peer) -> Result<Option<Checkpoint>, PeerError> {
    if !peer.can("save") {
        return Ok(None);
    }
    let folder = context
        .fresh_scratch()
        .map_err(|source| PeerError::System {
            what: "cannot make a scratch folder",
            source,
        })?;
    let checkpoint = Checkpoint { folder };
    peer.save(&checkpoint.path())?;
    Ok(Some(checkpoint))
}

/// How far each step's loss may be from the base's.
fn allowed_divergence(base: &[f64], perturbed: Option<&[f64]>) -> Vec<f64> {
    let mut envelope = 0.0_f64;
    let allowed = base.iter().enumerate().map(|(step, loss)| {
        let measured = match perturbed {
            Some(moved) => {
                // What diverged once may stay diverged: the envelope never shrinks.
                envelope = envelope.max((moved[step] - loss).abs());
                (ENVELOPE * envelope).max(ROUNDING * loss.abs())
            }
            None => WITHOUT_ENVELOPE * loss.abs(),
        };
        measured.min(LARGEST_RELATIVE * loss.abs())
    });
    allowed.collect()
}

/// Compares step by step; reports the step that is furthest from what is allowed.
fn compare_losses(name: &str, reference: &[f64], candidate: &[f64], allowed: &[f64]) -> Check {
    let (mut worst, mut worst_share) = ((0, 0.0, 0.0), -1.0);
    for (step, ((r, c), allowed)) in reference.iter().zip(candidate).zip(allowed).enumerate() {
        let difference = (r - c).abs();
        let share = difference / allowed;
        let fails = difference.is_nan() || difference > *allowed;
        if fails || share > worst_share {
            (worst, worst_share) = ((step + 1, difference, *allowed), share);
        }
        if fails {
            break;
        }
    }
    let (step, difference, allowed) = worst;
    let from = if name == ANCHOR_CHECK {
        " from the anchor's"
    } else {
        ""
    };
    Check {
        name: name.into(),
        passed: difference <= allowed,
        value: difference.is_finite().then_some(difference),
        allowed: Some(allowed),
        detail: format!(
            "loss differs{from} by {difference:.1e} at step {step} of {} (allowed {allowed:.1e})",
            reference.len()
        ),
    }
}

fn compare_parameters(
    initial: Option<&Checkpoint>,
    base: &Trained,
    perturbed: Option<&Trained>,
    candidate: &Trained,
) -> Option<Check> {
    let paths = (initial?.path(), base.checkpoint.as_ref()?.path());
    let (Some(start), Some(ours)) = (checkpoint::read(&paths.0), checkpoint::read(&paths.1)) else {
        return Some(Check {
            name: "parameters".into(),
            passed: true,
            value: None,
            allowed: None,
            detail: format!("{NOT_COMPARED}: the checkpoint of the base is no safetensors file"),
        });
    };
    let moved = perturbed.and_then(|p| checkpoint::read(&p.checkpoint.as_ref()?.path()));
    let theirs = candidate
        .checkpoint
        .as_ref()
        .and_then(|saved| checkpoint::read_untrusted(&saved.path()));
    let broken = |detail: String| {
        Some(Check {
            name: "parameters".into(),
            passed: false,
            value: None,
            allowed: None,
            detail: plain(&detail, 200),
        })
    };
    let Some(theirs) = theirs else {
        return broken("the checkpoint of the candidate cannot be read".into());
    };
    if let Some(difference) = structure_difference(&ours, &theirs) {
        return broken(format!("checkpoint: {difference}"));
    }
    worst_parameter(&start, &ours, moved.as_ref(), &theirs)
        .map_or_else(|error| broken(format!("checkpoint: {error}")), Some)
}

/// Distance of each tensor from the base's, as a share of how far training moved it.
fn worst_parameter(
    start: &Tensors,
    ours: &Tensors,
    moved: Option<&Tensors>,
    theirs: &Tensors,
) -> std::io::Result<Check> {
    let (mut worst, mut worst_share) = ((String::new(), 0.0, PARAMETER_ROUNDING), -1.0);
    let all = |name: String| {
        let found = distances(&name, ours, [Some(start), moved, Some(theirs)])?;
        Ok((name, found))
    };
    let all: std::io::Result<Vec<_>> = ours.names().into_par_iter().map(all).collect();
    for (name, Distances { norm, others }) in all? {
        let [start, moved, theirs] = others;
        let update = start.unwrap_or(norm).max(f64::MIN_POSITIVE);
        // A tensor that hardly moves is compared with the rounding of its own values instead.
        let update = update.max(f64::from(f32::EPSILON) * norm / PARAMETER_ROUNDING);
        let envelope = match moved {
            Some(moved) => ENVELOPE * moved / update,
            None => 10.0 * PARAMETER_ROUNDING,
        };
        let allowed = envelope.clamp(PARAMETER_ROUNDING, LARGEST_PARAMETER);
        let value = theirs.unwrap_or(f64::INFINITY) / update;
        if (value / allowed).is_nan() || value / allowed > worst_share {
            (worst, worst_share) = ((name, value, allowed), value / allowed);
        }
    }
    let (name, value, allowed) = worst;
    Ok(Check {
        name: "parameters".into(),
        passed: value <= allowed,
        value: value.is_finite().then_some(value),
        allowed: Some(allowed),
        detail: plain(
            &format!("{name} differs by {value:.1e} of its update (allowed {allowed:.1e})"),
            200,
        ),
    })
}

fn compare_validation(
    context: &Context,
    evaluator: &Subject,
    [base, perturbed, candidate]: [Option<&Checkpoint>; 3],
    data_seed: u64,
) -> Result<Vec<Check>, SideError> {
    let run = |saved: &Checkpoint, side| {
        evaluate(context, evaluator, &saved.path(), data_seed)
            .map_err(|error| SideError::Side { side, error })
    };
    let (Some(base), Some(candidate)) = (base, candidate) else {
        return Ok(Vec::new());
    };
    let ours = run(base, Side::Base)?;
    // The evaluator is the base's, but a checkpoint that it cannot evaluate is the candidate's fault.
    let theirs = run(candidate, Side::Candidate)?;
    let envelope = match perturbed {
        Some(saved) => ENVELOPE * (run(saved, Side::Base)?.loss - ours.loss).abs(),
        None => WITHOUT_ENVELOPE * ours.loss.abs(),
    };
    let allowed = envelope
        .max(ROUNDING * ours.loss.abs())
        .min(LARGEST_RELATIVE * ours.loss.abs());
    let difference = (ours.loss - theirs.loss).abs();
    let mut checks = vec![Check {
        name: "validation".into(),
        passed: difference <= allowed,
        value: Some(difference),
        allowed: Some(allowed),
        detail: format!(
            "validation {:.4} against {:.4} nats a token: differs by {difference:.1e} (allowed {allowed:.1e})",
            theirs.loss, ours.loss
        ),
    }];
    if let Some(floor) = theirs.entropy_floor {
        let lowest = floor - FLOOR_ERRORS / (theirs.tokens as f64).sqrt();
        checks.push(Check {
            name: "entropy floor".into(),
            passed: theirs.loss >= lowest,
            value: Some(theirs.loss),
            allowed: Some(lowest),
            detail: format!(
                "validation {:.4} nats, entropy of the text {floor:.4}",
                theirs.loss
            ),
        });
    }
    let probes = [
        (
            "probabilities",
            ours.probability_sum_error,
            theirs.probability_sum_error,
            "largest distance of a sum of probabilities from 1",
        ),
        (
            "causality",
            ours.causality_error,
            theirs.causality_error,
            "largest change of a past loss when the future changes",
        ),
    ];
    // What the base's checkpoint shows, the candidate's must show.
    checks.extend(probes.into_iter().filter_map(|(name, ours, theirs, what)| {
        ours?;
        Some(at_most(name, theirs.unwrap_or(f64::NAN), PROBE, what))
    }));
    Ok(checks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::tests::tensors;

    #[test]
    fn losses_are_held_against_the_envelope() {
        let base = [5.0, 4.0, 3.0];
        let moved = [5.0, 4.00001, 3.0];
        let allowed = allowed_divergence(&base, Some(&moved));
        let check = |candidate: [f64; 3], passes: bool| {
            let check = compare_losses("losses", &base, &candidate, &allowed);
            assert_eq!(check.passed, passes, "{candidate:?}: {}", check.detail);
        };
        check(base, true);
        check([5.000001, 4.00003, 3.00003], true);
        check([5.00001, 4.0, 3.0], false);
        check([5.0, 4.0, 3.0001], false);
        check([5.0, f64::NAN, 3.0], false);
        check([5.0, 4.0, f64::INFINITY], false);
        assert_eq!(
            allowed_divergence(&base, Some(&[9.0, 9.0, 9.0])),
            [0.05, 0.04, 0.03],
            "1 % is the most"
        );
        assert_eq!(allowed_divergence(&[5.0], None), [5e-4]);
    }

    #[test]
    fn the_budget_counts_from_the_anchor_until_the_base_is_changed_by_hand() {
        let (base, allowed) = ([5.0, 4.0], [1e-4, 1e-4]);
        let check = |anchor: Option<&[f64]>, candidate: [f64; 2]| {
            let check = compare_with_anchor(anchor, &base, &candidate, &allowed);
            (check.passed, check.allowed.is_some())
        };
        assert_eq!(check(Some(&[5.0001, 4.0001]), [4.9999, 4.0]), (true, true));
        assert_eq!(check(Some(&[5.00015, 4.0]), [4.9999, 4.0]), (false, true));
        assert_eq!(check(Some(&[5.1, 4.0]), [5.0, 4.0]), (true, false));
        assert_eq!(check(None, [5.0, 4.0]), (true, false));
    }

    #[test]
    fn a_frozen_tensor_is_found() {
        let tensors = |a: f32, b: f32| tensors(&[("a", vec![a; 2]), ("b", vec![b; 2])]);
        let worst = |start: &_, ours: &_, moved, theirs: &_| {
            worst_parameter(start, ours, moved, theirs).unwrap()
        };
        let (start, ours, moved) = (
            tensors(1.0, 1.0),
            tensors(1.1, 0.9),
            tensors(1.1 + 1e-7, 0.9),
        );
        assert!(worst(&start, &ours, Some(&moved), &tensors(1.1 + 2e-7, 0.9)).passed);
        let frozen = worst(&start, &ours, Some(&moved), &tensors(1.1, 1.0));
        assert!(
            !frozen.passed && frozen.detail.starts_with("b differs"),
            "{}",
            frozen.detail
        );
        assert!(!worst(&start, &ours, None, &tensors(f32::NAN, 0.9)).passed);
    }
}
