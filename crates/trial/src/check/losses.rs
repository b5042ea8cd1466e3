//! Losses step by step: against the base's, and against those of the anchor.

use outpace_record::{ANCHOR_CHECK, Check};

use super::{ENVELOPE, Envelope, LARGEST_RELATIVE};
use crate::guards::line;

/// Over all merges together the candidate may be twice as far from the anchor, so that tolerances
/// are not eaten up one by one.
const BUDGET: f64 = 2.0;
/// A base that is this many budgets away from the anchor did not get there through the gate.
const BY_HAND: f64 = 10.0;

/// The cumulative budget. Where the base itself is another model than the anchor, somebody changed
/// the training by hand, and the budget begins anew: a check without an allowance, which makes this
/// base the anchor of the next baseline.
pub(super) fn compare_with_anchor(
    anchor: Option<&[f64]>,
    base: &[f64],
    candidate: &[f64],
    allowed: &[f64],
) -> Check {
    let times = |factor: f64| allowed.iter().map(|a| factor * a).collect::<Vec<_>>();
    let anew = |why: &str| {
        line(
            ANCHOR_CHECK,
            format!("{why}: the budget counts from the base"),
        )
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

/// How far each step's loss may be from the base's, whose second run `again` is.
pub(super) fn allowed_divergence(base: &[f64], again: &[f64], envelope: Envelope) -> Vec<f64> {
    let mut diverged = 0.0_f64;
    let allowed = base.iter().zip(again).map(|(loss, again)| {
        // What diverged once may stay diverged: the envelope never shrinks.
        diverged = diverged.max((again - loss).abs());
        let least = envelope.least_loss() * loss.abs();
        (ENVELOPE * diverged)
            .max(least)
            .min(LARGEST_RELATIVE * loss.abs())
    });
    allowed.collect()
}

/// The first step at which the base is further from itself than `most`, and how far, both as shares
/// of its loss.
pub(super) fn not_repeated(base: &[f64], again: &[f64], most: f64) -> Option<(usize, f64)> {
    let beyond = |share: &f64| share.is_nan() || *share > most;
    (1..)
        .zip(shares(base, again))
        .find(|(_, share)| beyond(share))
}

/// How far each loss of the second run is from the first, as a share of it.
pub(super) fn shares<'a>(base: &'a [f64], again: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
    let both = base.iter().zip(again);
    both.map(|(loss, again)| (again - loss).abs() / loss.abs())
}

/// Compares step by step; reports the step that is furthest from what is allowed.
pub(super) fn compare_losses(
    name: &str,
    reference: &[f64],
    candidate: &[f64],
    allowed: &[f64],
) -> Check {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::ROUNDING;
    use crate::check::tests::PERTURBED;

    #[test]
    fn losses_are_held_against_the_envelope() {
        let base = [5.0, 4.0, 3.0];
        let moved = [5.0, 4.00001, 3.0];
        let allowed = allowed_divergence(&base, &moved, PERTURBED);
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
            allowed_divergence(&base, &[9.0, 9.0, 9.0], PERTURBED),
            [0.05, 0.04, 0.03],
            "1 % is the most"
        );
    }

    #[test]
    fn what_a_base_that_cannot_perturb_does_not_repeat_belongs_to_its_envelope() {
        let allowed = |again: f64| {
            let (base, again) = ([5.0, 5.0], [5.0, again]);
            let envelope = Envelope::new(false, &base, &again);
            allowed_divergence(&base, &again, envelope)[0]
        };
        assert_eq!(allowed(5.0), 5e-4);
        // Of noise the worst step counts for all.
        assert!((allowed(5.001) - 4e-3).abs() < 1e-9);
        assert_eq!(allowed(9.0), 0.05);
    }

    #[test]
    fn a_base_that_is_further_from_itself_than_a_candidate_may_be_is_noticed() {
        let not_repeated = |base: &[f64], again: &[f64]| not_repeated(base, again, 0.01);
        assert_eq!(not_repeated(&[5.0, 4.0], &[5.049, 4.039]), None);
        let (step, share) = not_repeated(&[5.0, 4.0], &[5.0, 4.05]).unwrap();
        assert!(step == 2 && (share - 0.0125).abs() < 1e-9);
        assert_eq!(not_repeated(&[5.0], &[f64::NAN]).unwrap().0, 1);
    }

    #[test]
    fn what_diverged_once_may_stay_diverged() {
        let allowed = allowed_divergence(&[5.0; 3], &[5.0, 5.001, 5.0], PERTURBED);
        assert_eq!(allowed[0], ROUNDING * 5.0);
        for allowed in &allowed[1..] {
            assert!((allowed - 0.004).abs() < 1e-9, "{allowed}");
        }
    }

    #[test]
    fn the_first_step_that_fails_is_named_or_else_the_one_that_is_furthest() {
        let check = |candidate: [f64; 3], part: &str| {
            let check = compare_losses("losses", &[5.0; 3], &candidate, &[0.1, 0.4, 0.1]);
            assert!(check.detail.contains(part), "{}", check.detail);
            check.value
        };
        check([5.05, 5.1, 5.01], "at step 1 of 3 (allowed 1.0e-1)");
        check([5.05, 5.3, 5.01], "at step 2 of 3 (allowed 4.0e-1)");
        check([5.0, 4.5, 9.0], "by 5.0e-1 at step 2 of 3");
        let value = check([5.0, 5.0, f64::NAN], "at step 3 of 3");
        assert_eq!(value, None);
        let anchor = compare_losses(ANCHOR_CHECK, &[5.0], &[5.0], &[0.1]);
        assert!(anchor.detail.contains("differs from the anchor's by"));
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
}
