//! Launches of `cuda.cu`.

use super::NAME;
use crate::cuda::Launch;
use crate::cuda::settings::Settings;
use candle_core::Result;

/// The update of so many elements.
///
/// # Errors
/// No elements, or more than a GPU has blocks for.
pub fn launch(settings: &Settings, elements: usize) -> Result<Launch> {
    let threads = settings.get("ADAMW_THREADS")?;
    let per_block = threads * settings.get("ADAMW_ELEMENTS")?;
    Launch::new(NAME, [elements.div_ceil(per_block), 1, 1], threads)
}

#[cfg(feature = "cuda")]
pub use device::State;
#[cfg(feature = "cuda")]
pub(super) use device::update;

#[cfg(feature = "cuda")]
mod device {
    use super::{NAME, launch};
    use crate::adamw::cpu::Constants;
    use crate::adamw::{Moments, Rule, Stored};
    use crate::cuda::device::{CudaReal, for_cuda_real, kernels, span, start, view};
    use candle_core::backend::BackendStorage as _;
    use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DeviceRepr};
    use candle_core::cuda_backend::{CudaDevice, WrapErr as _};
    use candle_core::{CpuStorage, CudaStorage, InplaceOp2, Layout, Result, Tensor, bail};
    use std::sync::{Mutex, PoisonError};

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
        /// With moments of zero, which need not come from the host.
        pub(crate) fn new(device: &CudaDevice, value: &[f32]) -> Result<Self> {
            Ok(Self {
                master: device.clone_htod(value)?,
                m: device.alloc_zeros::<f32>(value.len())?,
                v: device.alloc_zeros::<f32>(value.len())?,
            })
        }

        pub(crate) fn on(device: &CudaDevice, stored: &Stored) -> Result<Self> {
            Ok(Self {
                master: device.clone_htod(&stored.value)?,
                m: device.clone_htod(&stored.moments.m)?,
                v: device.clone_htod(&stored.moments.v)?,
            })
        }

        pub(crate) fn store(&self) -> Result<Stored> {
            let read = |values: &CudaSlice<f32>| values.stream().clone_dtoh(values).w();
            Ok(Stored {
                value: read(&self.master)?,
                moments: Moments {
                    m: read(&self.m)?,
                    v: read(&self.v)?,
                },
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
    pub(crate) fn update(
        parameter: &Tensor,
        grad: &Tensor,
        state: &mut State,
        rule: Rule,
    ) -> Result<()> {
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
            let kernels = kernels(NAME, device)?;
            let (kernel, launch) = (kernels.of::<T>("adamw")?, launch(&kernels.settings, n)?);
            let _span = span(device, NAME, 14 * n, n * (24 + 2 * size_of::<T>()))?;
            let (elements, constants) = (n as u64, Constants::<f32>::of(&self.rule));
            start!(
                device, kernel, launch, master, &mut copy, &grad, m, v, &elements, &constants
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
