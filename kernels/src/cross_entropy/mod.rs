//! Cross-entropy of logits against target symbols: the mean negative log-likelihood in nats.
//!
//! | version | where | notes |
//! |---|---|---|
//! | reference | `reference.rs` | f64 |
//! | cpu | `cpu.rs` | rows in parallel; row losses are added in f64 and in order; f32 and f64 |
//! | cuda | `cuda.cu` | f32 and bf16; run on a CPU in the tests |
//!
//! Shapes: logits (rows, symbols), targets (rows) as u32, loss: a scalar **in f64**, whatever the
//! logits are: two runs that differ by one unit in the last place of a weight have equal losses in
//! f32 for many steps, and how far they drift is a measure. Layout: contiguous. Tolerance against
//! the reference: 1e-5 in f32, 1e-12 in f64; gradients 1e-3 and 1e-6.

pub mod cpu;
pub mod cuda;
pub mod reference;

use crate::host::{Open, for_real, matrix, slice};
use crate::tape::Tape;
use crate::{Real, profile};
use candle_core::backend::BackendStorage as _;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

#[cfg(feature = "cuda")]
use crate::cuda::device::{for_cuda_real, open};

const NAME: &str = "cross_entropy";

struct CrossEntropy {
    /// Whether the forward on a device computes the gradient too, while it has the logits at hand.
    #[cfg(feature = "cuda")]
    wanted: bool,
    /// That gradient, for a mean whose gradient is 1.
    #[cfg(feature = "cuda")]
    gradient: std::sync::Mutex<Option<candle_core::CudaStorage>>,
}

/// The mean of `-ln softmax(logits)[target]` over rows, as a scalar in f64.
///
/// # Errors
/// Shapes that do not fit, a target that is no symbol, a dtype other than f32 or f64.
pub fn cross_entropy(tape: &Tape, logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let operation = CrossEntropy {
        #[cfg(feature = "cuda")]
        wanted: tape.records(),
        #[cfg(feature = "cuda")]
        gradient: std::sync::Mutex::default(),
    };
    tape.two([logits, targets], operation)
}

/// The loss of each row of `logits` (rows, symbols) in nats; no gradient. For evaluation.
///
/// # Errors
/// As [`cross_entropy`].
pub fn row_losses(logits: &Tensor, targets: &[u32]) -> Result<Vec<f64>> {
    let (_, symbols) = check_shapes(logits.shape(), targets)?;
    #[cfg(feature = "cuda")]
    if logits.device().is_cuda() {
        return for_cuda_real!(NAME, logits.dtype(), T => cuda::row_losses::<T>(logits, targets));
    }
    let host = Open::of(logits);
    for_real!(NAME, logits.dtype(), T => Ok(cpu::forward(host.slice::<T>(NAME)?, symbols, targets)))
}

fn check_shapes(logits: &Shape, targets: &[u32]) -> Result<(usize, usize)> {
    let (rows, symbols) = matrix(NAME, logits)?;
    if targets.len() != rows {
        bail!(
            "{NAME}: {rows} rows of logits and {} targets",
            targets.len()
        );
    }
    if let Some(target) = targets.iter().find(|&&t| t as usize >= symbols) {
        bail!("{NAME}: target {target} among {symbols} symbols");
    }
    Ok((rows, symbols))
}

fn forward<T: Real>(
    logits: (&CpuStorage, &Layout),
    targets: (&CpuStorage, &Layout),
) -> Result<CpuStorage> {
    let targets = slice::<u32>(NAME, targets.0, targets.1)?;
    let (rows, symbols) = check_shapes(logits.1.shape(), targets)?;
    let logits = slice::<T>(NAME, logits.0, logits.1)?;
    let _span = profile::span(
        "cross_entropy.forward",
        4 * logits.len(),
        size_of_val(logits),
    );
    let losses = cpu::forward(logits, symbols, targets);
    let mean = losses.iter().sum::<f64>() / rows as f64;
    Ok(CpuStorage::F64(vec![mean]))
}

fn backward<T: Real>(logits: &Tensor, targets: &Tensor, grad: &Tensor) -> Result<Tensor> {
    let (rows, symbols) = matrix(NAME, logits.shape())?;
    let (logits_host, targets_host, grad_host) =
        (Open::of(logits), Open::of(targets), Open::of(grad));
    let data = logits_host.slice::<T>(NAME)?;
    let scale = T::from_f64(grad_host.slice::<f64>(NAME)?[0] / rows as f64);
    let _span = profile::span(
        "cross_entropy.backward",
        5 * data.len(),
        2 * size_of_val(data),
    );
    let grad_logits = cpu::backward(data, symbols, targets_host.slice(NAME)?, scale);
    Tensor::from_vec(grad_logits, logits.shape(), logits.device())
}

impl CustomOp2 for CrossEntropy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        logits: &CpuStorage,
        logits_layout: &Layout,
        targets: &CpuStorage,
        targets_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (logits, targets) = ((logits, logits_layout), (targets, targets_layout));
        let loss = for_real!(NAME, logits.0.dtype(), T => forward::<T>(logits, targets))?;
        Ok((loss, ().into()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        logits: &candle_core::CudaStorage,
        logits_layout: &Layout,
        targets: &candle_core::CudaStorage,
        targets_layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        let (_, columns) = matrix(NAME, logits_layout.shape())?;
        let (logits, targets) = ((logits, logits_layout), (targets, targets_layout));
        let (loss, gradient) = for_cuda_real!(NAME, logits.0.dtype(), T => cuda::forward::<T>(logits, targets, columns, self.wanted))?;
        *open(&self.gradient) = gradient;
        Ok((loss, ().into()))
    }

    fn bwd(
        &self,
        logits: &Tensor,
        targets: &Tensor,
        _loss: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        #[cfg(feature = "cuda")]
        if logits.device().is_cuda() {
            let gradient = open(&self.gradient).take();
            let grad = for_cuda_real!(NAME, logits.dtype(), T => cuda::backward::<T>(logits, grad, gradient))?;
            return Ok((Some(grad), None));
        }
        let grad = for_real!(NAME, logits.dtype(), T => backward::<T>(logits, targets, grad))?;
        Ok((Some(grad), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{check, input, uniform};
    use candle_core::Device;
    use proptest::prelude::*;

    fn targets(rows: usize, symbols: usize) -> Vec<u32> {
        (0..rows).map(|i| (i * 31 % symbols) as u32).collect()
    }

    fn check_cross_entropy(rows: usize, symbols: usize, logits: Vec<f64>) {
        let targets = targets(rows, symbols);
        let tensor = Tensor::new(targets.as_slice(), &Device::Cpu).unwrap();
        check(
            &[input(&[rows, symbols], logits)],
            |tape, t| cross_entropy(tape, &t[0], &tensor),
            |x| vec![reference::forward(&x[0], symbols, &targets)],
        );
    }

    #[test]
    fn agrees_with_the_reference_and_its_gradients() {
        for (rows, symbols) in [(1, 1), (1, 5), (7, 2), (37, 11), (33, 16)] {
            check_cross_entropy(rows, symbols, uniform(rows * symbols, 6));
        }
    }

    #[test]
    fn large_logits_do_not_overflow() {
        check_cross_entropy(1, 3, vec![1000.0, 999.0, -1000.0]);
    }

    #[test]
    fn non_finite_logits_give_a_non_finite_loss() {
        for bad in [f32::NAN, f32::INFINITY] {
            for place in 0..3 {
                let mut logits = [0.5f32, 0.25, 0.125];
                logits[place] = bad;
                assert!(
                    !cpu::forward(&logits, 3, &[0])[0].is_finite(),
                    "{bad} at {place}"
                );
                assert!(
                    cpu::backward(&logits, 3, &[0], 1.0)
                        .iter()
                        .any(|g| g.is_nan())
                );
            }
        }
    }

    #[test]
    fn a_target_that_is_no_symbol_is_named() {
        let logits = Tensor::zeros((2, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
        let targets = Tensor::new(&[0u32, 3], &Device::Cpu).unwrap();
        let message = cross_entropy(&Tape::off(), &logits, &targets)
            .unwrap_err()
            .to_string();
        assert!(message.contains("target 3 among 3 symbols"), "{message}");
    }

    proptest! {
        #[test]
        fn a_row_of_gradients_sums_to_zero(symbols in 2usize..50, seed in 0u64..1000) {
            let logits: Vec<f32> = uniform(symbols, seed).iter().map(|&v| (v * 20.0) as f32).collect();
            let sum: f32 = cpu::backward(&logits, symbols, &[0], 1.0).iter().sum();
            prop_assert!(sum.abs() <= 1e-5, "{sum}");
        }
    }
}
