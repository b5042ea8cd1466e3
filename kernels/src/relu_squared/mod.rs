//! ReLU squared, element by element.
//!
//! | version | where | notes |
//! |---|---|---|
//! | reference | `reference.rs` | f64 |
//! | cpu | `cpu.rs` | pieces in parallel; f32 and f64 |
//! | cuda | `cuda.cu` | f32 and bf16; run on a CPU in the tests |
//!
//! Shapes: any; y has the shape of x. Layout: contiguous. Tolerance against the reference: exact in
//! f64, one rounding in f32 (1e-5); gradients 1e-3 and 1e-6.

pub mod cpu;
pub mod cuda;
pub mod reference;

use crate::host::{Open, for_real, slice};
use crate::tape::Tape;
use crate::{Real, profile};
use candle_core::backend::BackendStorage as _;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

#[cfg(feature = "cuda")]
use crate::cuda::device::for_cuda_real;

const NAME: &str = "relu_squared";

struct ReluSquared;

/// `max(x, 0)^2` of any shape.
///
/// # Errors
/// A dtype other than f32 or f64, a layout that is not contiguous.
pub fn relu_squared(tape: &Tape, x: &Tensor) -> Result<Tensor> {
    tape.one(x, ReluSquared)
}

fn forward<T: Real>(storage: &CpuStorage, layout: &Layout) -> Result<CpuStorage> {
    let x = slice::<T>(NAME, storage, layout)?;
    let _span = profile::span("relu_squared.forward", 2 * x.len(), 2 * size_of_val(x));
    Ok(T::to_cpu_storage_owned(cpu::forward(x)))
}

fn backward<T: Real>(x: &Tensor, grad: &Tensor) -> Result<Tensor> {
    let (x_host, grad_host) = (Open::of(x), Open::of(grad));
    let data = x_host.slice::<T>(NAME)?;
    let _span = profile::span(
        "relu_squared.backward",
        3 * data.len(),
        3 * size_of_val(data),
    );
    let grad_x = cpu::backward(data, grad_host.slice(NAME)?);
    Tensor::from_vec(grad_x, x.shape(), x.device())
}

impl CustomOp1 for ReluSquared {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = for_real!(NAME, storage.dtype(), T => forward::<T>(storage, layout))?;
        Ok((y, layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        storage: &candle_core::CudaStorage,
        layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        let y = for_cuda_real!(NAME, storage.dtype(), T => cuda::forward::<T>(storage, layout))?;
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        #[cfg(feature = "cuda")]
        if x.device().is_cuda() {
            return for_cuda_real!(NAME, x.dtype(), T => cuda::backward::<T>(x, &grad)).map(Some);
        }
        for_real!(NAME, x.dtype(), T => backward::<T>(x, &grad)).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{check, input, uniform};
    use proptest::prelude::*;

    #[test]
    fn agrees_with_the_reference_and_its_gradients() {
        for n in [1, 2, 31, 997] {
            check(
                &[input(&[n], uniform(n, 5))],
                |tape, t| relu_squared(tape, &t[0]),
                |x| reference::forward(&x[0]),
            );
        }
    }

    #[test]
    fn non_finite_values_pass_through() {
        let y = cpu::forward(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        assert!(y[0].is_nan() && y[1] == f32::INFINITY && y[2] == 0.0);
        let grad = cpu::backward(&[1.0f32, f32::NAN], &[f32::NAN, 1.0]);
        assert!(grad.iter().all(|g| g.is_nan()));
    }

    proptest! {
        #[test]
        fn every_length_is_cut_without_loss(n in 1usize..70_000) {
            let x = vec![2.0f32; n];
            prop_assert!(cpu::forward(&x) == vec![4.0; n]);
        }
    }
}
