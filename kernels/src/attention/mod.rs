//! Causal attention over packed queries, keys and values, with rotary embedding of queries and
//! keys.
//!
//! | version | where | notes |
//! |---|---|---|
//! | reference | `reference.rs` | f64, the definition |
//! | cpu | `cpu.rs` | one task a (sequence, head), rotary while gathering, tiles of queries, products in registers, no score matrix in memory; f32 and f64 |
//! | cuda | `cuda.cu` | f32 and bf16; run on a CPU in the tests |
//! | hopper | `hopper.cu` | bf16 with heads of 64 on Hopper, where `ATTENTION_HOPPER` is 1; run on a CPU in the tests |
//!
//! Shapes: qkv (batch x sequence, 3 x heads x head_dim), in a row first all queries, then keys,
//! then values; y (batch x sequence, heads x head_dim). Layout: contiguous, row-major. Packed,
//! because the gradient is then one tensor in the order that the projection wants, and nothing is
//! sliced or transposed outside. Tolerance against the reference: 1e-5 in f32, 1e-12 in f64;
//! gradients 1e-3 and 1e-6.

pub mod cpu;
pub mod cuda;
pub mod reference;

use crate::host::{Open, for_real, slice};
use crate::rotary::{Angles, Shape, Table};
use crate::tape::Tape;
use crate::{Real, profile};
use candle_core::backend::BackendStorage as _;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Tensor, bail};

#[cfg(feature = "cuda")]
use crate::cuda::device::{for_cuda_real, open};

const NAME: &str = "attention";

struct Attention {
    rotary: Table,
    shape: Shape,
    /// What the forward on a device leaves for the backward.
    #[cfg(feature = "cuda")]
    kept: std::sync::Mutex<Option<cuda::Kept>>,
}

/// softmax(Q K^T / sqrt(head_dim)) V for each head, where a token sees itself and what came before
/// it in its sequence, and queries and keys are turned by their positions first.
///
/// # Errors
/// Rows that do not fit the table's shape, another dtype than the table's, a layout that is not
/// contiguous.
pub fn attention(tape: &Tape, qkv: &Tensor, rotary: &Table) -> Result<Tensor> {
    let operation = Attention {
        rotary: rotary.clone(),
        shape: rotary.shape(),
        #[cfg(feature = "cuda")]
        kept: std::sync::Mutex::new(None),
    };
    tape.one(qkv, operation)
}

impl Attention {
    /// Tokens and width of the output.
    fn output(&self, layout: &Layout) -> Result<(usize, usize)> {
        let width = self.shape.heads * self.shape.head_dim;
        match layout.dims() {
            &[rows, packed]
                if width > 0
                    && packed == 3 * width
                    && self.shape.sequence > 0
                    && rows % self.shape.sequence == 0 =>
            {
                Ok((rows, width))
            }
            dims => bail!(
                "{NAME}: packed rows of shape {dims:?} do not fit {:?}",
                self.shape
            ),
        }
    }

    /// Multiplications and additions of one product over the lower triangle, all heads.
    fn triangle_flops(&self, elements: usize) -> usize {
        elements * (self.shape.sequence + 1)
    }

    fn forward<T: Real>(&self, storage: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
        let qkv = slice::<T>(NAME, storage, layout)?;
        let elements = qkv.len() / 3;
        let _span = profile::span(
            "attention.forward",
            2 * self.triangle_flops(elements),
            4 * elements * size_of::<T>(),
        );
        let y = |angles: Angles<'_, T>| cpu::forward(qkv, angles, &self.shape);
        Ok(T::to_cpu_storage_owned(self.rotary.with_angles(y)?))
    }

    fn backward<T: Real>(&self, qkv: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let (qkv_host, grad_host) = (Open::of(qkv), Open::of(grad));
        let data = qkv_host.slice::<T>(NAME)?;
        let elements = data.len() / 3;
        let _span = profile::span(
            "attention.backward",
            5 * self.triangle_flops(elements),
            7 * elements * size_of::<T>(),
        );
        let grad = grad_host.slice(NAME)?;
        let grad_qkv = |angles: Angles<'_, T>| cpu::backward(data, grad, angles, &self.shape);
        let grad_qkv = self.rotary.with_angles(grad_qkv)?;
        Tensor::from_vec(grad_qkv, qkv.shape(), qkv.device())
    }
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> Result<(CpuStorage, candle_core::Shape)> {
        let shape = self.output(layout)?;
        let y = for_real!(NAME, storage.dtype(), T => self.forward::<T>(storage, layout))?;
        Ok((y, shape.into()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        storage: &candle_core::CudaStorage,
        layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, candle_core::Shape)> {
        let shape = self.output(layout)?;
        let (y, kept) = for_cuda_real!(NAME, storage.dtype(), T => cuda::forward::<T>(storage, layout, &self.rotary))?;
        *open(&self.kept) = Some(kept);
        Ok((y, shape.into()))
    }

    #[cfg_attr(
        not(feature = "cuda"),
        expect(unused_variables, reason = "only the backward on a device reads y")
    )]
    fn bwd(&self, qkv: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        #[cfg(feature = "cuda")]
        if qkv.device().is_cuda() {
            let kept = open(&self.kept);
            let grad = for_cuda_real!(NAME, qkv.dtype(), T =>
                cuda::backward::<T>(qkv, y, &grad, &self.rotary, kept.as_ref()))?;
            return Ok(Some(grad));
        }
        for_real!(NAME, qkv.dtype(), T => self.backward::<T>(qkv, &grad)).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{assert_close, check, input, real, uniform};
    use crate::rotary;
    use candle_core::{DType, Device};
    use proptest::prelude::*;

    const BASE: f64 = 10_000.0;

    /// Without candle around it.
    fn forward(qkv: &[f32], shape: &Shape) -> Vec<f32> {
        let table = Table::new(*shape, BASE, DType::F32).unwrap();
        let y = |angles: Angles<'_, f32>| cpu::forward(qkv, angles, shape);
        table.with_angles(y).unwrap()
    }

    fn expected(qkv: &[f64], shape: &Shape) -> Vec<f64> {
        let Shape {
            sequence,
            heads,
            head_dim,
        } = *shape;
        let turned = rotary::reference::forward(qkv, sequence, heads, head_dim, BASE);
        reference::forward(&turned, shape)
    }

    fn shape(sequence: usize, heads: usize, head_dim: usize) -> Shape {
        Shape {
            sequence,
            heads,
            head_dim,
        }
    }

    fn packed(batch: usize, shape: &Shape, seed: u64) -> Vec<f64> {
        uniform(
            batch * shape.sequence * 3 * shape.heads * shape.head_dim,
            seed,
        )
    }

    #[test]
    fn agrees_with_the_reference_and_its_gradients() {
        for (batch, sequence, heads, head_dim) in [
            (1, 1, 1, 2),
            (2, 3, 1, 2),
            (1, 17, 1, 6),
            (2, 19, 2, 4),
            (1, 7, 3, 10),
        ] {
            let shape = shape(sequence, heads, head_dim);
            let rows = batch * sequence;
            check(
                &[input(
                    &[rows, 3 * heads * head_dim],
                    packed(batch, &shape, 10),
                )],
                |tape, t| attention(tape, &t[0], &Table::new(shape, BASE, t[0].dtype())?),
                |x| expected(&x[0], &shape),
            );
        }
    }

    #[test]
    fn long_sequences_agree_too() {
        for sequence in [127, 128, 130] {
            let shape = shape(sequence, 2, 16);
            let qkv: Vec<f64> = packed(1, &shape, 11).iter().map(|v| v * 4.0).collect();
            let y = forward(&real(&qkv), &shape);
            let y: Vec<f64> = y.iter().map(|&v| v.into()).collect();
            assert_close("forward", &y, &expected(&qkv, &shape), 1e-5);
        }
    }

    #[test]
    fn a_token_that_is_not_a_number_spoils_only_the_future() {
        let shape = shape(5, 1, 2);
        // Its query, its key, its value.
        for place in [0, 2, 4] {
            let mut qkv: Vec<f32> = real(&packed(1, &shape, 12));
            qkv[3 * 6 + place] = f32::NAN;
            let y = forward(&qkv, &shape);
            assert!(y[..6].iter().all(|v| v.is_finite()), "{place}: {y:?}");
            assert!(y[6..8].iter().any(|v| v.is_nan()), "{place}: {y:?}");
        }
    }

    #[test]
    fn rows_that_do_not_fit_are_named() {
        let qkv = Tensor::zeros((6, 6), DType::F32, &Device::Cpu).unwrap();
        for bad in [shape(4, 1, 2), shape(3, 2, 2)] {
            let table = Table::new(bad, BASE, DType::F32).unwrap();
            let error = attention(&Tape::off(), &qkv, &table).unwrap_err();
            assert!(error.to_string().contains("[6, 6]"), "{error}");
        }
    }

    #[test]
    fn an_infinite_value_spoils_only_the_future_in_a_later_tile() {
        let shape = shape(40, 1, 2);
        for token in [20, 31, 32] {
            let mut qkv: Vec<f32> = real(&packed(1, &shape, 13));
            qkv[token * 6 + 5] = f32::INFINITY;
            let y = forward(&qkv, &shape);
            let (past, future) = y.split_at(token * 2);
            assert!(past.iter().all(|v| v.is_finite()), "{token}: {y:?}");
            assert!(
                future[1..].iter().step_by(2).all(|v| !v.is_finite()),
                "{token}: {y:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_future_changes_nothing(sequence in 2usize..40, cut in 1usize..39, seed in 0u64..1000) {
            let cut = cut.min(sequence - 1);
            let shape = shape(sequence, 1, 4);
            let mut qkv: Vec<f32> = real(&packed(1, &shape, seed));
            let before = forward(&qkv, &shape);
            for value in &mut qkv[cut * 12..] {
                *value = -3.0 * *value + 1.0;
            }
            let after = forward(&qkv, &shape);
            prop_assert_eq!(&before[..cut * 4], &after[..cut * 4]);
        }
    }
}
