//! Launches of `cuda.cu`.

use super::NAME;
use crate::cuda::settings::Settings;
use crate::cuda::{Launch, WARP, pack, packs};
use candle_core::{DType, Result};

/// Losses of so many rows.
///
/// # Errors
/// A row that is no whole number of packs.
pub fn losses(settings: &Settings, rows: usize, columns: usize, dtype: DType) -> Result<Launch> {
    packs(NAME, columns, dtype)?;
    Launch::new(NAME, [rows, 1, 1], threads(settings)?)
}

/// Losses and gradients of so many rows, and how many columns of a row are kept in shared memory,
/// of which a block has `most_shared` bytes.
///
/// # Errors
/// As [`losses`].
pub fn gradients(
    settings: &Settings,
    rows: usize,
    columns: usize,
    dtype: DType,
    most_shared: usize,
) -> Result<(Launch, usize)> {
    // What the kernel declares takes as much: what a launch asks for begins at a multiple of it.
    const DECLARED: usize = 1024;
    let room = most_shared.saturating_sub(DECLARED);
    let bytes = settings.get("CROSS_ENTROPY_KEPT")?.min(room);
    let pack = pack(NAME, dtype)?;
    let keep = columns.min(bytes / dtype.size_in_bytes() / pack * pack);
    let launch = losses(settings, rows, columns, dtype)?;
    Ok((launch.with_shared(keep * dtype.size_in_bytes()), keep))
}

/// `elements` gradients for another gradient of the mean.
///
/// # Errors
/// None of them.
pub fn scale(settings: &Settings, elements: usize, dtype: DType) -> Result<Launch> {
    let threads = threads(settings)?;
    let blocks = packs(NAME, elements, dtype)?.div_ceil(threads);
    let most = settings.get("CROSS_ENTROPY_SCALE_BLOCKS")?;
    Launch::new(NAME, [blocks.min(most), 1, 1], threads)
}

/// The mean of the rows' losses.
///
/// # Errors
/// Settings that make no block.
pub fn mean(settings: &Settings) -> Result<Launch> {
    Launch::new(NAME, [1, 1, 1], threads(settings)?)
}

fn threads(settings: &Settings) -> Result<usize> {
    Ok(settings.get("CROSS_ENTROPY_WARPS")? * WARP)
}

#[cfg(feature = "cuda")]
pub(super) use device::{backward, forward, row_losses};

#[cfg(feature = "cuda")]
mod device {
    use super::{NAME, gradients, losses, mean, scale};
    use crate::cuda::device::{
        CudaReal, Kernels, from_storage, kernels, span, start, unwritten, view,
    };
    use crate::host::Open;
    use candle_core::backend::BackendStorage as _;
    use candle_core::cuda_backend::CudaDevice;
    use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView, DeviceSlice as _};
    use candle_core::{CudaStorage, Layout, Result, Tensor, bail};

    /// The mean loss, and its gradient where it is `wanted`. Targets are taken as they are: to look
    /// at them would be to wait for the device. Whoever makes the batch has checked them.
    pub(crate) fn forward<T: CudaReal>(
        logits: (&CudaStorage, &Layout),
        targets: (&CudaStorage, &Layout),
        columns: usize,
        wanted: bool,
    ) -> Result<(CudaStorage, Option<CudaStorage>)> {
        let device = logits.0.device();
        let logits = view::<T>(NAME, logits.0, logits.1)?;
        let targets = view::<u32>(NAME, targets.0, targets.1)?;
        check_sizes(&logits, &targets, columns)?;
        let (flops, tensors) = if wanted { (9, 2) } else { (4, 1) };
        let _span = span(
            device,
            "cross_entropy.forward",
            flops * logits.len(),
            tensors * logits.num_bytes(),
        )?;
        let kernels = kernels(NAME, device)?;
        let (losses, gradient) = if wanted {
            let (losses, gradient) =
                with_gradients::<T>(device, &kernels, &logits, &targets, columns)?;
            (losses, Some(gradient))
        } else {
            let losses = only_losses::<T>(device, &kernels, &logits, &targets, columns)?;
            (losses, None)
        };
        let mut loss = device.alloc_zeros::<f64>(1)?;
        start!(
            device,
            kernels.named("cross_entropy_mean")?,
            mean(&kernels.settings)?,
            &losses,
            &mut loss,
            &(targets.len() as i32)
        )?;
        let loss = CudaStorage::wrap_cuda_slice(loss, device.clone());
        Ok((loss, gradient))
    }

    /// The loss of each row, on the CPU.
    pub(crate) fn row_losses<T: CudaReal>(logits: &Tensor, targets: &[u32]) -> Result<Vec<f64>> {
        let logits_device = Open::of(logits);
        let device = logits_device.storage(NAME)?.device();
        let data = logits_device.view::<T>(NAME)?;
        let targets = device.clone_htod(targets)?;
        let columns = data.len() / targets.len();
        let kernels = kernels(NAME, device)?;
        let losses = only_losses::<T>(device, &kernels, &data, &targets.as_view(), columns)?;
        Ok(device
            .clone_dtoh(&losses)?
            .into_iter()
            .map(f64::from)
            .collect())
    }

    fn check_sizes<T: CudaReal>(
        logits: &CudaView<'_, T>,
        targets: &CudaView<'_, u32>,
        columns: usize,
    ) -> Result<()> {
        if logits.len() != targets.len() * columns {
            bail!(
                "{NAME}: {} logits in rows of {columns} and {} targets",
                logits.len(),
                targets.len()
            );
        }
        Ok(())
    }

    fn only_losses<T: CudaReal>(
        device: &CudaDevice,
        kernels: &Kernels,
        logits: &CudaView<'_, T>,
        targets: &CudaView<'_, u32>,
        columns: usize,
    ) -> Result<CudaSlice<f32>> {
        let mut out = unwritten::<f32>(device, targets.len())?;
        start!(
            device,
            kernels.of::<T>("cross_entropy_losses")?,
            losses(&kernels.settings, targets.len(), columns, T::DTYPE)?,
            logits,
            targets,
            &mut out,
            &(columns as i32)
        )?;
        Ok(out)
    }

    fn with_gradients<T: CudaReal>(
        device: &CudaDevice,
        kernels: &Kernels,
        logits: &CudaView<'_, T>,
        targets: &CudaView<'_, u32>,
        columns: usize,
    ) -> Result<(CudaSlice<f32>, CudaStorage)> {
        let mut losses = unwritten::<f32>(device, targets.len())?;
        let mut gradient = unwritten::<T>(device, logits.len())?;
        let (settings, rows) = (&kernels.settings, targets.len());
        let (launch, keep) = gradients(settings, rows, columns, T::DTYPE, kernels.most_shared)?;
        let [rows, columns, keep] = [rows, columns, keep].map(|n| n as i32);
        start!(
            device,
            kernels.of::<T>("cross_entropy_gradients")?,
            launch,
            logits,
            targets,
            &mut losses,
            &mut gradient,
            &rows,
            &columns,
            &keep
        )?;
        let gradient = CudaStorage::wrap_cuda_slice(gradient, device.clone());
        Ok((losses, gradient))
    }

    /// The gradient that the forward has left, for the gradient `grad` of the mean.
    pub(crate) fn backward<T: CudaReal>(
        logits: &Tensor,
        grad: &Tensor,
        gradient: Option<CudaStorage>,
    ) -> Result<Tensor> {
        let Some(mut gradient) = gradient else {
            bail!("{NAME}: a backward without its forward");
        };
        let grad_device = Open::of(grad);
        let device = grad_device.storage(NAME)?.device();
        let slope = grad_device.view::<f64>(NAME)?;
        let elements = logits.elem_count();
        let kernels = kernels(NAME, device)?;
        start!(
            device,
            kernels.of::<T>("cross_entropy_scale")?,
            scale(&kernels.settings, elements, T::DTYPE)?,
            gradient.as_cuda_slice_mut::<T>()?,
            &slope,
            &(elements as u64)
        )?;
        Ok(from_storage(gradient, logits.shape()))
    }
}
