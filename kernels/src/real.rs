//! The number types that operations compute in, and the vector loops that all of them share.

use crate::tile::{BLOCK, Product};
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
        exp_f32(self)
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

/// Independent accumulators of a reduction. Floating-point addition may not be reordered by the
/// compiler, so a loop with one accumulator stays scalar; this many fill vector registers. More
/// hide the latency of the addition, too many spill.
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

/// The largest element; negative infinity for an empty slice. NaN is skipped: callers exponentiate
/// what they compare, so it comes back.
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

/// Replaces each value by `f` of it.
///
/// In pieces of one wide vector: the compiler's own vector loops take several at a time and leave
/// what is too few for that, up to 63 values, to a scalar loop. Rows of attention are often no
/// longer.
#[inline(always)]
pub(crate) fn replace<T: Real>(values: &mut [T], f: impl Fn(T) -> T) {
    let (body, tail) = values.as_chunks_mut::<BLOCK>();
    for chunk in body {
        for value in chunk {
            *value = f(*value);
        }
    }
    for value in tail {
        *value = f(*value);
    }
}

/// Replaces each value by `exp(value - largest)` and returns the largest and the sum. Shifted,
/// because exp overflows f32 at 89.
#[inline(always)]
pub(crate) fn exponentiate<T: Real>(values: &mut [T]) -> (T, T) {
    let largest = largest(values);
    replace(
        values,
        #[inline(always)]
        |value| (value - largest).exp(),
    );
    // Not in the loop above: a sum in order would keep it from being vectorised.
    (largest, sum(values))
}

/// Below this e^x is no normal f32: ln of 2^-126. It is taken for 0.
const EXP_UNDERFLOW: f32 = -87.336_55;
/// Above this the exponent of 2 would be 128: 127.5 ln 2. e^x is taken for infinity.
const EXP_OVERFLOW: f32 = 88.376_26;

/// e^x in arithmetic that the compiler can vectorise; libm's is a call for each element. NaN stays
/// NaN.
///
/// x = n ln 2 + r with n whole and |r| at most ln 2 / 2. e^r by its Taylor series up to r^7 (what
/// is left out is below 8e-9 of it, a tenth of a unit in the last place), 2^n by its bits. ln 2
/// comes in two parts, so that n times the first one is exact (Cody and Waite 1980).
#[inline(always)]
fn exp_f32(x: f32) -> f32 {
    /// 1.5 * 2^23: floats of this size are whole numbers, so that adding it rounds.
    const WHOLE: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = (std::f64::consts::LN_2 - 355.0 / 512.0) as f32;
    const SERIES: [f32; 7] = [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        1.0 / 2.0,
        1.0,
        1.0,
    ];
    let shifted = x * std::f32::consts::LOG2_E + WHOLE;
    let n = shifted - WHOLE;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let mut e_r = 1.0 / 5040.0;
    for coefficient in SERIES {
        e_r = e_r * r + coefficient;
    }
    // n stands in the last bits of `shifted`; moved into the exponent, on top of that of 1, it
    // makes 2^n.
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    let value = e_r * power;
    let value = if x > EXP_OVERFLOW {
        f32::INFINITY
    } else {
        value
    };
    if x < EXP_UNDERFLOW { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_good_to_two_units_in_the_last_place() {
        let steps = 200_000;
        for i in 0..=steps {
            let x = -87.3 + 175.6 * i as f32 / steps as f32;
            let (actual, expected) = (f64::from(exp_f32(x)), f64::from(x).exp());
            let error = (actual / expected - 1.0).abs();
            assert!(
                error <= 2.0 * f64::from(f32::EPSILON),
                "exp({x}) = {actual}, off by {error:e}"
            );
        }
    }

    #[test]
    fn exp_at_the_ends() {
        assert_eq!(exp_f32(0.0), 1.0);
        for x in [-88.0, -1e30, f32::NEG_INFINITY] {
            assert_eq!(exp_f32(x), 0.0, "{x}");
        }
        for x in [89.0, 1e30, f32::INFINITY] {
            assert_eq!(exp_f32(x), f32::INFINITY, "{x}");
        }
        assert!(exp_f32(f32::NAN).is_nan());
    }

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
