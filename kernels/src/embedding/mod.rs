//! Token embedding: rows of a table by number.
//!
//! | version | where | notes |
//! |---|---|---|
//! | reference | `reference.rs` | f64 |
//! | cpu | `cpu.rs` | plain loops in one thread; f32 and f64 |
//! | cuda | `cuda.cu` | f32 and bf16; run on a CPU in the tests |
//!
//! Shapes: table (symbols, width), ids (tokens) as u32, y (tokens, width). Layout: contiguous,
//! row-major. Tolerance against the reference: exact forward; gradients 1e-3 in f32, 1e-6 in f64.

pub mod cpu;
pub mod cuda;
pub mod reference;

use crate::host::{Open, for_real, matrix, slice};
use crate::tape::Tape;
use crate::{Real, profile};
use candle_core::backend::BackendStorage as _;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

#[cfg(feature = "cuda")]
use crate::cuda::device::for_cuda_real;

const NAME: &str = "embedding";

struct Embedding;

/// Row `ids[i]` of `table` (symbols, width) for each of the tokens `ids` (tokens, u32).
///
/// # Errors
/// An id that the table does not have, a dtype other than f32 or f64, ids that are not u32.
pub fn embedding(tape: &Tape, table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    tape.two([table, ids], Embedding)
}

fn forward<T: Real>(
    table: (&CpuStorage, &Layout),
    ids: (&CpuStorage, &Layout),
) -> Result<(CpuStorage, Shape)> {
    let (symbols, width) = matrix(NAME, table.1.shape())?;
    let ids = slice::<u32>(NAME, ids.0, ids.1)?;
    if let Some(id) = ids.iter().find(|&&id| id as usize >= symbols) {
        bail!("{NAME}: token {id} in a table of {symbols} symbols");
    }
    let bytes = 2 * ids.len() * width * size_of::<T>() + size_of_val(ids);
    let _span = profile::span("embedding.forward", 0, bytes);
    let y = cpu::forward(slice::<T>(NAME, table.0, table.1)?, width, ids);
    Ok((T::to_cpu_storage_owned(y), (ids.len(), width).into()))
}

fn backward<T: Real>(table: &Tensor, ids: &Tensor, grad: &Tensor) -> Result<Tensor> {
    let (symbols, width) = matrix(NAME, table.shape())?;
    let (ids_host, grad_host) = (Open::of(ids), Open::of(grad));
    let grad = grad_host.slice::<T>(NAME)?;
    let bytes = size_of_val(grad) + symbols * width * size_of::<T>();
    let _span = profile::span("embedding.backward", grad.len(), bytes);
    let grad_table = cpu::backward(symbols, width, ids_host.slice(NAME)?, grad);
    Tensor::from_vec(grad_table, table.shape(), table.device())
}

impl CustomOp2 for Embedding {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        table: &CpuStorage,
        table_layout: &Layout,
        ids: &CpuStorage,
        ids_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (table, ids) = ((table, table_layout), (ids, ids_layout));
        for_real!(NAME, table.0.dtype(), T => forward::<T>(table, ids))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        table: &candle_core::CudaStorage,
        table_layout: &Layout,
        ids: &candle_core::CudaStorage,
        ids_layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        let (_, width) = matrix(NAME, table_layout.shape())?;
        let (table, ids) = ((table, table_layout), (ids, ids_layout));
        let y = for_cuda_real!(NAME, table.0.dtype(), T => cuda::forward::<T>(table, ids, width))?;
        Ok((y, (ids.1.shape().elem_count(), width).into()))
    }

    fn bwd(
        &self,
        table: &Tensor,
        ids: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        #[cfg(feature = "cuda")]
        if table.device().is_cuda() {
            let grad_table =
                for_cuda_real!(NAME, table.dtype(), T => cuda::backward::<T>(table, ids, &grad))?;
            return Ok((Some(grad_table), None));
        }
        let grad_table = for_real!(NAME, table.dtype(), T => backward::<T>(table, ids, &grad))?;
        Ok((Some(grad_table), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{check, input, uniform};
    use candle_core::{DType, Device};

    fn tokens(n: usize, symbols: usize) -> Vec<u32> {
        (0..n).map(|i| (i * i * 7 % symbols) as u32).collect()
    }

    #[test]
    fn agrees_with_the_reference_and_its_gradients() {
        for (symbols, width, n) in [(1, 1, 1), (3, 5, 11), (67, 3, 131), (130, 2, 7)] {
            let ids = tokens(n, symbols);
            let tensor = Tensor::new(ids.as_slice(), &Device::Cpu).unwrap();
            check(
                &[input(&[symbols, width], uniform(symbols * width, 4))],
                |tape, t| embedding(tape, &t[0], &tensor),
                |x| reference::forward(&x[0], width, &ids),
            );
        }
    }

    #[test]
    fn a_token_outside_the_table_is_named() {
        let table = Tensor::zeros((4, 2), DType::F32, &Device::Cpu).unwrap();
        let ids = Tensor::new(&[1u32, 4], &Device::Cpu).unwrap();
        let message = embedding(&Tape::off(), &table, &ids)
            .unwrap_err()
            .to_string();
        assert!(message.contains("token 4 in a table of 4"), "{message}");
    }

    #[test]
    fn a_non_finite_gradient_reaches_its_row_only() {
        let grad = cpu::backward(2, 1, &[0, 1, 1], &[1.0f32, f32::NAN, 1.0]);
        assert!(grad[0] == 1.0 && grad[1].is_nan());
    }
}
