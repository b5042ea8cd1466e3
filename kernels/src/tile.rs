//! Products of matrices that are already in the first caches, with the result in registers: what
//! attention does inside a head. Large products go to `gemm`, which packs and blocks them; here
//! that would cost more than the product.

use crate::real::Real;
use pulp::{Simd, WithSimd};

/// Rows and columns of a result are padded to a multiple of this: one vector of the widest machine
/// (16 f32 in AVX-512), and whole groups of rows.
pub const BLOCK: usize = 16;

/// Rows of the result in registers at a time, where it is two vectors wide and where it is one.
/// With 4 and 8 these are eight vectors of sums: enough to hide the latency of an addition, and
/// they leave room in sixteen registers. Machines with 32 take twice as many of the wide ones,
/// which loads less for each product.
pub const TILE_WIDE_ROWS: usize = 4;
/// See [`TILE_WIDE_ROWS`].
pub const TILE_NARROW_ROWS: usize = 8;
const _: () =
    assert!(BLOCK.is_multiple_of(2 * TILE_WIDE_ROWS) && BLOCK.is_multiple_of(TILE_NARROW_ROWS));

/// The left factor.
#[derive(Clone, Copy, Debug)]
pub enum Left<'a, T> {
    /// Row by row: element (row, k) at `row * stride + k`.
    Rows(&'a [T], usize),
    /// Column by column, the transpose of what is meant: element (row, k) at `k * stride + row`.
    Columns(&'a [T], usize),
}

/// `out += left * right`, for (rows, depth) times (depth, columns). `right` and `out` are row by
/// row, `right_stride` and `out_stride` apart. Rows and columns are multiples of [`BLOCK`].
#[derive(Debug)]
pub struct Product<'a, T> {
    /// What is added to.
    pub out: &'a mut [T],
    /// Distance of its rows.
    pub out_stride: usize,
    /// The left factor.
    pub left: Left<'a, T>,
    /// The right factor.
    pub right: &'a [T],
    /// Distance of its rows.
    pub right_stride: usize,
    /// Rows of `left` and `out`.
    pub rows: usize,
    /// Columns of `right` and `out`.
    pub columns: usize,
    /// Columns of `left` and rows of `right`.
    pub depth: usize,
}

impl<T: Real> Product<'_, T> {
    /// Adds the product to `out`.
    #[inline(always)]
    pub fn add(self) {
        debug_assert!(self.rows.is_multiple_of(BLOCK) && self.columns.is_multiple_of(BLOCK));
        T::add_product(self);
    }

    /// One element at a time.
    pub fn add_plainly(self) {
        for row in 0..self.rows {
            let out = &mut self.out[row * self.out_stride..][..self.columns];
            for k in 0..self.depth {
                let scale = match self.left {
                    Left::Rows(data, stride) => data[row * stride + k],
                    Left::Columns(data, stride) => data[k * stride + row],
                };
                let right = &self.right[k * self.right_stride..][..self.columns];
                for (out, &value) in out.iter_mut().zip(right) {
                    *out += scale * value;
                }
            }
        }
    }
}

impl WithSimd for Product<'_, f32> {
    type Output = ();

    /// Two vectors of columns at a time where they fit, because that loads least.
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut column = 0;
        while column + 2 * S::F32_LANES <= self.columns {
            if S::REGISTER_COUNT >= 32 {
                self.add_columns::<S, { 2 * TILE_WIDE_ROWS }, 2>(simd, column);
            } else {
                self.add_columns::<S, TILE_WIDE_ROWS, 2>(simd, column);
            }
            column += 2 * S::F32_LANES;
        }
        while column < self.columns {
            self.add_columns::<S, TILE_NARROW_ROWS, 1>(simd, column);
            column += S::F32_LANES;
        }
    }
}

impl Product<'_, f32> {
    /// All rows of `VECTORS` vectors of columns of the result, `ROWS` at a time.
    #[inline(always)]
    fn add_columns<S: Simd, const ROWS: usize, const VECTORS: usize>(
        &mut self,
        simd: S,
        column: usize,
    ) {
        for row in (0..self.rows).step_by(ROWS) {
            self.add_block::<S, ROWS, VECTORS>(simd, row, column);
        }
    }

    /// `ROWS` rows and `VECTORS` vectors of columns of the result.
    #[inline(always)]
    fn add_block<S: Simd, const ROWS: usize, const VECTORS: usize>(
        &mut self,
        simd: S,
        row: usize,
        column: usize,
    ) {
        let width = VECTORS * S::F32_LANES;
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
        let right = |k: usize| &self.right[k * self.right_stride + column..][..width];
        match self.left {
            Left::Rows(data, stride) => {
                let rows: [&[f32]; ROWS] =
                    std::array::from_fn(|r| &data[(row + r) * stride..][..self.depth]);
                for k in 0..self.depth {
                    let (right, _) = S::as_simd_f32s(right(k));
                    for (sums, left) in sums.iter_mut().zip(&rows) {
                        add_scaled(simd, sums, left[k], right);
                    }
                }
            }
            Left::Columns(data, stride) => {
                for k in 0..self.depth {
                    let (right, _) = S::as_simd_f32s(right(k));
                    let left = &data[k * stride + row..][..ROWS];
                    for (sums, &left) in sums.iter_mut().zip(left) {
                        add_scaled(simd, sums, left, right);
                    }
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            let out = &mut self.out[(row + r) * self.out_stride + column..][..width];
            let (out, _) = S::as_mut_simd_f32s(out);
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = simd.add_f32s(*out, sum);
            }
        }
    }
}

/// `sums += scale * right`.
#[inline(always)]
fn add_scaled<S: Simd, const VECTORS: usize>(
    simd: S,
    sums: &mut [S::f32s; VECTORS],
    scale: f32,
    right: &[S::f32s],
) {
    let scale = simd.splat_f32s(scale);
    for (sum, &right) in sums.iter_mut().zip(right) {
        *sum = simd.mul_add_e_f32s(scale, right, *sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{assert_close, real, uniform};

    #[test]
    fn agrees_with_one_element_at_a_time() {
        for (rows, columns, depth, spare) in [
            (16, 16, 1, 0),
            (16, 48, 5, 3),
            (32, 16, 17, 1),
            (48, 64, 2, 0),
            (16, 32, 0, 0),
        ] {
            let (left_stride, right_stride) = (rows.max(depth) + spare, columns + spare);
            let left = uniform(left_stride * left_stride, 1);
            let right = uniform(right_stride * depth.max(1), 2);
            let (left, right): (Vec<f32>, Vec<f32>) = (real(&left), real(&right));
            let start: Vec<f32> = real(&uniform(rows * right_stride, 3));
            for left in [
                Left::Rows(&left, left_stride),
                Left::Columns(&left, left_stride),
            ] {
                let [ours, plain] = [false, true].map(|plainly| {
                    let mut out = start.clone();
                    let product = Product {
                        out: &mut out,
                        out_stride: right_stride,
                        left,
                        right: &right,
                        right_stride,
                        rows,
                        columns,
                        depth,
                    };
                    if plainly {
                        product.add_plainly();
                    } else {
                        product.add();
                    }
                    out.into_iter().map(f64::from).collect::<Vec<f64>>()
                });
                assert_close("product", &ours, &plain, 1e-5);
            }
        }
    }
}
