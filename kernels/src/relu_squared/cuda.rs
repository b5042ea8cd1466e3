//! Launches of `cuda.cu`.

use super::NAME;
use crate::cuda::settings::Settings;
use crate::cuda::{Launch, packs};
use candle_core::{DType, Result};

/// Forward or backward of so many elements.
///
/// # Errors
/// A number of elements that is no whole number of packs.
pub fn launch(settings: &Settings, elements: usize, dtype: DType) -> Result<Launch> {
    let threads = settings.get("RELU_SQUARED_THREADS")?;
    let blocks = packs(NAME, elements, dtype)?.div_ceil(threads);
    Launch::new(NAME, [blocks, 1, 1], threads)
}

#[cfg(feature = "cuda")]
pub(super) use device::{backward, forward};

#[cfg(feature = "cuda")]
mod device {
    use super::{NAME, launch};
    use crate::cuda::device::{CudaReal, kernels, span, start, tensor, unwritten, view};
    use crate::host::Open;
    use candle_core::backend::BackendStorage as _;
    use candle_core::{CudaStorage, Layout, Result, Tensor};

    pub(crate) fn forward<T: CudaReal>(x: &CudaStorage, layout: &Layout) -> Result<CudaStorage> {
        let (device, x) = (x.device(), view::<T>(NAME, x, layout)?);
        let n = x.len();
        let mut y = unwritten::<T>(device, n)?;
        let kernels = kernels(NAME, device)?;
        let kernel = kernels.of::<T>("relu_squared_forward")?;
        let launch = launch(&kernels.settings, n, T::DTYPE)?;
        let _span = span(
            device,
            "relu_squared.forward",
            2 * n,
            2 * n * size_of::<T>(),
        )?;
        start!(device, kernel, launch, &x, &mut y, &(n as u64))?;
        Ok(CudaStorage::wrap_cuda_slice(y, device.clone()))
    }

    pub(crate) fn backward<T: CudaReal>(x: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let (x_device, grad_device) = (Open::of(x), Open::of(grad));
        let device = x_device.storage(NAME)?.device();
        let (data, grad) = (x_device.view::<T>(NAME)?, grad_device.view::<T>(NAME)?);
        let n = data.len();
        let mut grad_x = unwritten::<T>(device, n)?;
        let kernels = kernels(NAME, device)?;
        let kernel = kernels.of::<T>("relu_squared_backward")?;
        let launch = launch(&kernels.settings, n, T::DTYPE)?;
        let _span = span(
            device,
            "relu_squared.backward",
            3 * n,
            3 * n * size_of::<T>(),
        )?;
        start!(
            device,
            kernel,
            launch,
            &data,
            &grad,
            &mut grad_x,
            &(n as u64)
        )?;
        Ok(tensor(grad_x, device, x.shape()))
    }
}
