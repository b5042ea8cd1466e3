//! Matrix products on the CPU: the `gemm` crate, which packs, blocks and dispatches to the
//! machine's vectors. It is called here and not through candle's `matmul`, because that has one
//! thread fill the result with zeros first, which the product then overwrites.

use crate::real::Real;
use gemm::{Parallelism, gemm};

/// A matrix in somebody's memory: element (row, column) at `row * row_stride + column *
/// column_stride`.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T> View<'a, T> {
    /// `data` row by row.
    ///
    /// # Panics
    /// When `data` is not `columns` times a whole number of rows.
    #[must_use]
    pub fn new(data: &'a [T], columns: usize) -> Self {
        assert!(
            columns > 0 && data.len().is_multiple_of(columns),
            "whole rows"
        );
        Self {
            data,
            rows: data.len() / columns,
            columns,
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// The same memory, read the other way.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// `left` times `right`, row by row.
///
/// # Panics
/// When the inner sizes differ, or when the result or a stride is larger than memory can be.
#[must_use]
#[expect(unsafe_code, reason = "gemm takes pointers")]
pub fn product<T: Real>(left: View<'_, T>, right: View<'_, T>) -> Vec<T> {
    assert_eq!(left.columns, right.rows, "the inner sizes of a product");
    let (rows, columns) = (left.rows, right.columns);
    let size = rows.checked_mul(columns).expect("the size of a product");
    let mut out: Vec<T> = Vec::with_capacity(size);
    let stride = |stride: usize| isize::try_from(stride).expect("a stride");
    // SAFETY: a view is made from a slice that holds all of it, and transposing keeps that. `out`
    // has room for rows x columns, whose product has not overflowed. gemm writes every element of
    // it and, with `read_dst` false, reads none before.
    unsafe {
        gemm(
            rows,
            columns,
            left.columns,
            out.as_mut_ptr(),
            1,
            stride(columns),
            false,
            left.data.as_ptr(),
            stride(left.column_stride),
            stride(left.row_stride),
            right.data.as_ptr(),
            stride(right.column_stride),
            stride(right.row_stride),
            T::zero(),
            T::one(),
            false,
            false,
            false,
            Parallelism::Rayon(0),
        );
        out.set_len(size);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_inside_gives_zeros() {
        let (left, right) = (View::<f32>::new(&[], 3), View::new(&[], 2));
        assert_eq!(product(left.transposed(), right), [0.0; 6]);
    }

    #[test]
    #[should_panic(expected = "the size of a product")]
    fn a_result_beyond_all_memory_is_refused() {
        let (left, right) = (View::<f32>::new(&[], 1 << 62), View::new(&[], 4));
        let _ = product(left.transposed(), right);
    }
}
