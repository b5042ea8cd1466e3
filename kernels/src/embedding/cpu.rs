//! Embedding on the CPU: gather forward, scatter-add backward.
//!
//! Rejected for the backward: tokens in parallel with atomic additions. The order of additions, and so the bits, would change from run
//! to run. Here each task owns rows of the table and looks through all tokens for them.

use crate::real::{Real, add_scaled};
use rayon::prelude::*;

/// Tokens that one task gathers.
pub const EMBEDDING_TOKENS_PER_TASK: usize = 128;

/// Table rows that one task of the backward owns. Each task reads all token numbers, so few rows repeat that reading and many leave
/// threads idle.
pub const EMBEDDING_TABLE_ROWS_PER_TASK: usize = 64;

/// Row `ids[i]` of `table` at place i; every id must be below the number of rows.
pub fn forward<T: Real>(table: &[T], width: usize, ids: &[u32]) -> Vec<T> {
    let mut y = vec![T::zero(); ids.len() * width];
    y.par_chunks_mut(EMBEDDING_TOKENS_PER_TASK * width)
        .zip(ids.par_chunks(EMBEDDING_TOKENS_PER_TASK))
        .for_each(|(y, ids)| {
            for (y, &id) in y.chunks_mut(width).zip(ids) {
                y.copy_from_slice(&table[id as usize * width..][..width]);
            }
        });
    y
}

/// The gradient of a table with `rows` rows: each is the sum of `grad` over the tokens that used it, in the order of the text.
pub fn backward<T: Real>(rows: usize, width: usize, ids: &[u32], grad: &[T]) -> Vec<T> {
    let mut grad_table = vec![T::zero(); rows * width];
    grad_table
        .par_chunks_mut(EMBEDDING_TABLE_ROWS_PER_TASK * width)
        .enumerate()
        .for_each(|(task, mine)| {
            let first = task * EMBEDDING_TABLE_ROWS_PER_TASK;
            let owned = first..first + mine.len() / width;
            for (&id, grad) in ids.iter().zip(grad.chunks(width)) {
                let id = id as usize;
                if owned.contains(&id) {
                    add_scaled(&mut mine[(id - first) * width..][..width], T::one(), grad);
                }
            }
        });
    grad_table
}
