//! Embedding on the CPU: gather forward, scatter-add backward.

use crate::real::{Real, add_scaled};

/// Row `ids[i]` of `table` at place i; every id must be below the number of rows.
pub fn forward<T: Real>(table: &[T], width: usize, ids: &[u32]) -> Vec<T> {
    let mut y = Vec::with_capacity(ids.len() * width);
    for &id in ids {
        y.extend_from_slice(&table[id as usize * width..][..width]);
    }
    y
}

/// The gradient of a table with `rows` rows: each is the sum of `grad` over the tokens that used
/// it, in the order of the text.
pub fn backward<T: Real>(rows: usize, width: usize, ids: &[u32], grad: &[T]) -> Vec<T> {
    let mut grad_table = vec![T::zero(); rows * width];
    for (&id, grad) in ids.iter().zip(grad.chunks(width)) {
        add_scaled(
            &mut grad_table[id as usize * width..][..width],
            T::one(),
            grad,
        );
    }
    grad_table
}
