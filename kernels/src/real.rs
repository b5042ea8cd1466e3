//! The number types that operations compute in, and the vector loops that all of them share.

use crate::tile::Product;
use candle_core::WithDType;

/// f32 (training) or f64 (gradient checks).
pub trait Real: WithDType + std::ops::Neg<Output = Self> + std::iter::Sum {
    /// e to the power of `self`.
    fn exp(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Adds a product to its `out`.
    fn add_product(product: Product<'_, Self>);
}

impl Real for f32 {
    #[inline(always)]
    fn exp(self) -> Self {
        f32::exp(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn add_product(product: Product<'_, Self>) {
        pulp::Arch::new().dispatch(product);
    }
}

impl Real for f64 {
    fn exp(self) -> Self {
        f64::exp(self)
    }
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    fn add_product(product: Product<'_, Self>) {
        product.add_plainly();
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

/// The sum, in a fixed order.
#[inline(always)]
pub(crate) fn sum<T: Real>(values: &[T]) -> T {
    reduce2(values, values, |x, _| x)
}

/// The largest element; negative infinity for an empty slice. NaN is skipped: callers exponentiate what they compare, so it comes back.
#[inline(always)]
pub(crate) fn largest<T: Real>(values: &[T]) -> T {
    let larger = |best: T, value: T| if value > best { value } else { best };
    let mut lanes = [T::from_f64(f64::NEG_INFINITY); REDUCTION_LANES];
    let (body, tail) = values.as_chunks::<REDUCTION_LANES>();
    for chunk in body {
        for lane in 0..REDUCTION_LANES {
            lanes[lane] = larger(lanes[lane], chunk[lane]);
        }
    }
    let all = lanes.into_iter().chain(tail.iter().copied());
    all.fold(T::from_f64(f64::NEG_INFINITY), larger)
}

/// Replaces each value by `exp(value - largest)` and returns the largest and the sum. Shifted, because exp overflows f32 at 89.
#[inline(always)]
pub(crate) fn exponentiate<T: Real>(values: &mut [T]) -> (T, T) {
    let largest = largest(values);
    for value in values.iter_mut() {
        *value = (*value - largest).exp();
    }
    // Not in the loop above: a sum in order would keep it from being vectorised.
    (largest, sum(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_is_found_at_every_place_and_beside_nan() {
        for n in 1..3 * REDUCTION_LANES {
            for place in 0..n {
                let mut values = vec![f32::NAN; n];
                values[place] = -2.0;
                assert_eq!(largest(&values), -2.0, "{place} of {n}");
            }
        }
        assert_eq!(largest::<f32>(&[]), f32::NEG_INFINITY);
    }
}
