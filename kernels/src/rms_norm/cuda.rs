//! Launches of `cuda.cu`.

use super::NAME;
use crate::cuda::settings::Settings;
use crate::cuda::{Launch, MOST_THREADS, WARP, packs};
use candle_core::{DType, Result, bail};

/// Forward: a row a warp.
///
/// # Errors
/// A width that is no whole number of packs.
pub fn rows(settings: &Settings, rows: usize, width: usize, dtype: DType) -> Result<Launch> {
    packs(NAME, width, dtype)?;
    let warps = settings.get("RMS_NORM_WARPS")?;
    Launch::new(NAME, [rows.div_ceil(warps), 1, 1], warps * WARP)
}

/// Gradients: a block a band of rows, each of which has one part of the weight's gradient; a thread
/// a pack of a row.
///
/// # Errors
/// A width that is no whole number of packs, or of more packs than a block has threads.
pub fn bands(settings: &Settings, rows: usize, width: usize, dtype: DType) -> Result<Launch> {
    let packs = packs(NAME, width, dtype)?;
    if packs > MOST_THREADS {
        bail!(
            "{NAME}: gradients of rows of {width} numbers of {dtype:?} have no CUDA version, of up to {} they have",
            width / packs * MOST_THREADS
        );
    }
    let bands = rows.div_ceil(settings.get("RMS_NORM_BAND")?);
    Launch::new(NAME, [bands, 1, 1], packs.next_multiple_of(WARP))
}

/// The sum of those parts, a lane a column.
///
/// # Errors
/// No columns.
pub fn weight_sum(settings: &Settings, width: usize) -> Result<Launch> {
    let threads = settings.get("RMS_NORM_SUM_WARPS")? * WARP;
    Launch::new(NAME, [width.div_ceil(WARP), 1, 1], threads)
}

/// The kernel for gradients that `bands` launches.
///
/// # Errors
/// A setting that is not there.
pub fn backward_kernel(settings: &Settings, launch: &Launch) -> Result<&'static str> {
    let most = settings.get("RMS_NORM_THREADS")?;
    Ok(if launch.threads as usize <= most {
        "rms_norm_backward"
    } else {
        "rms_norm_backward_long"
    })
}

#[cfg(feature = "cuda")]
pub(super) use device::{add_forward, backward, forward};

#[cfg(feature = "cuda")]
mod device {
    use super::{NAME, backward_kernel, bands, rows, weight_sum};
    use crate::cuda::device::{CudaReal, kernels, span, start, tensor, unwritten, view};
    use crate::host::Open;
    use candle_core::backend::BackendStorage as _;
    use candle_core::{CudaStorage, Layout, Result, Tensor, bail};

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

    /// `a + b` and its norm.
    pub(crate) fn add_forward<T: CudaReal>(
        [a, b]: [&Tensor; 2],
        weight: &Tensor,
        epsilon: f64,
    ) -> Result<[Tensor; 2]> {
        if a.shape() != b.shape() {
            bail!(
                "{NAME}: {:?} and {:?} are to be added",
                a.shape(),
                b.shape()
            );
        }
        let [a_device, b_device, weight_device] = [a, b, weight].map(Open::of);
        let device = a_device.storage(NAME)?.device();
        let (left, right) = (a_device.view::<T>(NAME)?, b_device.view::<T>(NAME)?);
        let weight = weight_device.view::<T>(NAME)?;
        let (width, count) = (weight.len(), left.len() / weight.len());
        let mut x = unwritten::<T>(device, left.len())?;
        let mut y = unwritten::<T>(device, left.len())?;
        let kernels = kernels(NAME, device)?;
        let kernel = kernels.of::<T>("rms_norm_add_forward")?;
        let launch = rows(&kernels.settings, count, width, T::DTYPE)?;
        let bytes = (4 * left.len() + width) * size_of::<T>();
        let _span = span(device, "rms_norm.add_forward", 5 * left.len(), bytes)?;
        let epsilon = epsilon as f32;
        let (count, width) = (count as i32, width as i32);
        start!(
            device, kernel, launch, &left, &right, &weight, &mut x, &mut y, &count, &width,
            &epsilon
        )?;
        Ok([x, y].map(|data| tensor(data, device, a.shape())))
    }

    pub(crate) fn backward<T: CudaReal>(
        [x, weight]: [&Tensor; 2],
        grad: &Tensor,
        before: Option<&Tensor>,
        epsilon: f64,
    ) -> Result<[Tensor; 2]> {
        let onto = i32::from(before.is_some());
        let before = before.unwrap_or(grad);
        let [x_device, weight_device, grad_device, before] =
            [x, weight, grad, before].map(Open::of);
        let device = x_device.storage(NAME)?.device();
        let data = x_device.view::<T>(NAME)?;
        let (scale, grad) = (weight_device.view::<T>(NAME)?, grad_device.view::<T>(NAME)?);
        let before = before.view::<T>(NAME)?;
        let (width, count) = (scale.len(), data.len() / scale.len());
        let kernels = kernels(NAME, device)?;
        let launch = bands(&kernels.settings, count, width, T::DTYPE)?;
        let sum_launch = weight_sum(&kernels.settings, width)?;
        let parts = launch.blocks[0];
        let mut grad_x = unwritten::<T>(device, data.len())?;
        let mut grad_weight = unwritten::<T>(device, width)?;
        let mut partial = unwritten::<f32>(device, parts as usize * width)?;
        let tensors = 3 + onto as usize;
        let bytes = (tensors * data.len() + 2 * width) * size_of::<T>();
        let _span = span(device, "rms_norm.backward", 9 * data.len(), bytes)?;
        let epsilon = epsilon as f32;
        let [count, width, parts] = [count as i32, width as i32, parts.cast_signed()];
        let kernel = kernels.of::<T>(backward_kernel(&kernels.settings, &launch)?)?;
        start!(
            device,
            kernel,
            launch,
            &data,
            &scale,
            &grad,
            &before,
            &onto,
            &mut grad_x,
            &mut partial,
            &count,
            &width,
            &epsilon
        )?;
        let kernel = kernels.of::<T>("rms_norm_weight_sum")?;
        start!(
            device,
            kernel,
            sum_launch,
            &partial,
            &mut grad_weight,
            &parts,
            &width
        )?;
        Ok([
            tensor(grad_x, device, x.shape()),
            tensor(grad_weight, device, weight.shape()),
        ])
    }
}
