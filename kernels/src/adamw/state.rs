//! What AdamW keeps of a parameter, wherever that trains.

use super::{Moments, Rule};
use candle_core::{DType, Device, Result, Tensor, Var};

#[cfg(feature = "cuda")]
use super::cuda;

/// The optimiser's state of one parameter. On the CPU the parameter is f32 and its own master. On
/// CUDA it may be bf16, a copy of a master in f32 that lives here: most updates are too small to
/// change a bf16.
#[derive(Debug)]
pub enum State {
    /// On the CPU.
    Cpu(Moments),
    /// On CUDA.
    #[cfg(feature = "cuda")]
    Cuda(cuda::State),
}

/// A parameter and its moments on the host, in f32: what a checkpoint holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The parameter's value, of the master where there is one.
    pub value: Vec<f32>,
    /// Running mean of gradients, and of their squares.
    pub moments: Moments,
}

impl State {
    /// Sets `parameter` to `value`, with moments of zero.
    ///
    /// # Errors
    /// Another length than the parameter's, or what candle reports.
    pub fn new(parameter: &Var, value: Vec<f32>) -> Result<Self> {
        #[cfg(feature = "cuda")]
        if let Device::Cuda(device) = parameter.device() {
            set(parameter, &value)?;
            return Ok(Self::Cuda(cuda::State::new(device, &value)?));
        }
        let moments = Moments::zeros(value.len());
        Self::restore(parameter, Stored { value, moments })
    }

    /// Sets `parameter` to what was stored and goes on from there.
    ///
    /// # Errors
    /// Another length than the parameter's, or what candle reports.
    pub fn restore(parameter: &Var, stored: Stored) -> Result<Self> {
        set(parameter, &stored.value)?;
        #[cfg(feature = "cuda")]
        if let Device::Cuda(device) = parameter.device() {
            return Ok(Self::Cuda(cuda::State::on(device, &stored)?));
        }
        Ok(Self::Cpu(stored.moments))
    }

    /// What a checkpoint holds of `parameter`.
    ///
    /// # Errors
    /// What candle reports.
    pub fn store(&self, parameter: &Tensor) -> Result<Stored> {
        match self {
            Self::Cpu(moments) => Ok(Stored {
                value: parameter.flatten_all()?.to_vec1()?,
                moments: moments.clone(),
            }),
            #[cfg(feature = "cuda")]
            Self::Cuda(state) => state.store(),
        }
    }
}

/// One parameter's part of a step.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// What is updated in place.
    pub parameter: &'a Tensor,
    /// Its gradient, contiguous.
    pub grad: &'a Tensor,
    /// This step's rule for it.
    pub rule: Rule,
}

/// One step of parameters that are all in one place, each with its state; on a GPU in few launches.
///
/// # Errors
/// A dtype that the place has no version for, a layout that is not contiguous, lengths that differ.
pub fn update_all<'a>(parts: impl IntoIterator<Item = (Part<'a>, &'a mut State)>) -> Result<()> {
    #[cfg(feature = "cuda")]
    let mut on_cuda = Vec::new();
    for (part, state) in parts {
        match state {
            State::Cpu(moments) => super::update(part.parameter, part.grad, moments, part.rule)?,
            #[cfg(feature = "cuda")]
            State::Cuda(state) => on_cuda.push((part, state)),
        }
    }
    #[cfg(feature = "cuda")]
    cuda::update_all(&mut on_cuda)?;
    Ok(())
}

/// Overwrites a parameter, in its own dtype and place.
///
/// # Errors
/// Another length than the parameter's, or what candle reports.
pub fn set(parameter: &Var, value: &[f32]) -> Result<()> {
    let value = Tensor::from_slice(value, parameter.shape(), &Device::Cpu)?;
    // Rounded on the CPU, where no module has to be loaded for it.
    let value = match parameter.dtype() {
        DType::F32 => value,
        other => value.to_dtype(other)?,
    };
    parameter.set(&value.to_device(parameter.device())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_goes_on_from_what_was_stored() {
        let rule = Rule {
            learning_rate: 0.01,
            beta1: 0.9,
            beta2: 0.95,
            epsilon: 1e-8,
            weight_decay: 0.1,
            step: 1,
        };
        let grad = Tensor::new(&[[0.5f32, -2.0]], &Device::Cpu).unwrap();
        let update = |parameter: &Var, state: &mut State, rule| {
            let (parameter, grad) = (parameter.as_tensor(), &grad);
            let part = Part {
                parameter,
                grad,
                rule,
            };
            update_all([(part, state)]).unwrap();
        };
        let zeros = || Var::zeros((1, 2), DType::F32, &Device::Cpu).unwrap();
        let (first, second) = (zeros(), zeros());
        let mut state = State::new(&first, vec![1.0, 3.0]).unwrap();
        update(&first, &mut state, rule);
        let stored = state.store(&first).unwrap();
        assert_ne!(stored.value, [1.0, 3.0]);
        let mut restored = State::restore(&second, stored.clone()).unwrap();
        assert_eq!(restored.store(&second).unwrap(), stored);
        let rule = Rule { step: 2, ..rule };
        update(&first, &mut state, rule);
        update(&second, &mut restored, rule);
        assert_eq!(
            state.store(&first).unwrap(),
            restored.store(&second).unwrap()
        );
        assert!(State::new(&first, vec![1.0]).is_err());
    }
}
