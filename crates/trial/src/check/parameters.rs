//! The trained parameters: how far each tensor is from the base's, as a share of how far training
//! moved it.

use outpace_record::Check;
use outpace_text::plain;
use rayon::prelude::*;

use super::checkpoint::{self, Distances, Tensors, distances, structure_difference};
use super::training::{Checkpoint, Trained};
use super::{ENVELOPE, NOT_COMPARED};

/// Parameters may differ by this share of their update even if the envelope is smaller: sums in another order.
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
    use super::*;
    use crate::check::checkpoint::tests::tensors;

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
