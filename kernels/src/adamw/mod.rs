//! AdamW: Adam with decoupled weight decay and bias correction.
//!
//! | version | where | notes |
//! |---|---|---|
//! | reference | `reference.rs` | f64, one parameter at a time |
//! | cpu | `cpu.rs` | in place, one pass, pieces in parallel; f32 and f64 |
//! | cuda | `cuda.cu` | f32 and bf16, with masters and moments in f32; run on a CPU in the tests |
//!
//! Shapes: parameter, gradient, m and v of one shape, any. Layout: contiguous. Tolerance against
//! the reference: 1e-5 in f32 and 1e-12 in f64 after several steps. It is the optimiser, so it has
//! no backward.

pub mod cpu;
pub mod cuda;
pub mod reference;
mod state;

pub use state::{Part, State, Stored, set, update_all};

use crate::host::slice;
use crate::profile;
use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, bail};
use std::sync::Mutex;

const NAME: &str = "adamw";

/// One step's rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decay of the parameter itself, times the learning rate.
    pub weight_decay: f64,
    /// The number of this step, counted from 1; the bias correction needs it.
    pub step: u64,
}

/// First and second moment of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Running mean of gradients.
    pub m: Vec<f32>,
    /// Running mean of squared gradients.
    pub v: Vec<f32>,
}

impl Moments {
    /// Both zero, for `elements` elements.
    #[must_use]
    pub fn zeros(elements: usize) -> Self {
        Self {
            m: vec![0.0; elements],
            v: vec![0.0; elements],
        }
    }
}

struct AdamW<'a> {
    rule: Rule,
    // candle hands an in-place operation `&self`; the lock is taken once a parameter and never
    // contended.
    moments: Mutex<&'a mut Moments>,
}

/// Updates the f32 tensor `parameter` in place from `grad`.
///
/// # Errors
/// Another dtype than f32, a layout that is not contiguous, lengths that differ.
pub fn update(parameter: &Tensor, grad: &Tensor, moments: &mut Moments, rule: Rule) -> Result<()> {
    let moments = Mutex::new(moments);
    parameter.inplace_op2(&grad.contiguous()?, &AdamW { rule, moments })
}

impl InplaceOp2 for AdamW<'_> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        parameter: &mut CpuStorage,
        parameter_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<()> {
        let grad = slice::<f32>(NAME, grad, grad_layout)?;
        let CpuStorage::F32(data) = parameter else {
            bail!("{NAME}: parameters must be f32");
        };
        let Some((start, end)) = parameter_layout.contiguous_offsets() else {
            bail!("{NAME}: the parameter must be contiguous");
        };
        let mut moments = self
            .moments
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let Moments { m, v } = &mut **moments;
        let n = grad.len();
        if [end - start, m.len(), v.len()] != [n; 3] {
            bail!(
                "{NAME}: {} parameters, {n} gradients, moments of {} and {}",
                end - start,
                m.len(),
                v.len()
            );
        }
        let _span = profile::span("adamw", 12 * n, 7 * size_of_val(grad));
        cpu::update(&mut data[start..end], grad, m, v, &self.rule);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Real;
    use crate::check::{assert_close, real, uniform, with_threads};
    use candle_core::{Device, Var};

    const STEPS: u64 = 5;

    fn rule(step: u64) -> Rule {
        Rule {
            learning_rate: 0.01,
            beta1: 0.9,
            beta2: 0.95,
            epsilon: 1e-8,
            weight_decay: 0.1,
            step,
        }
    }

    fn grad(n: usize, step: u64) -> Vec<f64> {
        uniform(n, 100 + step)
    }

    fn expected(n: usize) -> Vec<f64> {
        let mut parameters = uniform(n, 1);
        let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
        for step in 1..=STEPS {
            let grad = grad(n, step);
            for i in 0..n {
                (parameters[i], m[i], v[i]) =
                    reference::update(parameters[i], grad[i], m[i], v[i], &rule(step));
            }
        }
        parameters
    }

    fn actual<T: Real>(n: usize) -> Vec<f64> {
        let mut parameters: Vec<T> = real(&uniform(n, 1));
        let (mut m, mut v) = (vec![T::zero(); n], vec![T::zero(); n]);
        for step in 1..=STEPS {
            let grad: Vec<T> = real(&grad(n, step));
            cpu::update(&mut parameters, &grad, &mut m, &mut v, &rule(step));
        }
        parameters.into_iter().map(T::to_f64).collect()
    }

    #[test]
    fn agrees_with_the_reference_over_several_steps() {
        for n in [1, 7, 8191, 8193] {
            let expected = expected(n);
            assert_close("f64", &actual::<f64>(n), &expected, 1e-12);
            assert_close("f32", &actual::<f32>(n), &expected, 1e-5);
            let one = with_threads(1, || actual::<f32>(n));
            assert_eq!(one, with_threads(3, || actual::<f32>(n)));
        }
    }

    #[test]
    fn the_operation_updates_its_tensor_in_place() {
        let parameter = Var::new(&[1.0f32, -1.0], &Device::Cpu).unwrap();
        let grad = Tensor::new(&[0.5f32, f32::NAN], &Device::Cpu).unwrap();
        let mut moments = Moments::zeros(2);
        update(parameter.as_tensor(), &grad, &mut moments, rule(1)).unwrap();
        let values = parameter.to_vec1::<f32>().unwrap();
        assert!((values[0] - 0.989).abs() <= 1e-6, "{values:?}");
        assert!(
            values[1].is_nan(),
            "a non-finite gradient must not be hidden"
        );
    }

    #[test]
    fn lengths_that_differ_are_named() {
        let parameter = Var::new(&[1.0f32, -1.0], &Device::Cpu).unwrap();
        let grad = Tensor::new(&[0.5f32], &Device::Cpu).unwrap();
        let error = update(
            parameter.as_tensor(),
            &grad,
            &mut Moments::zeros(2),
            rule(1),
        );
        let message = error.unwrap_err().to_string();
        assert!(message.contains("2 parameters, 1 gradients"), "{message}");
    }
}
