//! Rotary position embedding of the queries and keys of one head. Not an operation of its own:
//! `attention` turns each row while it gathers it, and turns gradients back while it puts them out,
//! which saves two passes over memory.
//!
//! | version | where | notes |
//! |---|---|---|
//! | reference | `reference.rs` | f64, whole packed rows, angles computed on the spot |
//! | cpu | `cpu.rs` | one row of one head, in place, angles from a table; f32 and f64 |
//!
//! Shapes: a row (head_dim), head_dim even; table cos and sin (sequence, head_dim / 2). Tolerance
//! against the reference: 1e-5 in f32, 1e-12 in f64. Gradients are checked in `attention`.

pub mod cpu;
pub mod reference;

use crate::Real;
use crate::host::Open;
use candle_core::{DType, Device, Result, Tensor, bail};

const NAME: &str = "rotary";

/// How a packed row is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Tokens in a sequence; rows beyond it start again at position 0.
    pub sequence: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of a head; even.
    pub head_dim: usize,
}

/// Cosines and sines of all positions, made once a model.
#[derive(Clone, Debug)]
pub struct Table {
    shape: Shape,
    cos: Tensor,
    sin: Tensor,
}

impl Table {
    /// Angles `position * base^(-2i / head_dim)`, computed in f64 and rounded once.
    ///
    /// # Errors
    /// An odd head width, or sizes of zero.
    pub fn new(shape: Shape, base: f64, dtype: DType) -> Result<Self> {
        if shape.sequence == 0
            || shape.heads == 0
            || shape.head_dim == 0
            || !shape.head_dim.is_multiple_of(2)
        {
            bail!("{NAME}: sizes must be positive and head_dim even, got {shape:?}");
        }
        let half = shape.head_dim / 2;
        let table = |f: fn(f64) -> f64| -> Result<Tensor> {
            let angle = |i: usize| {
                let exponent = -2.0 * (i % half) as f64 / shape.head_dim as f64;
                f((i / half) as f64 * base.powf(exponent))
            };
            let values: Vec<f64> = (0..shape.sequence * half).map(angle).collect();
            Tensor::from_vec(values, (shape.sequence, half), &Device::Cpu)?.to_dtype(dtype)
        };
        Ok(Self {
            shape,
            cos: table(f64::cos)?,
            sin: table(f64::sin)?,
        })
    }

    /// How the rows that it turns are made up.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Its dtype.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.cos.dtype()
    }

    /// The same on a device.
    ///
    /// # Errors
    /// Only what candle reports.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        Ok(Self {
            shape: self.shape,
            cos: self.cos.to_device(device)?,
            sin: self.sin.to_device(device)?,
        })
    }

    #[cfg(feature = "cuda")]
    pub(crate) fn tensors(&self) -> (&Tensor, &Tensor) {
        (&self.cos, &self.sin)
    }

    /// Runs `work` with the angles.
    pub(crate) fn with_angles<T: Real, R>(
        &self,
        work: impl FnOnce(Angles<'_, T>) -> R,
    ) -> Result<R> {
        let (cos, sin) = (Open::of(&self.cos), Open::of(&self.sin));
        Ok(work(Angles {
            cos: cos.slice(NAME)?,
            sin: sin.slice(NAME)?,
            half: self.shape.head_dim / 2,
        }))
    }
}

/// A [`Table`] that is open for reading.
#[derive(Clone, Copy, Debug)]
pub struct Angles<'a, T> {
    cos: &'a [T],
    sin: &'a [T],
    half: usize,
}

impl<'a, T: Real> Angles<'a, T> {
    /// Cosines and sines of a position.
    #[inline(always)]
    pub(crate) fn at(&self, position: usize) -> (&'a [T], &'a [T]) {
        let first = position * self.half;
        (
            &self.cos[first..][..self.half],
            &self.sin[first..][..self.half],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{assert_close, real, uniform};
    use cpu::{Turn, turn};

    const BASE: f64 = 10_000.0;

    fn shape(sequence: usize, heads: usize, head_dim: usize) -> Shape {
        Shape {
            sequence,
            heads,
            head_dim,
        }
    }

    fn turned<T: Real>(qkv: &[f64], shape: Shape, which: Turn) -> Vec<f64> {
        let table = Table::new(shape, BASE, T::DTYPE).unwrap();
        let mut y: Vec<T> = real(qkv);
        let width = shape.heads * shape.head_dim;
        let turn_all = |angles: Angles<'_, T>| {
            for (row, y) in y.chunks_mut(3 * width).enumerate() {
                for head in y[..2 * width].chunks_mut(shape.head_dim) {
                    turn(head, angles.at(row % shape.sequence), which);
                }
            }
        };
        table.with_angles(turn_all).unwrap();
        y.into_iter().map(T::to_f64).collect()
    }

    #[test]
    fn agrees_with_the_reference_and_turns_back() {
        for (batch, sequence, heads, head_dim) in
            [(1, 1, 1, 2), (2, 3, 1, 4), (1, 37, 3, 2), (3, 11, 2, 6)]
        {
            let shape = shape(sequence, heads, head_dim);
            let x = uniform(batch * sequence * 3 * heads * head_dim, 8);
            let expected = reference::forward(&x, sequence, heads, head_dim, BASE);
            let single = turned::<f32>(&x, shape, Turn::Forward);
            assert_close("f32", &single, &expected, 1e-5);
            let double = turned::<f64>(&x, shape, Turn::Forward);
            assert_close("f64", &double, &expected, 1e-12);
            let back = turned::<f64>(&double, shape, Turn::Backward);
            assert_close("back", &back, &x, 1e-12);
        }
    }

    #[test]
    fn the_first_position_and_the_values_stay() {
        let x: Vec<f64> = uniform(12, 9);
        let y = reference::forward(&x, 1, 2, 2, BASE);
        assert_eq!(x, y);
        let y = reference::forward(&[x.as_slice(), &x].concat(), 2, 2, 2, BASE);
        assert_eq!(x[8..], y[20..]);
        assert_ne!(x[..8], y[12..20]);
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        for bad in [
            shape(0, 1, 2),
            shape(1, 0, 2),
            shape(1, 1, 3),
            shape(1, 1, 0),
        ] {
            assert!(Table::new(bad, BASE, DType::F32).is_err(), "{bad:?}");
        }
    }
}
