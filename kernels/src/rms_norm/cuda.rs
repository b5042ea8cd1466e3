//! Launches of `cuda.cu`.

use super::NAME;
use crate::cuda::{Launch, WARP, packs};
use candle_core::{DType, Result};

/// Rows that a block normalises, one a warp.
pub const RMS_NORM_WARPS: usize = 4;

/// Threads of a block of the weight's gradient, one a column.
pub const RMS_NORM_COLUMNS: usize = 128;

/// Rows whose part of the weight's gradient one thread adds up. Fewer: more blocks to fill the GPU, and more parts to add up at the end.
pub const RMS_NORM_BAND: usize = 64;

/// Forward, or the gradient of the rows.
///
/// # Errors
/// A width that is no whole number of packs.
pub fn rows(rows: usize, width: usize, dtype: DType) -> Result<Launch> {
    packs(NAME, width, dtype)?;
    Launch::new(
        NAME,
        [rows.div_ceil(RMS_NORM_WARPS), 1, 1],
        RMS_NORM_WARPS * WARP,
    )
}

/// The parts of the weight's gradient, one a band.
///
/// # Errors
/// More rows than fit into the bands of one launch.
pub fn weight_partial(rows: usize, width: usize) -> Result<Launch> {
    let bands = rows.div_ceil(RMS_NORM_BAND);
    let blocks = [width.div_ceil(RMS_NORM_COLUMNS), bands, 1];
    Launch::new(NAME, blocks, RMS_NORM_COLUMNS)
}

/// The sum of those parts.
///
/// # Errors
/// No columns.
pub fn weight_sum(width: usize) -> Result<Launch> {
    let blocks = [width.div_ceil(RMS_NORM_COLUMNS), 1, 1];
    Launch::new(NAME, blocks, RMS_NORM_COLUMNS)
}

#[cfg(feature = "cuda")]
pub(super) use device::{backward, forward};

#[cfg(feature = "cuda")]
mod device {
    use super::{NAME, RMS_NORM_BAND, rows, weight_partial, weight_sum};
    use crate::cuda::device::{CudaReal, Source, start, tensor, unwritten, view};
    use crate::host::Open;
    use candle_core::backend::BackendStorage as _;
    use candle_core::{CudaStorage, Layout, Result, Tensor};

    const SOURCE: Source = Source {
        operation: NAME,
        text: include_str!("cuda.cu"),
    };

    pub(crate) fn forward<T: CudaReal>(
        x: (&CudaStorage, &Layout),
        weight: (&CudaStorage, &Layout),
        epsilon: f64,
    ) -> Result<CudaStorage> {
        let device = x.0.device();
        let (x, weight) = (
            view::<T>(NAME, x.0, x.1)?,
            view::<T>(NAME, weight.0, weight.1)?,
        );
        let (width, count) = (weight.len(), x.len() / weight.len());
        let mut y = unwritten::<T>(device, x.len())?;
        let kernel = SOURCE.kernel::<T>(device, "rms_norm_forward")?;
        let (launch, epsilon) = (rows(count, width, T::DTYPE)?, epsilon as f32);
        let (count, width) = (count as i32, width as i32);
        start!(
            device, kernel, launch, &x, &weight, &mut y, &count, &width, &epsilon
        )?;
        Ok(CudaStorage::wrap_cuda_slice(y, device.clone()))
    }

    pub(crate) fn backward<T: CudaReal>(
        x: &Tensor,
        weight: &Tensor,
        grad: &Tensor,
        epsilon: f64,
    ) -> Result<[Tensor; 2]> {
        let [x_device, weight_device, grad_device] = [x, weight, grad].map(Open::of);
        let device = x_device.storage(NAME)?.device();
        let data = x_device.view::<T>(NAME)?;
        let (scale, grad) = (weight_device.view::<T>(NAME)?, grad_device.view::<T>(NAME)?);
        let (width, count) = (scale.len(), data.len() / scale.len());
        let bands = count.div_ceil(RMS_NORM_BAND);
        let mut grad_x = unwritten::<T>(device, data.len())?;
        let mut grad_weight = unwritten::<T>(device, width)?;
        let mut scales = unwritten::<f32>(device, count)?;
        let mut partial = unwritten::<f32>(device, bands * width)?;
        let (launch, epsilon) = (rows(count, width, T::DTYPE)?, epsilon as f32);
        let (partial_launch, sum_launch) = (weight_partial(count, width)?, weight_sum(width)?);
        let [count, width, bands, band] = [count, width, bands, RMS_NORM_BAND].map(|n| n as i32);
        let kernel = SOURCE.kernel::<T>(device, "rms_norm_backward")?;
        start!(
            device,
            kernel,
            launch,
            &data,
            &scale,
            &grad,
            &mut grad_x,
            &mut scales,
            &count,
            &width,
            &epsilon
        )?;
        let kernel = SOURCE.kernel::<T>(device, "rms_norm_weight_partial")?;
        start!(
            device,
            kernel,
            partial_launch,
            &data,
            &grad,
            &scales,
            &mut partial,
            &count,
            &width,
            &band
        )?;
        let kernel = SOURCE.kernel::<T>(device, "rms_norm_weight_sum")?;
        start!(
            device,
            kernel,
            sum_launch,
            &partial,
            &mut grad_weight,
            &bands,
            &width
        )?;
        Ok([
            tensor(grad_x, device, x.shape()),
            tensor(grad_weight, device, weight.shape()),
        ])
    }
}
