//! AdamW on the CPU: one pass over parameter, gradient and both moments, in place.

use super::Rule;
use crate::real::Real;
use crate::simd::vectorised;
use rayon::prelude::*;

/// Elements that one task updates; four arrays of that length pass through the cache.
pub const ADAMW_ELEMENTS_PER_TASK: usize = 8192;

/// Updates `parameter`, `m` and `v` (all of one length) in place.
pub fn update<T: Real>(parameter: &mut [T], grad: &[T], m: &mut [T], v: &mut [T], rule: &Rule) {
    let constants = Constants::of(rule);
    parameter
        .par_chunks_mut(ADAMW_ELEMENTS_PER_TASK)
        .zip(grad.par_chunks(ADAMW_ELEMENTS_PER_TASK))
        .zip(m.par_chunks_mut(ADAMW_ELEMENTS_PER_TASK))
        .zip(v.par_chunks_mut(ADAMW_ELEMENTS_PER_TASK))
        .for_each(|(((parameter, grad), m), v)| {
            vectorised(
                #[inline(always)]
                || update_task(parameter, grad, m, v, &constants),
            );
        });
}

/// The rule with everything that does not depend on the element computed once, in f64. The CUDA
/// kernel takes it as it is.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Constants<T> {
    keep_m: T,
    take_m: T,
    keep_v: T,
    take_v: T,
    keep_parameter: T,
    rate: T,
    inverse_v_correction: T,
    epsilon: T,
}

impl<T: Real> Constants<T> {
    pub(super) fn of(rule: &Rule) -> Self {
        let correction = |beta: f64| 1.0 - beta.powf(rule.step as f64);
        Self {
            keep_m: T::from_f64(rule.beta1),
            take_m: T::from_f64(1.0 - rule.beta1),
            keep_v: T::from_f64(rule.beta2),
            take_v: T::from_f64(1.0 - rule.beta2),
            keep_parameter: T::from_f64(1.0 - rule.learning_rate * rule.weight_decay),
            rate: T::from_f64(rule.learning_rate / correction(rule.beta1)),
            inverse_v_correction: T::from_f64(1.0 / correction(rule.beta2)),
            epsilon: T::from_f64(rule.epsilon),
        }
    }
}

#[inline(always)]
fn update_task<T: Real>(
    parameter: &mut [T],
    grad: &[T],
    m: &mut [T],
    v: &mut [T],
    c: &Constants<T>,
) {
    let state = m.iter_mut().zip(v);
    for ((parameter, &grad), (m, v)) in parameter.iter_mut().zip(grad).zip(state) {
        *m = c.keep_m * *m + c.take_m * grad;
        *v = c.keep_v * *v + c.take_v * grad * grad;
        let scale = (*v * c.inverse_v_correction).sqrt() + c.epsilon;
        *parameter = c.keep_parameter * *parameter - c.rate * *m / scale;
    }
}
