//! The validation loss, as the base's evaluator computes it from both checkpoints, and what it probes
//! besides.

use outpace_process::{Context, Subject};
use outpace_record::Check;

use super::training::Checkpoint;
use super::{ENVELOPE, LARGEST_RELATIVE, ROUNDING, WITHOUT_ENVELOPE};
use crate::guards::at_most;
use crate::{Side, SideError, evaluate};

/// A validation loss below the entropy of the text is proof of cheating; this many standard errors of slack, at one nat
/// standard deviation a token.
const FLOOR_ERRORS: f64 = 5.0;
/// Sums of probabilities and losses of the past may be off by this much.
const PROBE: f64 = 1e-3;

pub(super) fn compare_validation(
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
