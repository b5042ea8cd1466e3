//! RMSNorm: every row divided by its root mean square, times a learned weight.
//!
//! | version | where | notes |
//! |---|---|---|
//! | reference | `reference.rs` | f64, one expression |
//! | cpu | `cpu.rs` | rows in parallel; f32 and f64 |
//! | cuda | `cuda.cu` | f32 and bf16; run on a CPU in the tests |
//!
//! Shapes: x (rows, width), weight (width), y (rows, width). Layout: contiguous, row-major.
//! Tolerance against the reference: 1e-5 relative in f32, 1e-12 in f64; gradients 1e-3 and 1e-6.

pub mod cpu;
pub mod cuda;
pub mod reference;

use crate::add::sum;
use crate::host::{Open, for_real, matrix, slice};
use crate::tape::{Onto, Tape};
use crate::{Real, profile};
use candle_core::backend::BackendStorage as _;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

#[cfg(feature = "cuda")]
use crate::cuda::device::for_cuda_real;

const NAME: &str = "rms_norm";

struct RmsNorm {
    epsilon: f64,
}

/// Normalises the rows of `x` (rows, width) and scales them by `weight` (width).
///
/// # Errors
/// Shapes that do not fit, a dtype other than f32 or f64, a layout that is not contiguous.
pub fn rms_norm(tape: &Tape, x: &Tensor, weight: &Tensor, epsilon: f64) -> Result<Tensor> {
    tape.onto([x, weight], RmsNorm { epsilon })
}

/// `a + b`, and what [`rms_norm`] makes of that: a residual connection and the norm that follows
/// it, on a device in one kernel.
///
/// # Errors
/// As [`rms_norm`], or shapes of `a` and `b` that differ.
pub fn add_rms_norm(
    tape: &Tape,
    [a, b]: [&Tensor; 2],
    weight: &Tensor,
    epsilon: f64,
) -> Result<[Tensor; 2]> {
    #[cfg(feature = "cuda")]
    if a.device().is_cuda() {
        check_shapes(a.layout(), weight.layout())?;
        let [x, y] =
            for_cuda_real!(NAME, a.dtype(), T => cuda::add_forward::<T>([a, b], weight, epsilon))?;
        tape.record_add(&x, [a, b]);
        tape.record_onto(&y, [&x, weight], RmsNorm { epsilon });
        return Ok([x, y]);
    }
    let x = tape.add(a, b)?;
    let y = rms_norm(tape, &x, weight, epsilon)?;
    Ok([x, y])
}

impl RmsNorm {
    fn forward<T: Real>(
        &self,
        x: (&CpuStorage, &Layout),
        weight: (&CpuStorage, &Layout),
    ) -> Result<CpuStorage> {
        let (x, weight) = (
            slice::<T>(NAME, x.0, x.1)?,
            slice(NAME, weight.0, weight.1)?,
        );
        let _span = profile::span(
            "rms_norm.forward",
            4 * x.len(),
            2 * size_of_val(x) + size_of_val(weight),
        );
        Ok(T::to_cpu_storage_owned(cpu::forward(
            x,
            weight,
            self.epsilon,
        )))
    }

    fn backward<T: Real>(&self, x: &Tensor, weight: &Tensor, grad: &Tensor) -> Result<[Tensor; 2]> {
        let (x_host, weight_host, grad_host) = (Open::of(x), Open::of(weight), Open::of(grad));
        let (x_data, weight_data) = (x_host.slice::<T>(NAME)?, weight_host.slice(NAME)?);
        let _span = profile::span(
            "rms_norm.backward",
            9 * x_data.len(),
            3 * size_of_val(x_data) + 2 * size_of_val(weight_data),
        );
        let (grad_x, grad_weight) =
            cpu::backward(x_data, weight_data, grad_host.slice(NAME)?, self.epsilon);
        Ok([
            Tensor::from_vec(grad_x, x.shape(), x.device())?,
            Tensor::from_vec(grad_weight, weight.shape(), x.device())?,
        ])
    }
}

fn check_shapes(x: &Layout, weight: &Layout) -> Result<()> {
    let (_, width) = matrix(NAME, x.shape())?;
    if weight.dims() != [width] {
        bail!(
            "{NAME}: rows are {width} wide, the weight has the shape {:?}",
            weight.dims()
        );
    }
    Ok(())
}

impl CustomOp2 for RmsNorm {
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
        check_shapes(x_layout, weight_layout)?;
        let (x, weight) = ((x, x_layout), (weight, weight_layout));
        let y = for_real!(NAME, x.0.dtype(), T => self.forward::<T>(x, weight))?;
        Ok((y, x_layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &candle_core::CudaStorage,
        x_layout: &Layout,
        weight: &candle_core::CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        check_shapes(x_layout, weight_layout)?;
        let (x, weight) = ((x, x_layout), (weight, weight_layout));
        let y =
            for_cuda_real!(NAME, x.0.dtype(), T => cuda::forward::<T>(x, weight, self.epsilon))?;
        Ok((y, x_layout.shape().clone()))
    }
}

impl Onto for RmsNorm {
    fn backward_onto(
        &self,
        [x, weight]: [&Tensor; 2],
        grad: &Tensor,
        before: Option<&Tensor>,
    ) -> Result<[Tensor; 2]> {
        let grad = grad.contiguous()?;
        #[cfg(feature = "cuda")]
        if x.device().is_cuda() {
            return for_cuda_real!(NAME, x.dtype(), T =>
                cuda::backward::<T>([x, weight], &grad, before, self.epsilon));
        }
        let [grad_x, grad_weight] =
            for_real!(NAME, x.dtype(), T => self.backward::<T>(x, weight, &grad))?;
        let grad_x = before.map_or(Ok(grad_x.clone()), |before| {
            sum("add.backward", before, &grad_x)
        })?;
        Ok([grad_x, grad_weight])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Input, assert_close, check, input, uniform};
    use proptest::prelude::*;

    const EPSILON: f64 = 1e-5;

    fn inputs(rows: usize, width: usize, seed: u64) -> Vec<Input> {
        vec![
            input(&[rows, width], uniform(rows * width, seed)),
            input(&[width], uniform(width, seed + 1)),
        ]
    }

    fn check_rms_norm(inputs: &[Input]) {
        check(
            inputs,
            |tape, t| rms_norm(tape, &t[0], &t[1], EPSILON),
            |x| reference::forward(&x[0], &x[1], EPSILON),
        );
    }

    #[test]
    fn agrees_with_the_reference_and_its_gradients() {
        for (rows, width) in [(1, 1), (1, 7), (3, 8), (5, 31), (67, 3), (2, 65)] {
            check_rms_norm(&inputs(rows, width, 3));
        }
    }

    #[test]
    fn a_row_of_zeros_stays_zero_with_a_finite_gradient() {
        let (zeros, ones) = ([0.0f64; 3], [1.0; 3]);
        assert_eq!(cpu::forward(&zeros, &ones, EPSILON), zeros);
        let (grad, _) = cpu::backward(&zeros, &ones, &[1.0, -1.0, 0.0], EPSILON);
        let slope = 1.0 / EPSILON.sqrt();
        assert_close("gradient", &grad, &[slope, -slope, 0.0], 1e-12);
    }

    #[test]
    fn not_a_number_stays_in_its_row() {
        let y = cpu::forward(&[1.0f32, f32::NAN, 1.0, 2.0], &[1.0, 1.0], EPSILON);
        assert!(y[..2].iter().all(|v| v.is_nan()) && y[2..].iter().all(|v| v.is_finite()));
    }

    #[test]
    fn a_weight_of_the_wrong_width_is_named() {
        let x = Tensor::zeros((2, 3), candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
        let weight = Tensor::zeros(4, candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
        let message = rms_norm(&Tape::off(), &x, &weight, EPSILON)
            .unwrap_err()
            .to_string();
        assert!(message.contains("rows are 3 wide"), "{message}");
    }

    proptest! {
        #[test]
        fn rows_do_not_depend_on_each_other(rows in 1usize..9, width in 1usize..40, seed in 0u64..1000) {
            let x: Vec<f32> = uniform(rows * width, seed).iter().map(|&v| v as f32).collect();
            let weight = vec![1.0f32; width];
            let whole = cpu::forward(&x, &weight, EPSILON);
            for (row, expected) in x.chunks(width).zip(whole.chunks(width)) {
                prop_assert_eq!(cpu::forward(row, &weight, EPSILON), expected);
            }
        }
    }
}
