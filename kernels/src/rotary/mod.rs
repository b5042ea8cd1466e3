//! Rotary position embedding of packed queries and keys.
//!
//! | version | where | notes |
//! |---|---|---|
//! | reference | `reference.rs` | f64, angles computed on the spot |
//! | cpu | `cpu.rs` | tokens in parallel, angles from a table; f32 and f64 |
//!
//! Shapes: qkv (batch x sequence, 3 x heads x head_dim), in a row first all queries, then keys, then values; table cos and sin
//! (sequence, head_dim / 2). Layout: contiguous, row-major. head_dim is even.
//! Tolerance against the reference: 1e-5 in f32, 1e-12 in f64; gradients 1e-3 and 1e-6.

pub mod cpu;
pub mod reference;

use crate::host::{Host, for_real, slice};
use crate::tape::Tape;
use crate::{Real, profile};
use candle_core::backend::BackendStorage as _;
use candle_core::{CpuStorage, CustomOp3, DType, Device, Layout, Result, Tensor, bail};
use cpu::Turn;

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
}

struct Rotary {
    shape: Shape,
}

/// Rotates queries and keys of `qkv` (batch x sequence, 3 x heads x head_dim) by their positions.
///
/// # Errors
/// A row width or number of rows that does not fit the table, another dtype than the table's.
pub fn rotary(tape: &Tape, qkv: &Tensor, table: &Table) -> Result<Tensor> {
    let shape = table.shape;
    tape.three([qkv, &table.cos, &table.sin], Rotary { shape })
}

impl Rotary {
    fn check(&self, layout: &Layout) -> Result<()> {
        let Shape {
            sequence,
            heads,
            head_dim,
        } = self.shape;
        match layout.dims() {
            &[rows, width] if width == 3 * heads * head_dim && rows % sequence == 0 => Ok(()),
            dims => bail!(
                "{NAME}: packed rows of shape {dims:?} do not fit {:?}",
                self.shape
            ),
        }
    }

    fn forward<T: Real>(
        &self,
        qkv: (&CpuStorage, &Layout),
        cos: (&CpuStorage, &Layout),
        sin: (&CpuStorage, &Layout),
    ) -> Result<CpuStorage> {
        let qkv = slice::<T>(NAME, qkv.0, qkv.1)?;
        let _span = profile::span("rotary.forward", 2 * qkv.len(), 2 * size_of_val(qkv));
        let (cos, sin) = (slice(NAME, cos.0, cos.1)?, slice(NAME, sin.0, sin.1)?);
        let y = cpu::rotate(qkv, cos, sin, &self.shape, Turn::Forward);
        Ok(T::to_cpu_storage_owned(y))
    }

    fn backward<T: Real>(&self, cos: &Tensor, sin: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let (cos_host, sin_host, grad_host) = (Host::of(cos), Host::of(sin), Host::of(grad));
        let data = grad_host.slice::<T>(NAME)?;
        let _span = profile::span("rotary.backward", 2 * data.len(), 2 * size_of_val(data));
        let (cos, sin) = (cos_host.slice(NAME)?, sin_host.slice(NAME)?);
        let grad_qkv = cpu::rotate(data, cos, sin, &self.shape, Turn::Backward);
        Tensor::from_vec(grad_qkv, grad.shape(), grad.device())
    }
}

impl CustomOp3 for Rotary {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        qkv: &CpuStorage,
        qkv_layout: &Layout,
        cos: &CpuStorage,
        cos_layout: &Layout,
        sin: &CpuStorage,
        sin_layout: &Layout,
    ) -> Result<(CpuStorage, candle_core::Shape)> {
        self.check(qkv_layout)?;
        let (qkv, cos, sin) = ((qkv, qkv_layout), (cos, cos_layout), (sin, sin_layout));
        let y = for_real!(NAME, qkv.0.dtype(), T => self.forward::<T>(qkv, cos, sin))?;
        Ok((y, qkv_layout.shape().clone()))
    }

    fn bwd(
        &self,
        _qkv: &Tensor,
        cos: &Tensor,
        sin: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let grad_qkv = for_real!(NAME, grad.dtype(), T => self.backward::<T>(cos, sin, &grad))?;
        Ok((Some(grad_qkv), None, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{check, input, uniform};

    const BASE: f64 = 10_000.0;

    fn shape(sequence: usize, heads: usize, head_dim: usize) -> Shape {
        Shape {
            sequence,
            heads,
            head_dim,
        }
    }

    #[test]
    fn agrees_with_the_reference_and_its_gradients() {
        for (batch, sequence, heads, head_dim) in
            [(1, 1, 1, 2), (2, 3, 1, 4), (1, 37, 3, 2), (3, 11, 2, 6)]
        {
            let (rows, width) = (batch * sequence, 3 * heads * head_dim);
            check(
                &[input(&[rows, width], uniform(rows * width, 8))],
                |tape, t| {
                    let table = Table::new(shape(sequence, heads, head_dim), BASE, t[0].dtype())?;
                    rotary(tape, &t[0], &table)
                },
                |x| reference::forward(&x[0], sequence, heads, head_dim, BASE),
            );
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
        let table = Table::new(shape(4, 1, 2), BASE, DType::F32).unwrap();
        let qkv = Tensor::zeros((6, 6), DType::F32, &Device::Cpu).unwrap();
        let message = rotary(&Tape::off(), &qkv, &table).unwrap_err().to_string();
        assert!(message.contains("[6, 6]"), "{message}");
    }
}
