//! Causal attention on the CPU. One task a (sequence, head); inside it a few queries at a time against all keys before them, so that no
//! sequence x sequence matrix is ever in memory. The backward computes the probabilities again instead of keeping them.

use super::Shape;
use crate::real::{Real, add_scaled, dot, largest};
use rayon::prelude::*;

/// Queries that are scored together. More reuse a key while it is near; fewer waste less beyond the diagonal and keep the score rows in
/// the first cache.
pub const ATTENTION_QUERY_TILE: usize = 8;

/// Keys whose scores are accumulated together, in registers: 16 f32 are four SSE registers or one of AVX-512.
pub const ATTENTION_KEY_TILE: usize = 16;

/// Tokens that one task puts back from head order into token order.
pub const ATTENTION_TOKENS_PER_TASK: usize = 64;

/// `qkv` (batch x sequence, 3 x heads x head_dim) to (batch x sequence, heads x head_dim).
pub fn forward<T: Real>(qkv: &[T], shape: &Shape) -> Vec<T> {
    let size = shape.sequence * shape.head_dim;
    let mut by_head = vec![T::zero(); qkv.len() / 3];
    by_head
        .par_chunks_mut(size)
        .enumerate()
        .for_each(|(index, out)| {
            let head = Head::gather(qkv, shape, index);
            head.forward(out);
        });
    to_token_order(&by_head, shape, 1)
}

/// The gradient of `qkv` for `grad` (batch x sequence, heads x head_dim).
pub fn backward<T: Real>(qkv: &[T], grad: &[T], shape: &Shape) -> Vec<T> {
    let size = shape.sequence * shape.head_dim;
    let mut by_head = vec![T::zero(); qkv.len()];
    by_head
        .par_chunks_mut(3 * size)
        .enumerate()
        .for_each(|(index, out)| {
            let head = Head::gather(qkv, shape, index);
            let grad = gather(grad, shape, index, 1, 0);
            head.backward(&grad, out);
        });
    to_token_order(&by_head, shape, 3)
}

/// Queries, keys and values of one head in one sequence, each (sequence, head_dim); the queries are already divided by sqrt(head_dim).
struct Head<T> {
    query: Vec<T>,
    key: Vec<T>,
    value: Vec<T>,
    sequence: usize,
    dim: usize,
}

impl<T: Real> Head<T> {
    fn gather(qkv: &[T], shape: &Shape, index: usize) -> Self {
        let mut query = gather(qkv, shape, index, 3, 0);
        let scale = T::from_f64(1.0 / (shape.head_dim as f64).sqrt());
        for value in &mut query {
            *value *= scale;
        }
        Self {
            query,
            key: gather(qkv, shape, index, 3, 1),
            value: gather(qkv, shape, index, 3, 2),
            sequence: shape.sequence,
            dim: shape.head_dim,
        }
    }

    fn forward(&self, out: &mut [T]) {
        let keys = Transposed::of(&self.key, self.dim);
        let mut scores = keys.score_tile();
        for (tile, out) in out.chunks_mut(ATTENTION_QUERY_TILE * self.dim).enumerate() {
            let first = tile * ATTENTION_QUERY_TILE;
            keys.scores(self.rows(&self.query, first, out.len()), first, &mut scores);
            for (row, out) in out.chunks_mut(self.dim).enumerate() {
                let weights = &mut scores[row * keys.padded..][..=first + row];
                softmax(weights);
                for (&weight, value) in weights.iter().zip(self.value.chunks(self.dim)) {
                    add_scaled(out, weight, value);
                }
            }
        }
    }

    /// With P the probabilities, S the scores and O the output: dV = P^T dO, dS = P (dO V^T - rowsum(P dO V^T)), dQ = dS K, dK = dS^T Q.
    fn backward(&self, grad: &[T], out: &mut [T]) {
        let size = self.sequence * self.dim;
        let (grad_query, rest) = out.split_at_mut(size);
        let (grad_key, grad_value) = rest.split_at_mut(size);
        let (keys, values) = (
            Transposed::of(&self.key, self.dim),
            Transposed::of(&self.value, self.dim),
        );
        let (mut weights, mut slopes) = (keys.score_tile(), values.score_tile());
        let scale = T::from_f64(1.0 / (self.dim as f64).sqrt());
        let tile_size = ATTENTION_QUERY_TILE * self.dim;
        for (tile, grad_query) in grad_query.chunks_mut(tile_size).enumerate() {
            let first = tile * ATTENTION_QUERY_TILE;
            let queries = self.rows(&self.query, first, grad_query.len());
            let grads = self.rows(grad, first, grad_query.len());
            keys.scores(queries, first, &mut weights);
            values.scores(grads, first, &mut slopes);
            let rows = queries.chunks(self.dim).zip(grads.chunks(self.dim));
            for (row, (grad_query, (query, grad))) in
                grad_query.chunks_mut(self.dim).zip(rows).enumerate()
            {
                let weights = &mut weights[row * keys.padded..][..=first + row];
                let slopes = &slopes[row * keys.padded..][..=first + row];
                softmax(weights);
                let mean = dot(weights, slopes);
                for (other, (&weight, &slope)) in weights.iter().zip(slopes).enumerate() {
                    let at = other * self.dim..(other + 1) * self.dim;
                    let change = weight * (slope - mean);
                    add_scaled(grad_query, change * scale, &self.key[at.clone()]);
                    add_scaled(&mut grad_key[at.clone()], change, query);
                    add_scaled(&mut grad_value[at], weight, grad);
                }
            }
        }
    }

    fn rows<'a>(&self, matrix: &'a [T], first: usize, len: usize) -> &'a [T] {
        &matrix[first * self.dim..][..len]
    }
}

/// A (sequence, dim) matrix with the sequence innermost and padded to whole key tiles, so that scores of neighbouring keys fill vectors.
struct Transposed<T> {
    data: Vec<T>,
    padded: usize,
}

impl<T: Real> Transposed<T> {
    fn of(matrix: &[T], dim: usize) -> Self {
        let padded = (matrix.len() / dim).next_multiple_of(ATTENTION_KEY_TILE);
        let mut data = vec![T::zero(); dim * padded];
        for (token, row) in matrix.chunks(dim).enumerate() {
            for (d, &value) in row.iter().enumerate() {
                data[d * padded + token] = value;
            }
        }
        Self { data, padded }
    }

    fn score_tile(&self) -> Vec<T> {
        vec![T::zero(); ATTENTION_QUERY_TILE * self.padded]
    }

    /// Inner products of each row of `queries`, which stand at `first` and after, with all tokens up to the last of them.
    fn scores(&self, queries: &[T], first: usize, scores: &mut [T]) {
        let dim = self.data.len() / self.padded;
        let end = first + queries.len() / dim;
        for start in (0..end).step_by(ATTENTION_KEY_TILE) {
            for (row, query) in queries.chunks(dim).enumerate() {
                let mut sums = [T::zero(); ATTENTION_KEY_TILE];
                for (&q, keys) in query.iter().zip(self.data.chunks(self.padded)) {
                    add_scaled(&mut sums, q, &keys[start..start + ATTENTION_KEY_TILE]);
                }
                scores[row * self.padded + start..][..ATTENTION_KEY_TILE].copy_from_slice(&sums);
            }
        }
    }
}

fn softmax<T: Real>(row: &mut [T]) {
    let largest = largest(row);
    let mut sum = T::zero();
    for value in row.iter_mut() {
        *value = (*value - largest).exp();
        sum += *value;
    }
    let factor = T::one() / sum;
    for value in row {
        *value *= factor;
    }
}

/// Part `part` of `parts` of head `index % heads` in sequence `index / heads`, as (sequence, head_dim).
fn gather<T: Real>(packed: &[T], shape: &Shape, index: usize, parts: usize, part: usize) -> Vec<T> {
    let width = shape.heads * shape.head_dim;
    let (batch, head) = (index / shape.heads, index % shape.heads);
    let rows = &packed[batch * shape.sequence * parts * width..][..shape.sequence * parts * width];
    let mut out = Vec::with_capacity(shape.sequence * shape.head_dim);
    for row in rows.chunks(parts * width) {
        out.extend_from_slice(&row[part * width + head * shape.head_dim..][..shape.head_dim]);
    }
    out
}

/// From (batch, heads, parts, sequence, head_dim) to (batch, sequence, parts, heads, head_dim). Heads write to their own memory first
/// because tasks that share rows would need locks.
fn to_token_order<T: Real>(by_head: &[T], shape: &Shape, parts: usize) -> Vec<T> {
    let Shape {
        sequence,
        heads,
        head_dim,
    } = *shape;
    let row = parts * heads * head_dim;
    let mut out = vec![T::zero(); by_head.len()];
    out.par_chunks_mut(ATTENTION_TOKENS_PER_TASK * row)
        .enumerate()
        .for_each(|(task, out)| {
            let first = task * ATTENTION_TOKENS_PER_TASK;
            for (token, out) in (first..).zip(out.chunks_mut(row)) {
                let (batch, position) = (token / sequence, token % sequence);
                for (slot, out) in out.chunks_mut(head_dim).enumerate() {
                    let (part, head) = (slot / heads, slot % heads);
                    let source = ((batch * heads + head) * parts + part) * sequence + position;
                    out.copy_from_slice(&by_head[source * head_dim..][..head_dim]);
                }
            }
        });
    out
}
