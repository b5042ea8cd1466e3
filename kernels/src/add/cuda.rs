//! Launches of `cuda.cu`.

use crate::cuda::settings::Settings;
use crate::cuda::{Launch, packs};
use candle_core::{DType, Result};

/// The sum of so many elements.
///
/// # Errors
/// A number of elements that is no whole number of packs.
pub fn launch(settings: &Settings, elements: usize, dtype: DType) -> Result<Launch> {
    let threads = settings.get("ADD_THREADS")?;
    let blocks = packs("add", elements, dtype)?.div_ceil(threads);
    Launch::new("add", [blocks, 1, 1], threads)
}

#[cfg(feature = "cuda")]
pub(super) use device::sum;

#[cfg(feature = "cuda")]
mod device {
    use super::launch;
    use crate::add::NAME;
    use crate::cuda::device::{CudaReal, for_cuda_real, kernels, span, start, tensor, unwritten};
    use crate::host::Open;
    use candle_core::backend::BackendStorage as _;
    use candle_core::{Result, Tensor, bail};

    pub(crate) fn sum(name: &'static str, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        if a.shape() != b.shape() || a.dtype() != b.dtype() {
            bail!(
                "{NAME}: {:?} of {:?} and {:?} of {:?}",
                a.shape(),
                a.dtype(),
                b.shape(),
                b.dtype()
            );
        }
        for_cuda_real!(NAME, a.dtype(), T => run::<T>(name, a, b))
    }

    fn run<T: CudaReal>(name: &'static str, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let (a_device, b_device) = (Open::of(a), Open::of(b));
        let device = a_device.storage(NAME)?.device();
        let (left, right) = (a_device.view::<T>(NAME)?, b_device.view::<T>(NAME)?);
        let n = left.len();
        let mut y = unwritten::<T>(device, n)?;
        let kernels = kernels(NAME, device)?;
        let (kernel, launch) = (
            kernels.of::<T>("add")?,
            launch(&kernels.settings, n, T::DTYPE)?,
        );
        let _span = span(device, name, n, 3 * n * size_of::<T>())?;
        start!(device, kernel, launch, &left, &right, &mut y, &(n as u64))?;
        Ok(tensor(y, device, a.shape()))
    }
}
