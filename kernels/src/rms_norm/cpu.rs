//! RMSNorm on the CPU, row by row.

use crate::real::{Real, dot};

/// `y` of shape (rows, width).
pub fn forward<T: Real>(x: &[T], weight: &[T], epsilon: f64) -> Vec<T> {
    let mut y = Vec::with_capacity(x.len());
    for x in x.chunks(weight.len()) {
        let scale = inverse_rms(x, epsilon);
        y.extend(x.iter().zip(weight).map(|(&x, &w)| x * scale * w));
    }
    y
}

/// Gradients of `x` and `weight`.
pub fn backward<T: Real>(x: &[T], weight: &[T], grad: &[T], epsilon: f64) -> (Vec<T>, Vec<T>) {
    let width = weight.len();
    let mut grad_x = Vec::with_capacity(x.len());
    let mut grad_weight = vec![T::zero(); width];
    for (x, grad) in x.chunks(width).zip(grad.chunks(width)) {
        let scale = inverse_rms(x, epsilon);
        let weighted: Vec<T> = grad.iter().zip(weight).map(|(&g, &w)| g * w).collect();
        let mean = dot(&weighted, x) * T::from_f64(1.0 / width as f64);
        let pull = scale * scale * mean;
        grad_x.extend(
            x.iter()
                .zip(&weighted)
                .map(|(&x, &p)| scale * (p - x * pull)),
        );
        for ((sum, &g), &x) in grad_weight.iter_mut().zip(grad).zip(x) {
            *sum += g * x * scale;
        }
    }
    (grad_x, grad_weight)
}

fn inverse_rms<T: Real>(row: &[T], epsilon: f64) -> T {
    let mean_square = dot(row, row) * T::from_f64(1.0 / row.len() as f64);
    T::one() / (mean_square + T::from_f64(epsilon)).sqrt()
}
