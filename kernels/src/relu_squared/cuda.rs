//! Launches of `cuda.cu`.

use super::NAME;
use crate::cuda::{Launch, packs};
use candle_core::{DType, Result};

/// Threads of a block, each with one pack.
pub const RELU_SQUARED_THREADS: usize = 256;

/// Forward or backward of so many elements.
///
/// # Errors
/// A number of elements that is no whole number of packs.
pub fn launch(elements: usize, dtype: DType) -> Result<Launch> {
    let blocks = packs(NAME, elements, dtype)?.div_ceil(RELU_SQUARED_THREADS);
    Launch::new(NAME, [blocks, 1, 1], RELU_SQUARED_THREADS)
}

#[cfg(feature = "cuda")]
pub(super) use device::{backward, forward};

#[cfg(feature = "cuda")]
mod device {
    use super::{NAME, launch};
    use crate::cuda::device::{CudaReal, Source, start, tensor, unwritten, view};
    use crate::host::Open;
    use candle_core::backend::BackendStorage as _;
    use candle_core::{CudaStorage, Layout, Result, Tensor};

    const SOURCE: Source = Source {
        operation: NAME,
        text: include_str!("cuda.cu"),
    };

    pub(crate) fn forward<T: CudaReal>(x: &CudaStorage, layout: &Layout) -> Result<CudaStorage> {
        let (device, x) = (x.device(), view::<T>(NAME, x, layout)?);
        let n = x.len();
        let mut y = unwritten::<T>(device, n)?;
        let kernel = SOURCE.kernel::<T>(device, "relu_squared_forward")?;
        start!(
            device,
            kernel,
            launch(n, T::DTYPE)?,
            &x,
            &mut y,
            &(n as u64)
        )?;
        Ok(CudaStorage::wrap_cuda_slice(y, device.clone()))
    }

    pub(crate) fn backward<T: CudaReal>(x: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let (x_device, grad_device) = (Open::of(x), Open::of(grad));
        let device = x_device.storage(NAME)?.device();
        let (data, grad) = (x_device.view::<T>(NAME)?, grad_device.view::<T>(NAME)?);
        let n = data.len();
        let mut grad_x = unwritten::<T>(device, n)?;
        let kernel = SOURCE.kernel::<T>(device, "relu_squared_backward")?;
        start!(
            device,
            kernel,
            launch(n, T::DTYPE)?,
            &data,
            &grad,
            &mut grad_x,
            &(n as u64)
        )?;
        Ok(tensor(grad_x, device, x.shape()))
    }
}
