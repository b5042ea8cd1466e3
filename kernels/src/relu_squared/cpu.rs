//! ReLU squared on the CPU: memory-bound, so cut into pieces that a core streams through.

use crate::real::Real;
use crate::simd::vectorised;
use rayon::prelude::*;

/// Elements that one task handles. Small pieces stay in the first cache and balance; large ones cost fewer hand-overs between threads.
pub const RELU_SQUARED_ELEMENTS_PER_TASK: usize = 16384;

/// `max(x, 0)^2`.
pub fn forward<T: Real>(x: &[T]) -> Vec<T> {
    let mut y = vec![T::zero(); x.len()];
    y.par_chunks_mut(RELU_SQUARED_ELEMENTS_PER_TASK)
        .zip(x.par_chunks(RELU_SQUARED_ELEMENTS_PER_TASK))
        .for_each(|(y, x)| {
            vectorised(
                #[inline(always)]
                || {
                    for (y, &x) in y.iter_mut().zip(x) {
                        let positive = rectified(x);
                        *y = positive * positive;
                    }
                },
            );
        });
    y
}

/// `2 max(x, 0) grad`.
pub fn backward<T: Real>(x: &[T], grad: &[T]) -> Vec<T> {
    let mut grad_x = vec![T::zero(); x.len()];
    grad_x
        .par_chunks_mut(RELU_SQUARED_ELEMENTS_PER_TASK)
        .zip(x.par_chunks(RELU_SQUARED_ELEMENTS_PER_TASK))
        .zip(grad.par_chunks(RELU_SQUARED_ELEMENTS_PER_TASK))
        .for_each(|((grad_x, x), grad)| {
            vectorised(
                #[inline(always)]
                || {
                    for ((out, &x), &g) in grad_x.iter_mut().zip(x).zip(grad) {
                        let positive = rectified(x);
                        *out = (positive + positive) * g;
                    }
                },
            );
        });
    grad_x
}

/// `max(x, 0)`, except that `max` would turn NaN into 0 and hide it.
#[inline(always)]
fn rectified<T: Real>(x: T) -> T {
    if x < T::zero() { T::zero() } else { x }
}
