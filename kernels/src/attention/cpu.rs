//! Causal attention on the CPU. One task a (sequence, head); inside it a few queries at a time
//! against all keys before them, so that no sequence x sequence matrix is ever in memory. The
//! backward computes the probabilities again instead of keeping them.
//!
//! All matrices of a head are padded with zeros to whole blocks of `tile`, so that its products
//! have no odd ends.

use crate::real::{Real, add_scaled, dot, exponentiate, reduce2, replace};
use crate::rotary::cpu::{Turn, turn};
use crate::rotary::{Angles, Shape};
use crate::tasks::filled;
use crate::tile::{BLOCK, Left, Product};

/// Queries that are scored together, a multiple of 16. More reuse keys while they are near; fewer
/// waste less beyond the diagonal and keep the scores in the first cache.
pub const ATTENTION_QUERY_TILE: usize = 16;
const _: () = assert!(ATTENTION_QUERY_TILE.is_multiple_of(BLOCK));

/// Tokens that one task puts back from head order into token order.
pub const ATTENTION_TOKENS_PER_TASK: usize = 64;

/// `qkv` (batch x sequence, 3 x heads x head_dim) to (batch x sequence, heads x head_dim).
pub fn forward<T: Real>(qkv: &[T], angles: Angles<'_, T>, shape: &Shape) -> Vec<T> {
    let size = shape.sequence * shape.head_dim;
    let by_head = filled(
        qkv.len() / 3,
        size,
        #[inline(always)]
        |first, out| Head::gather(qkv, angles, shape, first / size).forward(out),
    );
    to_token_order(&by_head, shape, 1)
}

/// The gradient of `qkv` for `grad` (batch x sequence, heads x head_dim).
pub fn backward<T: Real>(qkv: &[T], grad: &[T], angles: Angles<'_, T>, shape: &Shape) -> Vec<T> {
    let size = 3 * shape.sequence * shape.head_dim;
    let by_head = filled(
        qkv.len(),
        size,
        #[inline(always)]
        |first, out| {
            let grad = gather(grad, shape, first / size, 1, 0, T::one());
            Head::gather(qkv, angles, shape, first / size).backward(&grad, out);
        },
    );
    to_token_order(&by_head, shape, 3)
}

/// Queries, keys and values of one head in one sequence, each (sequence, head_dim); queries and
/// keys are turned, the queries also divided by sqrt(head_dim).
struct Head<'a, T> {
    query: Matrix<T>,
    key: Matrix<T>,
    value: Matrix<T>,
    angles: Angles<'a, T>,
    sequence: usize,
    dim: usize,
}

impl<'a, T: Real> Head<'a, T> {
    #[inline(always)]
    fn gather(qkv: &[T], angles: Angles<'a, T>, shape: &Shape, index: usize) -> Self {
        let gather = |part, factor| gather(qkv, shape, index, 3, part, factor);
        let mut query = gather(0, scale(shape.head_dim));
        let mut key = gather(1, T::one());
        let value = gather(2, T::one());
        for position in 0..shape.sequence {
            for matrix in [&mut query, &mut key] {
                let row = &mut matrix.row_mut(position)[..shape.head_dim];
                turn(row, angles.at(position), Turn::Forward);
            }
        }
        Self {
            query,
            key,
            value,
            angles,
            sequence: shape.sequence,
            dim: shape.head_dim,
        }
    }

    #[inline(always)]
    fn forward(&self, out: &mut [T]) {
        let keys = self.key.transposed();
        let mut weights = Matrix::zeros(ATTENTION_QUERY_TILE, self.sequence);
        let mut sums = Matrix::zeros(ATTENTION_QUERY_TILE, self.dim);
        let width = sums.stride;
        for (first, rows) in self.tiles() {
            self.probabilities(&keys, first, rows, &mut weights);
            sums.data.fill(T::zero());
            let calm = self.value.is_finite(first, rows);
            let depth = if calm { first + rows } else { first };
            sums.add_product(0, weights.left(0), (&self.value, 0), [rows, width, depth]);
            if !calm {
                // One by one: the product would meet values of the future, and 0 times infinity is
                // no 0.
                for row in 0..rows {
                    for other in first..=first + row {
                        let weight = weights.row(row)[other];
                        add_scaled(sums.row_mut(row), weight, self.value.row(other));
                    }
                }
            }
            let out = out[first * self.dim..].chunks_mut(self.dim);
            for (row, out) in out.take(rows).enumerate() {
                out.copy_from_slice(&sums.row(row)[..self.dim]);
            }
        }
    }

    /// Past and future share products here, so what is not finite (value, query or incoming
    /// gradient) may spoil gradients of all tokens in its tile, before and after it.
    ///
    /// With P the probabilities, S the scores and O the output: dV = P^T dO, dS = P (dO V^T -
    /// rowsum(P dO V^T)), dQ = dS K, dK = dS^T Q.
    #[inline(always)]
    fn backward(&self, grad: &Matrix<T>, out: &mut [T]) {
        let (keys, values) = (self.key.transposed(), self.value.transposed());
        let mut weights = Matrix::zeros(ATTENTION_QUERY_TILE, self.sequence);
        let mut slopes = Matrix::zeros(ATTENTION_QUERY_TILE, self.sequence);
        let [mut grad_query, mut grad_key, mut grad_value] =
            std::array::from_fn(|_| Matrix::zeros(self.sequence, self.dim));
        let width = grad_query.stride;
        for (first, rows) in self.tiles() {
            let seen = first + rows;
            self.probabilities(&keys, first, rows, &mut weights);
            slopes.clear(rows, seen);
            slopes.add_product(0, grad.left(first), (&values, 0), [rows, seen, self.dim]);
            for row in 0..rows {
                // Weights of the future are 0, and so are their slopes.
                let weights = &weights.row(row)[..seen];
                let slopes = &mut slopes.row_mut(row)[..seen];
                let mean = dot(weights, slopes);
                let (weights, _) = weights.as_chunks::<BLOCK>();
                let (slopes, _) = slopes.as_chunks_mut::<BLOCK>();
                for (slopes, weights) in slopes.iter_mut().zip(weights) {
                    for (slope, &weight) in slopes.iter_mut().zip(weights) {
                        *slope = weight * (*slope - mean);
                    }
                }
            }
            grad_query.add_product(first, slopes.left(0), (&self.key, 0), [rows, width, seen]);
            let (query, size) = ((&self.query, first), [seen, width, rows]);
            grad_key.add_product(0, slopes.left_transposed(), query, size);
            grad_value.add_product(0, weights.left_transposed(), (grad, first), size);
        }
        let scale = scale(self.dim);
        for value in &mut grad_query.data {
            *value *= scale;
        }
        let parts = out.chunks_mut(self.sequence * self.dim);
        for (part, (out, grad)) in parts.zip([grad_query, grad_key, grad_value]).enumerate() {
            for (position, out) in out.chunks_mut(self.dim).enumerate() {
                out.copy_from_slice(&grad.row(position)[..self.dim]);
                // Values were not turned.
                if part < 2 {
                    turn(out, self.angles.at(position), Turn::Backward);
                }
            }
        }
    }

    /// First query and number of queries of each tile; the last one may reach into the padding.
    fn tiles(&self) -> impl Iterator<Item = (usize, usize)> {
        let padded = self.sequence.next_multiple_of(BLOCK);
        let firsts = (0..padded).step_by(ATTENTION_QUERY_TILE);
        firsts.map(move |first| (first, ATTENTION_QUERY_TILE.min(padded - first)))
    }

    /// Probabilities of the queries from `first` on over what they see; 0 for what they do not see
    /// up to the end of the tile, or NaN in a row whose sum is NaN.
    #[inline(always)]
    fn probabilities(&self, keys: &Matrix<T>, first: usize, rows: usize, out: &mut Matrix<T>) {
        let seen = first + rows;
        out.clear(rows, seen);
        out.add_product(0, self.query.left(first), (keys, 0), [rows, seen, self.dim]);
        for row in 0..rows {
            let scores = &mut out.row_mut(row)[..seen];
            scores[first + row + 1..].fill(T::from_f64(f64::NEG_INFINITY));
            let (_, sum) = exponentiate(scores);
            let factor = T::one() / sum;
            replace(
                scores,
                #[inline(always)]
                |weight| weight * factor,
            );
        }
    }
}

/// A matrix row by row, padded with zeros to whole blocks.
struct Matrix<T> {
    data: Vec<T>,
    stride: usize,
}

impl<T: Real> Matrix<T> {
    fn zeros(rows: usize, columns: usize) -> Self {
        let stride = columns.next_multiple_of(BLOCK);
        let data = vec![T::zero(); rows.next_multiple_of(BLOCK) * stride];
        Self { data, stride }
    }

    #[inline(always)]
    fn row(&self, row: usize) -> &[T] {
        &self.data[row * self.stride..][..self.stride]
    }

    #[inline(always)]
    fn row_mut(&mut self, row: usize) -> &mut [T] {
        &mut self.data[row * self.stride..][..self.stride]
    }

    /// Whether some rows hold neither NaN nor infinity.
    #[inline(always)]
    fn is_finite(&self, first: usize, rows: usize) -> bool {
        let values = &self.data[first * self.stride..][..rows * self.stride];
        // Zero times anything else is NaN.
        reduce2(values, values, |x, _| x * T::zero()) == T::zero()
    }

    #[inline(always)]
    fn clear(&mut self, rows: usize, columns: usize) {
        for row in 0..rows {
            self.row_mut(row)[..columns].fill(T::zero());
        }
    }

    /// Block by block: a whole column would touch a cache line for each of its elements, and most
    /// strides map all of them to a few places of the first cache.
    #[inline(always)]
    fn transposed(&self) -> Self {
        let mut out = Self::zeros(self.stride, self.data.len() / self.stride);
        let bands = self.data.chunks_exact(BLOCK * self.stride);
        for (first_row, band) in (0..).step_by(BLOCK).zip(bands) {
            for first_column in (0..self.stride).step_by(BLOCK) {
                let mut block = [[T::zero(); BLOCK]; BLOCK];
                for (row, values) in block.iter_mut().zip(band.chunks_exact(self.stride)) {
                    row.copy_from_slice(&values[first_column..][..BLOCK]);
                }
                for column in 0..BLOCK {
                    let out = &mut out.row_mut(first_column + column)[first_row..][..BLOCK];
                    for (out, row) in out.iter_mut().zip(&block) {
                        *out = row[column];
                    }
                }
            }
        }
        out
    }

    /// Its rows from `first` on, as a left factor.
    #[inline(always)]
    fn left(&self, first: usize) -> Left<'_, T> {
        Left::Rows(&self.data[first * self.stride..], self.stride)
    }

    /// Its transpose as a left factor.
    #[inline(always)]
    fn left_transposed(&self) -> Left<'_, T> {
        Left::Columns(&self.data, self.stride)
    }

    /// Adds `left` times the rows of `right` from `right_first` on to the rows from `first` on.
    #[inline(always)]
    fn add_product(
        &mut self,
        first: usize,
        left: Left<'_, T>,
        (right, right_first): (&Self, usize),
        [rows, columns, depth]: [usize; 3],
    ) {
        Product {
            out: &mut self.data[first * self.stride..],
            out_stride: self.stride,
            left,
            right: &right.data[right_first * right.stride..],
            right_stride: right.stride,
            rows,
            columns,
            depth,
        }
        .add();
    }
}

fn scale<T: Real>(head_dim: usize) -> T {
    T::from_f64(1.0 / (head_dim as f64).sqrt())
}

/// Part `part` of `parts` of head `index % heads` in sequence `index / heads`, as (sequence,
/// head_dim), times `factor`.
#[inline(always)]
fn gather<T: Real>(
    packed: &[T],
    shape: &Shape,
    index: usize,
    parts: usize,
    part: usize,
    factor: T,
) -> Matrix<T> {
    let width = shape.heads * shape.head_dim;
    let (batch, head) = (index / shape.heads, index % shape.heads);
    let rows = &packed[batch * shape.sequence * parts * width..][..shape.sequence * parts * width];
    let mut out = Matrix::zeros(shape.sequence, shape.head_dim);
    for (token, row) in rows.chunks(parts * width).enumerate() {
        let values = &row[part * width + head * shape.head_dim..][..shape.head_dim];
        for (out, &value) in out.row_mut(token).iter_mut().zip(values) {
            *out = value * factor;
        }
    }
    out
}

/// From (batch, heads, parts, sequence, head_dim) to (batch, sequence, parts, heads, head_dim).
/// Heads write to their own memory first because tasks that share rows would need locks.
fn to_token_order<T: Real>(by_head: &[T], shape: &Shape, parts: usize) -> Vec<T> {
    let Shape {
        sequence,
        heads,
        head_dim,
    } = *shape;
    let row = parts * heads * head_dim;
    filled(
        by_head.len(),
        ATTENTION_TOKENS_PER_TASK * row,
        #[inline(always)]
        |first, out| {
            for (token, out) in (first / row..).zip(out.chunks_mut(row)) {
                let (batch, position) = (token / sequence, token % sequence);
                for (slot, out) in out.chunks_mut(head_dim).enumerate() {
                    let (part, head) = (slot / heads, slot % heads);
                    let source = ((batch * heads + head) * parts + part) * sequence + position;
                    out.copy_from_slice(&by_head[source * head_dim..][..head_dim]);
                }
            }
        },
    )
}
