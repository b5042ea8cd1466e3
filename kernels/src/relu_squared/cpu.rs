//! ReLU squared on the CPU, element by element.

use crate::real::Real;

/// `max(x, 0)^2`.
pub fn forward<T: Real>(x: &[T]) -> Vec<T> {
    let square = |&x: &T| rectified(x) * rectified(x);
    x.iter().map(square).collect()
}

/// `2 max(x, 0) grad`.
pub fn backward<T: Real>(x: &[T], grad: &[T]) -> Vec<T> {
    let slope = |(&x, &g): (&T, &T)| (rectified(x) + rectified(x)) * g;
    x.iter().zip(grad).map(slope).collect()
}

/// `max(x, 0)`, except that `max` would turn NaN into 0 and hide it.
fn rectified<T: Real>(x: T) -> T {
    if x < T::zero() { T::zero() } else { x }
}
