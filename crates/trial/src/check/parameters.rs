//! The trained parameters: how far each tensor is from the base's, as a share of how far training
//! moved it.

use outpace_record::Check;
use outpace_text::plain;
use rayon::prelude::*;

use super::checkpoint::{self, Distances, Tensors, distances, structure_difference};
use super::training::{Checkpoint, Trained};
use super::{ENVELOPE, NOT_COMPARED};

/// Parameters may differ by this share of their update even if the envelope is smaller: sums in
/// another order.
const PARAMETER_ROUNDING: f64 = 1e-4;
/// And never by more than this share of their update.
const LARGEST_PARAMETER: f64 = 0.25;

pub(super) fn compare_parameters(
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
pub(super) fn worst_parameter(
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use outpace_process::{Context, Launcher};
    use safetensors::tensor::{Dtype, TensorView};

    use super::*;
    use crate::check::checkpoint::tests::tensors;
    use crate::check::training::tests::checkpoint;

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

    #[test]
    fn a_parameter_may_be_off_by_four_times_the_envelope_within_limits() {
        // Training moves each number of two by 1, so that distances are shares of the update.
        let one = |value: f32| tensors(&[("a", vec![value, 0.0])]);
        let check = |moved: Option<f32>, theirs: f32, passes: bool| {
            let moved = moved.map(one);
            let found = worst_parameter(&one(0.0), &one(1.0), moved.as_ref(), &one(theirs));
            let found = found.unwrap();
            assert_eq!(found.passed, passes, "{}", found.detail);
        };
        check(Some(1.01), 1.039, true);
        check(Some(1.01), 1.041, false);
        // Never less than rounding, and never more than a quarter of the update.
        check(Some(1.0), 1.000_09, true);
        check(Some(1.0), 1.000_11, false);
        check(Some(1.5), 1.249, true);
        check(Some(1.5), 1.251, false);
        // Without an envelope ten times rounding.
        check(None, 1.000_9, true);
        check(None, 1.001_1, false);
    }

    #[test]
    fn a_tensor_that_hardly_moves_is_compared_with_the_rounding_of_its_values() {
        let one = |value: f32| tensors(&[("a", vec![value])]);
        let worst = |theirs: f32| {
            let still = one(1.0);
            worst_parameter(&still, &still, Some(&still), &one(theirs)).unwrap()
        };
        assert!(worst(1.0 - f32::EPSILON / 2.0).passed);
        assert!(!worst(1.0 + 2.0 * f32::EPSILON).passed);
    }

    #[test]
    fn the_tensor_that_is_furthest_from_what_is_allowed_is_named() {
        let of = |all: [f32; 3]| {
            let named = ["a", "b", "c"].into_iter().zip(all);
            tensors(&named.map(|(n, v)| (n, vec![v])).collect::<Vec<_>>())
        };
        let found = worst_parameter(
            &of([0.0; 3]),
            &of([1.0; 3]),
            Some(&of([1.1, 1.001, 1.1])),
            &of([1.2, 1.02, 1.1]),
        );
        let found = found.unwrap();
        assert!(found.detail.starts_with("b differs"), "{}", found.detail);
        assert!((found.value.unwrap() - 0.02).abs() < 1e-5, "{found:?}");
        assert!((found.allowed.unwrap() - 0.004).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn a_checkpoint_that_cannot_be_compared_fails_unless_it_is_the_bases() {
        let start = ["sh"].map(Into::into);
        let launcher = Launcher::new(start.into(), Arc::default());
        let context = Context::new(launcher).unwrap();
        let saved = |name: &str, values: &[f32]| {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            let view = TensorView::new(Dtype::F32, vec![values.len()], &bytes).unwrap();
            let file = safetensors::serialize([(name, view)], None).unwrap();
            saved_as(&context, &file)
        };
        let prose = || saved_as(&context, b"no tensors at all");
        let good = || saved("a", &[1.0]);
        let check = |base: Trained, candidate: Trained, expected: (bool, &str)| {
            let initial = saved("a", &[0.0]).checkpoint;
            let found = compare_parameters(initial.as_ref(), &base, None, &candidate).unwrap();
            assert_eq!(found.passed, expected.0, "{}", found.detail);
            assert!(found.detail.contains(expected.1), "{}", found.detail);
        };
        check(good(), good(), (true, "a differs by 0"));
        check(good(), saved("a", &[2.0]), (false, "a differs by 1"));
        check(prose(), good(), (true, NOT_COMPARED));
        check(good(), prose(), (false, "cannot be read"));
        check(good(), saved("b", &[1.0]), (false, "tensor a is missing"));
        check(good(), saved("a", &[1.0; 2]), (false, "has shape [2]"));
        let none = Trained {
            checkpoint: None,
            ..good()
        };
        assert!(compare_parameters(None, &good(), None, &good()).is_none());
        let initial = good().checkpoint;
        assert!(compare_parameters(initial.as_ref(), &none, None, &good()).is_none());
        check(good(), none, (false, "cannot be read"));
    }

    fn saved_as(context: &Context, bytes: &[u8]) -> Trained {
        Trained {
            losses: Vec::new(),
            checkpoint: Some(checkpoint(context, bytes)),
            wall_s: 1.0,
        }
    }
}
