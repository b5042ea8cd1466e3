//! RMSNorm on the CPU: rows in parallel, each read twice.

use crate::real::{Real, dot};
use crate::tasks::{filled, filled_and};

/// Rows that one task normalises. Few: more tasks to balance and more partial weight gradients to
/// add; many: threads wait for the last one.
pub const RMS_NORM_ROWS_PER_TASK: usize = 64;

/// `y` of shape (rows, width).
pub fn forward<T: Real>(x: &[T], weight: &[T], epsilon: f64) -> Vec<T> {
    filled(
        x.len(),
        RMS_NORM_ROWS_PER_TASK * weight.len(),
        #[inline(always)]
        |first, y| forward_rows(y, &x[first..], weight, epsilon),
    )
}

#[inline(always)]
fn forward_rows<T: Real>(y: &mut [T], x: &[T], weight: &[T], epsilon: f64) {
    let width = weight.len();
    for (y, x) in y.chunks_mut(width).zip(x.chunks(width)) {
        let scale = inverse_rms(x, epsilon);
        for ((y, &x), &w) in y.iter_mut().zip(x).zip(weight) {
            *y = x * scale * w;
        }
    }
}

/// Gradients of `x` and `weight`. Weight gradients are summed inside a task and then over tasks in
/// order, so that any number of threads gives the same bits.
pub fn backward<T: Real>(x: &[T], weight: &[T], grad: &[T], epsilon: f64) -> (Vec<T>, Vec<T>) {
    let width = weight.len();
    let (grad_x, partial) = filled_and(
        x.len(),
        RMS_NORM_ROWS_PER_TASK * width,
        #[inline(always)]
        |first, grad_x| backward_rows(grad_x, &x[first..], weight, &grad[first..], epsilon),
    );
    let mut grad_weight = vec![T::zero(); width];
    for part in &partial {
        for (sum, &value) in grad_weight.iter_mut().zip(part) {
            *sum += value;
        }
    }
    (grad_x, grad_weight)
}

#[inline(always)]
fn backward_rows<T: Real>(
    grad_x: &mut [T],
    x: &[T],
    weight: &[T],
    grad: &[T],
    epsilon: f64,
) -> Vec<T> {
    let width = weight.len();
    let mut grad_weight = vec![T::zero(); width];
    let mut weighted = vec![T::zero(); width];
    let rows = x.chunks(width).zip(grad.chunks(width));
    for (grad_x, (x, grad)) in grad_x.chunks_mut(width).zip(rows) {
        let scale = inverse_rms(x, epsilon);
        for ((product, &g), &w) in weighted.iter_mut().zip(grad).zip(weight) {
            *product = g * w;
        }
        let mean = dot(&weighted, x) * T::from_f64(1.0 / width as f64);
        let pull = scale * scale * mean;
        for ((out, &x), &product) in grad_x.iter_mut().zip(x).zip(&weighted) {
            *out = scale * (product - x * pull);
        }
        for ((sum, &g), &x) in grad_weight.iter_mut().zip(grad).zip(x) {
            *sum += g * x * scale;
        }
    }
    grad_weight
}

#[inline(always)]
fn inverse_rms<T: Real>(row: &[T], epsilon: f64) -> T {
    let mean_square = dot(row, row) * T::from_f64(1.0 / row.len() as f64);
    T::one() / (mean_square + T::from_f64(epsilon)).sqrt()
}
