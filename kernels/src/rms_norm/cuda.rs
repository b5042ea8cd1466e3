//! Launches of `cuda.cu`.

use super::NAME;
use crate::cuda::settings::Settings;
use crate::cuda::{Launch, WARP, packs};
use candle_core::{DType, Result};

/// Forward, or the gradient of the rows.
///
/// # Errors
/// A width that is no whole number of packs.
pub fn rows(settings: &Settings, rows: usize, width: usize, dtype: DType) -> Result<Launch> {
    packs(NAME, width, dtype)?;
    let warps = settings.get("RMS_NORM_WARPS")?;
    Launch::new(NAME, [rows.div_ceil(warps), 1, 1], warps * WARP)
}

/// Bands of rows, each of which has one part of the weight's gradient.
///
/// # Errors
/// Settings without RMS_NORM_BAND.
pub fn bands(settings: &Settings, rows: usize) -> Result<usize> {
    Ok(rows.div_ceil(settings.get("RMS_NORM_BAND")?))
}

/// The parts of the weight's gradient, one a band.
///
/// # Errors
/// More rows than fit into the bands of one launch.
pub fn weight_partial(settings: &Settings, rows: usize, width: usize) -> Result<Launch> {
    let threads = settings.get("RMS_NORM_COLUMNS")?;
    let blocks = [width.div_ceil(threads), bands(settings, rows)?, 1];
    Launch::new(NAME, blocks, threads)
}

/// The sum of those parts.
///
/// # Errors
/// No columns.
pub fn weight_sum(settings: &Settings, width: usize) -> Result<Launch> {
    let threads = settings.get("RMS_NORM_COLUMNS")?;
    Launch::new(NAME, [width.div_ceil(threads), 1, 1], threads)
}

#[cfg(feature = "cuda")]
pub(super) use device::{backward, forward};

#[cfg(feature = "cuda")]
mod device {
    use super::{NAME, bands, rows, weight_partial, weight_sum};
    use crate::cuda::device::{CudaReal, kernels, span, start, tensor, unwritten, view};
    use crate::host::Open;
    use candle_core::backend::BackendStorage as _;
    use candle_core::{CudaStorage, Layout, Result, Tensor};

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
        let kernels = kernels(NAME, device)?;
        let kernel = kernels.of::<T>("rms_norm_forward")?;
        let launch = rows(&kernels.settings, count, width, T::DTYPE)?;
        let bytes = (2 * x.len() + width) * size_of::<T>();
        let _span = span(device, "rms_norm.forward", 4 * x.len(), bytes)?;
        let epsilon = epsilon as f32;
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
        let kernels = kernels(NAME, device)?;
        let settings = &kernels.settings;
        let (bands, band) = (bands(settings, count)?, settings.get("RMS_NORM_BAND")?);
        let mut grad_x = unwritten::<T>(device, data.len())?;
        let mut grad_weight = unwritten::<T>(device, width)?;
        let mut scales = unwritten::<f32>(device, count)?;
        let mut partial = unwritten::<f32>(device, bands * width)?;
        let launch = rows(settings, count, width, T::DTYPE)?;
        let (partial_launch, sum_launch) = (
            weight_partial(settings, count, width)?,
            weight_sum(settings, width)?,
        );
        let bytes = (3 * data.len() + 2 * width) * size_of::<T>();
        let _span = span(device, "rms_norm.backward", 9 * data.len(), bytes)?;
        let epsilon = epsilon as f32;
        let [count, width, bands, band] = [count, width, bands, band].map(|n| n as i32);
        let kernel = kernels.of::<T>("rms_norm_backward")?;
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
        let kernel = kernels.of::<T>("rms_norm_weight_partial")?;
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
        let kernel = kernels.of::<T>("rms_norm_weight_sum")?;
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
