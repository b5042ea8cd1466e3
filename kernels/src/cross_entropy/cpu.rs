//! Cross-entropy on the CPU: rows in parallel; the exponentials are computed again in the backward
//! rather than kept.

use crate::real::{Real, exponentiate};
use crate::simd::vectorised;
use crate::tasks::filled;
use rayon::prelude::*;

/// Rows of logits that one task handles. A row is `symbols` wide: 32 rows of 256 f32 are 32 KiB.
pub const CROSS_ENTROPY_ROWS_PER_TASK: usize = 32;

/// The loss of each row, in nats.
pub fn forward<T: Real>(logits: &[T], columns: usize, targets: &[u32]) -> Vec<f64> {
    let mut losses = vec![0.0; targets.len()];
    losses
        .par_chunks_mut(CROSS_ENTROPY_ROWS_PER_TASK)
        .zip(logits.par_chunks(CROSS_ENTROPY_ROWS_PER_TASK * columns))
        .zip(targets.par_chunks(CROSS_ENTROPY_ROWS_PER_TASK))
        .for_each(|((losses, logits), targets)| {
            vectorised(
                #[inline(always)]
                || forward_rows(losses, logits, columns, targets),
            );
        });
    losses
}

#[inline(always)]
fn forward_rows<T: Real>(losses: &mut [f64], logits: &[T], columns: usize, targets: &[u32]) {
    let mut exponentials = vec![T::zero(); columns];
    let rows = logits.chunks(columns).zip(targets);
    for (loss, (row, &target)) in losses.iter_mut().zip(rows) {
        exponentials.copy_from_slice(row);
        let (largest, sum) = exponentiate(&mut exponentials);
        let chosen = row[target as usize].to_f64();
        *loss = sum.to_f64().ln() + largest.to_f64() - chosen;
    }
}

/// `scale * (softmax(row) - one_hot(target))`, row by row.
///
/// # Panics
/// When there is not one target a row.
pub fn backward<T: Real>(logits: &[T], columns: usize, targets: &[u32], scale: T) -> Vec<T> {
    assert_eq!(logits.len(), columns * targets.len(), "a target a row");
    filled(
        logits.len(),
        CROSS_ENTROPY_ROWS_PER_TASK * columns,
        #[inline(always)]
        |first, grad| {
            let targets = &targets[first / columns..];
            backward_rows(grad, &logits[first..], columns, targets, scale);
        },
    )
}

#[inline(always)]
fn backward_rows<T: Real>(grad: &mut [T], logits: &[T], columns: usize, targets: &[u32], scale: T) {
    grad.copy_from_slice(&logits[..grad.len()]);
    for (grad, &target) in grad.chunks_mut(columns).zip(targets) {
        let (_, sum) = exponentiate(grad);
        let factor = scale / sum;
        for value in grad.iter_mut() {
            *value *= factor;
        }
        grad[target as usize] -= scale;
    }
}
