//! Launches of `cuda.cu`.

use super::NAME;
use crate::cuda::Launch;
use crate::cuda::settings::Settings;
use candle_core::Result;

/// Blocks for a parameter of so many elements.
///
/// # Errors
/// Settings that are not there.
pub fn blocks(settings: &Settings, elements: usize) -> Result<usize> {
    let threads = settings.get("ADAMW_THREADS")?;
    Ok(elements.div_ceil(threads * settings.get("ADAMW_ELEMENTS")?))
}

/// The update of parameters that take so many blocks together.
///
/// # Errors
/// No blocks, or more than a GPU has.
pub fn launch(settings: &Settings, blocks: usize) -> Result<Launch> {
    Launch::new(NAME, [blocks, 1, 1], settings.get("ADAMW_THREADS")?)
}

#[cfg(feature = "cuda")]
pub use device::State;
#[cfg(feature = "cuda")]
pub(super) use device::update_all;

#[cfg(feature = "cuda")]
mod device {
    use super::{NAME, blocks, launch};
    use crate::adamw::cpu::Constants;
    use crate::adamw::{Moments, Part, Stored};
    use crate::cuda::device::{CudaReal, for_cuda_real, kernels, span, start};
    use crate::host::Open;
    use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr, DeviceRepr};
    use candle_core::cuda_backend::{CudaDevice, WrapErr as _};
    use candle_core::{Result, bail};

    /// Parameters of one launch, as in `cuda.cu`.
    const PARTS: usize = 40;

    /// As `cuda.cu` has it: pointers, and the block that begins with it.
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct DevicePart {
        master: u64,
        copy: u64,
        grad: u64,
        m: u64,
        v: u64,
        elements: u64,
        constants: Constants<f32>,
        first_block: u32,
    }

    /// As `cuda.cu` has it.
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct DeviceParts {
        parts: [DevicePart; PARTS],
        count: u32,
    }

    // SAFETY: numbers, laid out as in C.
    #[expect(unsafe_code, reason = "an argument of a kernel")]
    unsafe impl DeviceRepr for DeviceParts {}

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

    /// Updates masters from gradients, and the parameters, in their own dtype, from the masters.
    ///
    /// # Errors
    /// A dtype other than f32 and bf16, a layout that is not contiguous, lengths that differ.
    pub(crate) fn update_all(parts: &mut [(Part<'_>, &mut State)]) -> Result<()> {
        parts.chunks_mut(PARTS).try_for_each(|parts| {
            let dtype = parts[0].0.grad.dtype();
            for_cuda_real!(NAME, dtype, T => update_some::<T>(parts))
        })
    }

    fn update_some<T: CudaReal>(parts: &mut [(Part<'_>, &mut State)]) -> Result<()> {
        let device = parts[0].0.grad.device().as_cuda_device()?.clone();
        let kernels = kernels(NAME, &device)?;
        if kernels.settings.get("ADAMW_PARTS")? != PARTS {
            bail!("{NAME}: its cuda.cu must have ADAMW_PARTS = {PARTS}, as the program has");
        }
        let (mut list, mut end, mut elements) = (Vec::with_capacity(PARTS), 0, 0);
        for (part, state) in &mut *parts {
            list.push(device_part::<T>(&device, part, state, end)?);
            end += blocks(&kernels.settings, part.grad.elem_count())?;
            elements += part.grad.elem_count();
        }
        let count = list.len() as u32;
        list.resize(PARTS, list[0]);
        let Ok(list) = list.try_into() else {
            unreachable!("chunks of {PARTS}");
        };
        let all = DeviceParts { parts: list, count };
        let bytes = elements * (24 + 2 * size_of::<T>());
        let _span = span(&device, NAME, 14 * elements, bytes)?;
        start!(
            device,
            kernels.of::<T>("adamw")?,
            launch(&kernels.settings, end)?,
            &all
        )
    }

    /// Pointers only: all is on the device's one stream, which keeps the order, and `parts` lives
    /// until the launch is queued.
    fn device_part<T: CudaReal>(
        device: &CudaDevice,
        part: &Part<'_>,
        state: &State,
        first_block: usize,
    ) -> Result<DevicePart> {
        let (parameter, grad) = (Open::of(part.parameter), Open::of(part.grad));
        let (copy, grad) = (parameter.view::<T>(NAME)?, grad.view::<T>(NAME)?);
        let lengths = [part.parameter.elem_count(), state.master.len()];
        let elements = part.grad.elem_count();
        if lengths != [elements; 2] {
            let [parameters, masters] = lengths;
            bail!("{NAME}: {parameters} parameters, {elements} gradients, {masters} masters");
        }
        let stream = device.cuda_stream();
        let pointer = |numbers: &CudaSlice<f32>| numbers.device_ptr(&stream).0;
        Ok(DevicePart {
            master: pointer(&state.master),
            copy: copy.device_ptr(&stream).0,
            grad: grad.device_ptr(&stream).0,
            m: pointer(&state.m),
            v: pointer(&state.v),
            elements: elements as u64,
            constants: Constants::of(&part.rule),
            first_block: first_block as u32,
        })
    }
}
