//! The number types that operations compute in.

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

/// Inner product.
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    a.iter().zip(b).map(|(&a, &b)| a * b).sum()
}

/// `y += scale * x`.
pub(crate) fn add_scaled<T: Real>(y: &mut [T], scale: T, x: &[T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += scale * x;
    }
}

/// Replaces each value by `exp(value - largest)` and returns the largest and the sum. Shifted, because exp overflows f32 at 89. The largest
/// skips NaN; exp brings it back.
pub(crate) fn exponentiate<T: Real>(values: &mut [T]) -> (T, T) {
    let larger = |best: T, &value: &T| if value > best { value } else { best };
    let largest = values.iter().fold(T::from_f64(f64::NEG_INFINITY), larger);
    for value in values.iter_mut() {
        *value = (*value - largest).exp();
    }
    (largest, values.iter().copied().sum())
}
