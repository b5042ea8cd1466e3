//! Cross-entropy on the CPU, row by row; the exponentials are computed again in the backward rather than kept.

use crate::real::{Real, exponentiate};

/// The loss of each row, in nats.
pub fn forward<T: Real>(logits: &[T], columns: usize, targets: &[u32]) -> Vec<f64> {
    let rows = logits.chunks(columns).zip(targets);
    let loss = |(row, &target): (&[T], &u32)| {
        let (largest, sum) = exponentiate(&mut row.to_vec());
        sum.to_f64().ln() + largest.to_f64() - row[target as usize].to_f64()
    };
    rows.map(loss).collect()
}

/// `scale * (softmax(row) - one_hot(target))`, row by row.
pub fn backward<T: Real>(logits: &[T], columns: usize, targets: &[u32], scale: T) -> Vec<T> {
    let mut grad = logits.to_vec();
    for (grad, &target) in grad.chunks_mut(columns).zip(targets) {
        let (_, sum) = exponentiate(grad);
        for value in grad.iter_mut() {
            *value = *value * scale / sum;
        }
        grad[target as usize] -= scale;
    }
    grad
}
