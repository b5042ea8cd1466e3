//! The validation loss, as the base's evaluator computes it from both checkpoints, and what it
//! probes besides.

use outpace_process::{Context, Subject};
use outpace_record::Check;

use super::training::Checkpoint;
use super::{ENVELOPE, Envelope, LARGEST_RELATIVE};
use crate::guards::at_most;
use crate::{Side, SideError, evaluate};

/// A validation loss below the entropy of the text is proof of cheating; this many standard errors
/// of slack, at one nat standard deviation a token.
const FLOOR_ERRORS: f64 = 5.0;
/// Sums of probabilities and losses of the past may be off by this much.
const PROBE: f64 = 1e-3;

pub(super) fn compare_validation(
    context: &Context,
    evaluator: &Subject,
    [base, again, candidate]: [Option<&Checkpoint>; 3],
    envelope: Envelope,
    data_seed: u64,
) -> Result<Vec<Check>, SideError> {
    let run = |saved: &Checkpoint, side| {
        evaluate(context, evaluator, saved.path(), data_seed)
            .map_err(|error| SideError::Side { side, error })
    };
    let (Some(base), Some(candidate)) = (base, candidate) else {
        return Ok(Vec::new());
    };
    let ours = run(base, Side::Base)?;
    // The evaluator is the base's, but a checkpoint that it cannot evaluate is the candidate's
    // fault.
    let theirs = run(candidate, Side::Candidate)?;
    let diverged = match again {
        Some(saved) => (run(saved, Side::Base)?.loss - ours.loss).abs(),
        None => 0.0,
    };
    let allowed = (ENVELOPE * diverged)
        .max(envelope.least_loss() * ours.loss.abs())
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
    use std::sync::Arc;
    use std::time::Duration;

    use outpace_process::Launcher;
    use serde_json::{Value, json};

    use super::*;
    use crate::check::tests::{PERTURBED, REPEATED};
    use crate::check::training::tests::checkpoint;

    /// In the place of the supervisor, which is a program of another package.
    const START: &str = "while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"";

    fn context() -> Context {
        let start = ["sh", "-c", START, "sh"].map(Into::into);
        Context::new(Launcher::new(start.into(), Arc::default())).unwrap()
    }

    /// What it prints of a checkpoint is the checkpoint itself.
    fn evaluator() -> Subject {
        let command = ["sh", "-c", "cat \"$2\"", "sh"].map(Into::into);
        let timeout = Duration::from_secs(60);
        Subject::typed(command.into(), std::env::temp_dir(), timeout)
    }

    fn compared(
        context: &Context,
        base: &Value,
        perturbed: Option<&Value>,
        candidate: &Value,
    ) -> Vec<Check> {
        let saved = |value: &Value| checkpoint(context, value.to_string().as_bytes());
        let (base, candidate) = (saved(base), saved(candidate));
        let envelope = if perturbed.is_some() {
            PERTURBED
        } else {
            REPEATED
        };
        let perturbed = perturbed.map(saved);
        let all = [Some(&base), perturbed.as_ref(), Some(&candidate)];
        compare_validation(context, &evaluator(), all, envelope, 7).unwrap()
    }

    /// A loss of 4 nats, half a nat above the entropy of the text.
    fn evaluation() -> Value {
        json!({
            "loss": 4.0,
            "tokens": 10_000,
            "entropy_floor": 3.5,
            "probability_sum_error": 0.0,
            "causality_error": 0.0,
        })
    }

    fn with(key: &str, value: impl Into<Value>) -> Value {
        let mut all = evaluation();
        all[key] = value.into();
        all
    }

    fn without(key: &str) -> Value {
        let mut all = evaluation();
        all.as_object_mut().unwrap().remove(key);
        all
    }

    fn failing(base: &Value, perturbed: Option<&Value>, candidate: &Value) -> Vec<String> {
        let checks = compared(&context(), base, perturbed, candidate);
        let failed = checks.into_iter().filter(|check| !check.passed);
        failed.map(|check| check.name).collect()
    }

    #[test]
    fn equal_evaluations_pass_every_check() {
        let checks = compared(&context(), &evaluation(), None, &evaluation());
        let names: Vec<&str> = checks.iter().map(|check| &check.name[..]).collect();
        assert_eq!(
            names,
            ["validation", "entropy floor", "probabilities", "causality"]
        );
        assert!(checks.iter().all(|check| check.passed), "{checks:?}");
    }

    #[test]
    fn the_validation_loss_stays_within_the_envelope() {
        let check = |perturbed: Option<f64>, loss: f64, fails: &[&str]| {
            let perturbed = perturbed.map(|loss| with("loss", loss));
            let found = failing(&evaluation(), perturbed.as_ref(), &with("loss", loss));
            assert_eq!(found, fails, "{perturbed:?} {loss}");
        };
        // Four times what the perturbed base shows, in either direction.
        check(Some(4.001), 4.0039, &[]);
        check(Some(4.001), 4.0041, &["validation"]);
        check(Some(3.999), 3.9961, &[]);
        check(Some(3.999), 3.9959, &["validation"]);
        // Never less than rounding, and never more than 1 %.
        check(Some(4.0), 4.000_003, &[]);
        check(Some(4.0), 4.000_005, &["validation"]);
        check(Some(5.0), 4.039, &[]);
        check(Some(5.0), 4.041, &["validation"]);
        // Without a perturbed base a share of the loss.
        check(None, 4.000_39, &[]);
        check(None, 4.000_41, &["validation"]);
    }

    #[test]
    fn a_loss_below_the_entropy_of_the_text_is_refused() {
        // Of 10,000 tokens five standard errors are 0.05 nats.
        let floor = |floor: f64| with("entropy_floor", floor);
        assert_eq!(failing(&floor(3.5), None, &floor(4.049)), [""; 0]);
        assert_eq!(failing(&floor(3.5), None, &floor(4.051)), ["entropy floor"]);
        assert_eq!(
            failing(&floor(3.5), None, &without("entropy_floor")),
            [""; 0]
        );
    }

    #[test]
    fn probabilities_sum_to_one_and_the_future_does_not_change_the_past() {
        for (key, name) in [
            ("probability_sum_error", "probabilities"),
            ("causality_error", "causality"),
        ] {
            let check = |base: &Value, candidate: &Value, fails: &[&str]| {
                assert_eq!(failing(base, None, candidate), fails, "{base} {candidate}");
            };
            check(&evaluation(), &with(key, 1e-3), &[]);
            check(&evaluation(), &with(key, 1.1e-3), &[name]);
            // What the base's checkpoint shows, the candidate's has to show.
            check(&evaluation(), &without(key), &[name]);
            check(&without(key), &without(key), &[]);
        }
    }

    #[test]
    fn a_checkpoint_that_cannot_be_evaluated_is_the_fault_of_its_side() {
        let context = context();
        let good = checkpoint(&context, evaluation().to_string().as_bytes());
        let bad = checkpoint(&context, b"nothing that an evaluator prints");
        let blames = |all: [Option<&Checkpoint>; 3]| {
            let compared = compare_validation(&context, &evaluator(), all, PERTURBED, 7);
            compared.unwrap_err().is_candidate()
        };
        assert!(blames([Some(&good), None, Some(&bad)]));
        assert!(!blames([Some(&bad), None, Some(&good)]));
        assert!(!blames([Some(&good), Some(&bad), Some(&good)]));
        let one_saved = [Some(&good), None, None];
        let compared = compare_validation(&context, &evaluator(), one_saved, PERTURBED, 7).unwrap();
        assert_eq!(compared, []);
    }
}
