//! The trained parameters: how far each tensor is from the base's, as a share of how far training
//! moved it.

use outpace_record::Check;
use outpace_text::plain;
use rayon::prelude::*;

use super::checkpoint::{self, Distances, Tensors, distances, structure};
use super::training::{Checkpoint, Trained};
use super::{ENVELOPE, Envelope, NOT_COMPARED, PARAMETER_ROUNDING};
use crate::guards::line;

/// The most that a detail says.
const DETAIL_CHARS: usize = 200;
/// And never by more than this share of their update.
const LARGEST_PARAMETER: f64 = 0.25;

/// Compares what both trained; nothing where the base saves no checkpoint.
pub(super) fn compare_parameters(
    initial: Option<&Checkpoint>,
    base: &Trained,
    again: &Trained,
    envelope: Envelope,
    candidate: &Trained,
) -> Option<Check> {
    let paths = (initial?.path(), base.checkpoint.as_ref()?.path());
    let (Some(start), Some(ours)) = (checkpoint::read(paths.0), checkpoint::read(paths.1)) else {
        let why = "the checkpoint of the base is no safetensors file";
        return Some(line("parameters", format!("{NOT_COMPARED}: {why}")));
    };
    let again = again.checkpoint.as_ref();
    let again = again.and_then(|saved| checkpoint::read(saved.path()));
    let theirs = candidate.checkpoint.as_ref();
    let Some(theirs) = theirs.and_then(|saved| checkpoint::read_untrusted(saved.path())) else {
        return Some(check(
            "the checkpoint of the candidate cannot be read".into(),
        ));
    };
    let compared = structure(&start, &ours, &theirs).and_then(|structure| match structure.fault {
        Some(fault) => Ok(check(format!("checkpoint: {fault}"))),
        None => {
            let mut found = worst_parameter(&start, &ours, again.as_ref(), envelope, &theirs)?;
            let others = [(&structure.gone, "gone"), (&structure.new, "new")];
            for (names, what) in others.iter().filter(|(names, _)| !names.is_empty()) {
                found.detail += &format!("; {what}: {}", some_of(names));
            }
            Ok(found)
        }
    });
    let compared = compared.unwrap_or_else(|error| check(format!("checkpoint: {error}")));
    Some(Check {
        detail: plain(&compared.detail, DETAIL_CHARS),
        ..compared
    })
}

/// One without figures that did not pass.
fn check(detail: String) -> Check {
    Check {
        name: "parameters".into(),
        passed: false,
        value: None,
        allowed: None,
        detail,
    }
}

/// The first name, and how many more there are.
fn some_of(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first, others @ ..] => format!("{first} and {} more", others.len()),
    }
}

/// Distance of each tensor from the base's, as a share of how far training moved it. A tensor that
/// the base itself does not repeat is not compared: a bias without a gradient, say, which Adam
/// moves by the signs of rounding.
pub(super) fn worst_parameter(
    start: &Tensors,
    ours: &Tensors,
    again: Option<&Tensors>,
    envelope: Envelope,
    theirs: &Tensors,
) -> std::io::Result<Check> {
    let least = envelope.least_parameter();
    let (mut worst, mut worst_share) = ((String::new(), 0.0, least), -1.0);
    let mut not_repeated = Vec::new();
    let all = |name: String| {
        let found = distances(&name, ours, [Some(start), again, Some(theirs)])?;
        Ok((name, found))
    };
    let all: std::io::Result<Vec<_>> = ours.names().into_par_iter().map(all).collect();
    for (name, Distances { norm, others }) in all? {
        let [start, again, theirs] = others;
        let update = start.unwrap_or(norm).max(f64::MIN_POSITIVE);
        if theirs.is_none() && start == Some(0.0) {
            // No parameter, and gone.
            continue;
        }
        // A tensor that hardly moves is compared with the rounding of its own values instead.
        let update = update.max(f64::from(f32::EPSILON) * norm / PARAMETER_ROUNDING);
        let diverged = again.unwrap_or(0.0) / update;
        if diverged.is_nan() || diverged > LARGEST_PARAMETER {
            not_repeated.push(name);
            continue;
        }
        let allowed = (ENVELOPE * diverged).clamp(least, LARGEST_PARAMETER);
        let value = theirs.unwrap_or(f64::INFINITY) / update;
        if (value / allowed).is_nan() || value / allowed > worst_share {
            (worst, worst_share) = ((name, value, allowed), value / allowed);
        }
    }
    let (name, value, allowed) = worst;
    let mut detail = match name.is_empty() {
        true => NOT_COMPARED.to_owned(),
        false => format!("{name} differs by {value:.1e} of its update (allowed {allowed:.1e})"),
    };
    if !not_repeated.is_empty() {
        detail += &format!("; the base does not repeat {}", some_of(&not_repeated));
    }
    Ok(Check {
        passed: value <= allowed,
        value: value.is_finite().then_some(value),
        allowed: Some(allowed),
        ..check(detail)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use outpace_process::{Context, Launcher};
    use safetensors::tensor::{Dtype, TensorView};

    use super::*;
    use crate::check::checkpoint::tests::tensors;
    use crate::check::tests::{PERTURBED, REPEATED};
    use crate::check::training::tests::checkpoint;

    #[test]
    fn a_frozen_tensor_is_found() {
        let tensors = |a: f32, b: f32| tensors(&[("a", vec![a; 2]), ("b", vec![b; 2])]);
        let worst = |start: &_, ours: &_, moved, theirs: &_| {
            worst_parameter(start, ours, moved, PERTURBED, theirs).unwrap()
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
            let envelope = if moved.is_some() { PERTURBED } else { REPEATED };
            let moved = one(moved.unwrap_or(1.0));
            let (start, ours) = (one(0.0), one(1.0));
            let found = worst_parameter(&start, &ours, Some(&moved), envelope, &one(theirs));
            let found = found.unwrap();
            assert_eq!(found.passed, passes, "{}", found.detail);
        };
        check(Some(1.01), 1.039, true);
        check(Some(1.01), 1.041, false);
        // Never less than rounding, and never more than a quarter of the update.
        check(Some(1.0), 1.000_09, true);
        check(Some(1.0), 1.000_11, false);
        check(Some(1.2), 1.249, true);
        check(Some(1.2), 1.251, false);
        // A base that cannot perturb and repeats itself: ten times rounding.
        check(None, 1.000_9, true);
        check(None, 1.001_1, false);
    }

    #[test]
    fn a_tensor_that_hardly_moves_is_compared_with_the_rounding_of_its_values() {
        let one = |value: f32| tensors(&[("a", vec![value])]);
        let worst = |theirs: f32| {
            let still = one(1.0);
            worst_parameter(&still, &still, Some(&still), PERTURBED, &one(theirs)).unwrap()
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
            PERTURBED,
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
            let found =
                compare_parameters(initial.as_ref(), &base, &base, REPEATED, &candidate).unwrap();
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
        assert!(compare_parameters(None, &good(), &good(), REPEATED, &good()).is_none());
        let initial = good().checkpoint;
        assert!(compare_parameters(initial.as_ref(), &none, &none, REPEATED, &good()).is_none());
        check(good(), none, (false, "cannot be read"));
    }

    #[test]
    fn a_tensor_that_the_base_does_not_repeat_is_not_compared_and_named() {
        let two = |a: f32, b: f32| tensors(&[("a", vec![a]), ("b", vec![b])]);
        let worst = |again: f32, theirs: [f32; 2]| {
            let (start, ours) = (two(0.0, 0.0), two(1.0, 1.0));
            let (again, theirs) = (two(1.0, again), two(theirs[0], theirs[1]));
            worst_parameter(&start, &ours, Some(&again), PERTURBED, &theirs).unwrap()
        };
        let found = worst(1.5, [1.0, -1.0]);
        assert!(
            found.passed && found.detail.ends_with("the base does not repeat b"),
            "{found:?}"
        );
        assert!(!worst(1.5, [0.0, 1.0]).passed);
        assert!(!worst(1.2, [1.0, -1.0]).passed);
    }

    #[test]
    fn what_comes_and_goes_besides_parameters_is_said() {
        let start = ["sh"].map(Into::into);
        let launcher = Launcher::new(start.into(), Arc::default());
        let context = Context::new(launcher).unwrap();
        let saved = |named: &[(&str, f32)]| {
            let bytes: Vec<[u8; 4]> = named.iter().map(|(_, value)| value.to_le_bytes()).collect();
            let views = named.iter().zip(&bytes).map(|((name, _), bytes)| {
                (*name, TensorView::new(Dtype::F32, vec![1], bytes).unwrap())
            });
            saved_as(&context, &safetensors::serialize(views, None).unwrap())
        };
        let initial = saved(&[("a", 0.0), ("mask", 1.0)]);
        let base = saved(&[("a", 1.0), ("mask", 1.0)]);
        let check = |theirs: &Trained| {
            let initial = initial.checkpoint.as_ref();
            compare_parameters(initial, &base, &base, PERTURBED, theirs).unwrap()
        };
        let found = check(&saved(&[("a", 1.0), ("table", 2.0)]));
        assert!(found.passed, "{found:?}");
        assert!(
            found.detail.ends_with("; gone: mask; new: table"),
            "{found:?}"
        );
        let found = check(&saved(&[("mask", 1.0)]));
        assert!(!found.passed, "{found:?}");
    }

    fn saved_as(context: &Context, bytes: &[u8]) -> Trained {
        Trained {
            losses: Vec::new(),
            checkpoint: Some(checkpoint(context, bytes)),
            wall_s: 1.0,
        }
    }
}
