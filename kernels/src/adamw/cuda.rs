//! Launches of `cuda.cu`.

use super::NAME;
use crate::cuda::Launch;
use candle_core::Result;

/// Threads of a block, each with one element.
pub const ADAMW_THREADS: usize = 256;

/// The update of so many elements.
///
/// # Errors
/// No elements, or more than a GPU has blocks for.
pub fn launch(elements: usize) -> Result<Launch> {
    let blocks = [elements.div_ceil(ADAMW_THREADS), 1, 1];
    Launch::new(NAME, blocks, ADAMW_THREADS)
}

#[cfg(feature = "cuda")]
pub use device::{State, update};

#[cfg(feature = "cuda")]
mod device {
    use super::{NAME, launch};
    use crate::adamw::Rule;
    use crate::adamw::cpu::Constants;
    use crate::cuda::device::{CudaReal, Source, for_cuda_real, start, view};
    use candle_core::backend::BackendStorage as _;
    use candle_core::cuda_backend::CudaDevice;
    use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DeviceRepr};
    use candle_core::{
        CpuStorage, CudaStorage, DType, Device, InplaceOp2, Layout, Result, Tensor, bail,
    };
    use std::sync::{Mutex, PoisonError};

    const SOURCE: Source = Source {
        operation: NAME,
        text: include_str!("cuda.cu"),
    };

    // SAFETY: eight f32, laid out as in C.
    #[expect(unsafe_code, reason = "an argument of a kernel")]
    unsafe impl DeviceRepr for Constants<f32> {}

    /// Master weights and moments of one parameter, in f32 on its device.
    #[derive(Debug)]
    pub struct State {
        master: CudaSlice<f32>,
        m: CudaSlice<f32>,
        v: CudaSlice<f32>,
    }

    impl State {
        /// The master is `parameter`, the moments are zero.
        ///
        /// # Errors
        /// A parameter that is not on a CUDA device.
        pub fn of(parameter: &Tensor) -> Result<Self> {
            let Device::Cuda(device) = parameter.device() else {
                bail!("{NAME}: the parameter must be on a CUDA device");
            };
            let values = parameter
                .flatten_all()?
                .to_dtype(DType::F32)?
                .to_vec1::<f32>()?;
            let mut master = device.alloc_zeros::<f32>(values.len())?;
            device.memcpy_htod(&values, &mut master)?;
            let zeros = |device: &CudaDevice| device.alloc_zeros::<f32>(values.len());
            Ok(Self {
                master,
                m: zeros(device)?,
                v: zeros(device)?,
            })
        }
    }

    struct Update<'a> {
        rule: Rule,
        // candle hands an in-place operation `&self`; the lock is taken once a parameter and never contended.
        state: Mutex<&'a mut State>,
    }

    /// Updates the master in `state` from `grad`, and `parameter`, in its own dtype, from the master.
    ///
    /// # Errors
    /// A dtype other than f32 and bf16, a layout that is not contiguous, lengths that differ.
    pub fn update(parameter: &Tensor, grad: &Tensor, state: &mut State, rule: Rule) -> Result<()> {
        let state = Mutex::new(state);
        parameter.inplace_op2(&grad.contiguous()?, &Update { rule, state })
    }

    impl Update<'_> {
        fn run<T: CudaReal>(
            &self,
            parameter: (&mut CudaStorage, &Layout),
            grad: (&CudaStorage, &Layout),
        ) -> Result<()> {
            let device = grad.0.device();
            let grad = view::<T>(NAME, grad.0, grad.1)?;
            let Some((first, end)) = parameter.1.contiguous_offsets() else {
                bail!("{NAME}: the parameter must be contiguous");
            };
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let State { master, m, v } = &mut **state;
            let n = grad.len();
            if [end - first, master.len()] != [n; 2] {
                bail!(
                    "{NAME}: {} parameters, {n} gradients, {} masters",
                    end - first,
                    master.len()
                );
            }
            let mut copy = parameter.0.as_cuda_slice_mut::<T>()?.slice_mut(first..end);
            let kernel = SOURCE.kernel::<T>(device, "adamw")?;
            let (elements, constants) = (n as u64, Constants::<f32>::of(&self.rule));
            start!(
                device,
                kernel,
                launch(n)?,
                master,
                &mut copy,
                &grad,
                m,
                v,
                &elements,
                &constants
            )
        }
    }

    impl InplaceOp2 for Update<'_> {
        fn name(&self) -> &'static str {
            NAME
        }

        fn cpu_fwd(
            &self,
            _: &mut CpuStorage,
            _: &Layout,
            _: &CpuStorage,
            _: &Layout,
        ) -> Result<()> {
            bail!("{NAME}: the parameter must be on a CUDA device")
        }

        fn cuda_fwd(
            &self,
            parameter: &mut CudaStorage,
            parameter_layout: &Layout,
            grad: &CudaStorage,
            grad_layout: &Layout,
        ) -> Result<()> {
            let (parameter, grad) = ((parameter, parameter_layout), (grad, grad_layout));
            for_cuda_real!(NAME, grad.0.dtype(), T => self.run::<T>(parameter, grad))
        }
    }
}
