//! ReLU squared on the CPU: memory-bound, so cut into pieces that a core streams through.

use crate::real::Real;
use crate::tasks::filled;

/// Elements that one task handles. Small pieces stay in the first cache and balance; large ones
/// cost fewer hand-overs between threads.
pub const RELU_SQUARED_ELEMENTS_PER_TASK: usize = 16384;

/// `max(x, 0)^2`.
pub fn forward<T: Real>(x: &[T]) -> Vec<T> {
    filled(
        x.len(),
        RELU_SQUARED_ELEMENTS_PER_TASK,
        #[inline(always)]
        |first, y| {
            for (y, &x) in y.iter_mut().zip(&x[first..]) {
                let positive = rectified(x);
                *y = positive * positive;
            }
        },
    )
}

/// `2 max(x, 0) grad`.
///
/// # Panics
/// When the lengths differ.
pub fn backward<T: Real>(x: &[T], grad: &[T]) -> Vec<T> {
    assert_eq!(x.len(), grad.len(), "a gradient an element");
    filled(
        x.len(),
        RELU_SQUARED_ELEMENTS_PER_TASK,
        #[inline(always)]
        |first, grad_x| {
            let inputs = x[first..].iter().zip(&grad[first..]);
            for (out, (&x, &g)) in grad_x.iter_mut().zip(inputs) {
                let positive = rectified(x);
                *out = (positive + positive) * g;
            }
        },
    )
}

/// `max(x, 0)`, except that `max` would turn NaN into 0 and hide it.
#[inline(always)]
fn rectified<T: Real>(x: T) -> T {
    if x < T::zero() { T::zero() } else { x }
}
