//! The number types that operations compute in, and the vector loops that all of them share.

use candle_core::WithDType;

/// f32 (training) or f64 (gradient checks).
pub trait Real: WithDType + std::ops::Neg<Output = Self> + std::iter::Sum {
    /// e to the power of `self`.
    fn exp(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
}

impl Real for f32 {
    fn exp(self) -> Self {
        f32::exp(self)
    }
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
}

impl Real for f64 {
    fn exp(self) -> Self {
        f64::exp(self)
    }
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
}

/// Independent accumulators of a reduction. Floating-point addition may not be reordered by the compiler, so a loop with one
/// accumulator stays scalar; this many fill vector registers. More hide the latency of the addition, too many spill.
pub const REDUCTION_LANES: usize = 8;

/// Sum of `f(a, b)` over two slices of equal length, in a fixed order.
#[inline(always)]
pub(crate) fn reduce2<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> T {
    debug_assert_eq!(a.len(), b.len());
    let mut lanes = [T::zero(); REDUCTION_LANES];
    let (a_body, a_tail) = a.as_chunks::<REDUCTION_LANES>();
    let (b_body, b_tail) = b.as_chunks::<REDUCTION_LANES>();
    for (x, y) in a_body.iter().zip(b_body) {
        for lane in 0..REDUCTION_LANES {
            lanes[lane] += f(x[lane], y[lane]);
        }
    }
    let tail: T = a_tail.iter().zip(b_tail).map(|(&x, &y)| f(x, y)).sum();
    lanes.into_iter().sum::<T>() + tail
}

/// Inner product.
#[inline(always)]
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    reduce2(a, b, |x, y| x * y)
}

/// `y += scale * x`.
#[inline(always)]
pub(crate) fn add_scaled<T: Real>(y: &mut [T], scale: T, x: &[T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += scale * x;
    }
}

/// The largest element; negative infinity for an empty slice. NaN is skipped: callers exponentiate what they compare, so it comes back.
pub(crate) fn largest<T: Real>(values: &[T]) -> T {
    let start = T::from_f64(f64::NEG_INFINITY);
    values.iter().fold(
        start,
        |best, &value| if value > best { value } else { best },
    )
}
