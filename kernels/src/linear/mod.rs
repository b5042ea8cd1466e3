//! Linear layer without bias: a matrix product.
//!
//! | version | where | notes |
//! |---|---|---|
//! | reference | `reference.rs` | f64, three loops |
//! | cpu | `cpu.rs` | the `gemm` crate, which packs, blocks and dispatches to the machine's vector width; f32 and f64 |
//! | cuda | cuBLAS, through candle | f32 and bf16 with sums in f32 |
//!
//! Shapes: x (rows, inner), weight (inner, columns), y (rows, columns). Layout: contiguous,
//! row-major; the backward hands `gemm` transposed views, it packs them itself. Tolerance against
//! the reference: 1e-5 relative in f32, 1e-12 in f64; gradients 1e-3 and 1e-6.
//!
//! It is an operation of its own, and not a bare `matmul`, so that the weight's layout and the
//! products of the backward can be chosen here, and so that a profile sees them.

pub mod cpu;
pub mod reference;

use crate::host::{Open, for_real, matrix, slice};
use crate::tape::Tape;
use crate::{Real, profile};
use candle_core::backend::BackendStorage as _;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

#[cfg(feature = "cuda")]
use crate::cuda::device::span;

const NAME: &str = "linear";

struct Linear;

/// `x` (rows, inner) times `weight` (inner, columns).
///
/// # Errors
/// Shapes that do not fit.
pub fn linear(tape: &Tape, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    tape.two([x, weight], Linear)
}

fn forward<T: Real>(
    x: (&CpuStorage, &Layout),
    weight: (&CpuStorage, &Layout),
    [rows, inner, columns]: [usize; 3],
) -> Result<CpuStorage> {
    let (x, weight) = (
        slice::<T>(NAME, x.0, x.1)?,
        slice::<T>(NAME, weight.0, weight.1)?,
    );
    let elements = x.len() + weight.len() + rows * columns;
    let _span = profile::span(
        "linear.forward",
        2 * rows * inner * columns,
        elements * size_of::<T>(),
    );
    let y = cpu::product(cpu::View::new(x, inner), cpu::View::new(weight, columns));
    Ok(T::to_cpu_storage_owned(y))
}

fn backward<T: Real>(x: &Tensor, weight: &Tensor, grad: &Tensor) -> Result<[Tensor; 2]> {
    let (rows, inner) = matrix(NAME, x.shape())?;
    let columns = weight.dim(1)?;
    let (x_host, weight_host, grad_host) = (Open::of(x), Open::of(weight), Open::of(grad));
    let [x_data, weight_data, grad_data] = [
        x_host.slice::<T>(NAME)?,
        weight_host.slice(NAME)?,
        grad_host.slice(NAME)?,
    ];
    let elements = 2 * (x_data.len() + weight_data.len()) + grad_data.len();
    let _span = profile::span(
        "linear.backward",
        4 * rows * inner * columns,
        elements * size_of::<T>(),
    );
    let grad = cpu::View::new(grad_data, columns);
    let grad_x = cpu::product(grad, cpu::View::new(weight_data, columns).transposed());
    let grad_weight = cpu::product(cpu::View::new(x_data, inner).transposed(), grad);
    Ok([
        Tensor::from_vec(grad_x, x.shape(), x.device())?,
        Tensor::from_vec(grad_weight, weight.shape(), x.device())?,
    ])
}

/// Rows of x, and inputs and outputs of the weight.
fn sizes(x: &Layout, weight: &Layout) -> Result<[usize; 3]> {
    let (rows, inner) = matrix(NAME, x.shape())?;
    let (weight_rows, columns) = matrix(NAME, weight.shape())?;
    if weight_rows != inner {
        bail!("{NAME}: {inner} inputs meet a weight of shape ({weight_rows}, {columns})");
    }
    Ok([rows, inner, columns])
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let [rows, inner, columns] = sizes(x_layout, weight_layout)?;
        let (x, weight) = ((x, x_layout), (weight, weight_layout));
        let y = for_real!(NAME, x.0.dtype(), T => forward::<T>(x, weight, [rows, inner, columns]))?;
        Ok((y, (rows, columns).into()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &candle_core::CudaStorage,
        x_layout: &Layout,
        weight: &candle_core::CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        let [rows, inner, columns] = sizes(x_layout, weight_layout)?;
        let elements = rows * inner + inner * columns + rows * columns;
        let _span = span(
            x.device(),
            "linear.forward",
            2 * rows * inner * columns,
            elements * x.dtype().size_in_bytes(),
        )?;
        let y = x.matmul(weight, (1, rows, columns, inner), x_layout, weight_layout)?;
        Ok((y, (rows, columns).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        #[cfg(feature = "cuda")]
        if x.device().is_cuda() {
            let (rows, inner, columns) = (x.dim(0)?, x.dim(1)?, weight.dim(1)?);
            let elements = 2 * (rows * inner + inner * columns) + rows * columns;
            let _span = span(
                x.device().as_cuda_device()?,
                "linear.backward",
                4 * rows * inner * columns,
                elements * x.dtype().size_in_bytes(),
            )?;
            // Detached: a parameter would begin a graph of candle's, which would keep every
            // activation alive.
            let grad_x = grad.matmul(&weight.detach().t()?)?;
            return Ok((Some(grad_x), Some(x.detach().t()?.matmul(&grad)?)));
        }
        let [grad_x, grad_weight] =
            for_real!(NAME, x.dtype(), T => backward::<T>(x, weight, &grad))?;
        Ok((Some(grad_x), Some(grad_weight)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{check, input, uniform};

    #[test]
    fn agrees_with_the_reference_and_its_gradients() {
        for (rows, inner, columns) in [(1, 1, 1), (1, 7, 3), (5, 1, 4), (17, 9, 13), (3, 33, 2)] {
            check(
                &[
                    input(&[rows, inner], uniform(rows * inner, 1)),
                    input(&[inner, columns], uniform(inner * columns, 2)),
                ],
                |tape, t| linear(tape, &t[0], &t[1]),
                |x| reference::forward(&x[0], &x[1], inner),
            );
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_named() {
        let zeros = |shape: (usize, usize)| {
            Tensor::zeros(shape, candle_core::DType::F32, &candle_core::Device::Cpu).unwrap()
        };
        let message = linear(&Tape::off(), &zeros((2, 3)), &zeros((4, 5)))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("3 inputs meet a weight of shape (4, 5)"),
            "{message}"
        );
    }
}
