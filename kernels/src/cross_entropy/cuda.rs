//! Launches of `cuda.cu`.

use super::NAME;
use crate::cuda::settings::Settings;
use crate::cuda::{Launch, WARP, packs};
use candle_core::{DType, Result};

/// Losses or gradients of so many rows.
///
/// # Errors
/// A row that is no whole number of packs.
pub fn rows(settings: &Settings, rows: usize, columns: usize, dtype: DType) -> Result<Launch> {
    packs(NAME, columns, dtype)?;
    Launch::new(NAME, [rows, 1, 1], threads(settings)?)
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
pub(super) use device::{LogSums, backward, forward, row_losses};

#[cfg(feature = "cuda")]
mod device {
    use super::{NAME, mean, rows};
    use crate::cuda::device::{CudaReal, kernels, span, start, tensor, unwritten, view};
    use crate::host::Open;
    use candle_core::backend::BackendStorage as _;
    use candle_core::cuda_backend::CudaDevice;
    use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView, DeviceSlice as _};
    use candle_core::{CudaStorage, Layout, Result, Tensor, bail};

    /// ln of the sum of each row's exponentials, which the forward leaves for the backward.
    pub(crate) type LogSums = CudaSlice<f32>;

    /// Targets are taken as they are: to look at them would be to wait for the device. Whoever makes the batch has checked them.
    pub(crate) fn forward<T: CudaReal>(
        logits: (&CudaStorage, &Layout),
        targets: (&CudaStorage, &Layout),
        columns: usize,
    ) -> Result<(CudaStorage, LogSums)> {
        let device = logits.0.device();
        let logits = view::<T>(NAME, logits.0, logits.1)?;
        let targets = view::<u32>(NAME, targets.0, targets.1)?;
        let _span = span(
            device,
            "cross_entropy.forward",
            4 * logits.len(),
            logits.num_bytes(),
        )?;
        let (losses, log_sums) = losses::<T>(device, &logits, &targets, columns)?;
        let mut loss = device.alloc_zeros::<f64>(1)?;
        let kernels = kernels(NAME, device)?;
        let (kernel, launch) = (
            kernels.named("cross_entropy_mean")?,
            mean(&kernels.settings)?,
        );
        start!(
            device,
            kernel,
            launch,
            &losses,
            &mut loss,
            &(targets.len() as i32)
        )?;
        let loss = CudaStorage::wrap_cuda_slice(loss, device.clone());
        Ok((loss, log_sums))
    }

    /// The loss of each row, on the CPU.
    pub(crate) fn row_losses<T: CudaReal>(logits: &Tensor, targets: &[u32]) -> Result<Vec<f64>> {
        let logits_device = Open::of(logits);
        let device = logits_device.storage(NAME)?.device();
        let data = logits_device.view::<T>(NAME)?;
        let targets = device.clone_htod(targets)?;
        let columns = data.len() / targets.len();
        let (losses, _) = losses::<T>(device, &data, &targets.as_view(), columns)?;
        Ok(device
            .clone_dtoh(&losses)?
            .into_iter()
            .map(f64::from)
            .collect())
    }

    fn losses<T: CudaReal>(
        device: &CudaDevice,
        logits: &CudaView<'_, T>,
        targets: &CudaView<'_, u32>,
        columns: usize,
    ) -> Result<(CudaSlice<f32>, LogSums)> {
        let count = targets.len();
        if logits.len() != count * columns {
            bail!(
                "{NAME}: {} logits in rows of {columns} and {count} targets",
                logits.len()
            );
        }
        let mut losses = unwritten::<f32>(device, count)?;
        let mut log_sums = unwritten::<f32>(device, count)?;
        let kernels = kernels(NAME, device)?;
        let kernel = kernels.of::<T>("cross_entropy_forward")?;
        let launch = rows(&kernels.settings, count, columns, T::DTYPE)?;
        start!(
            device,
            kernel,
            launch,
            logits,
            targets,
            &mut losses,
            &mut log_sums,
            &(columns as i32)
        )?;
        Ok((losses, log_sums))
    }

    pub(crate) fn backward<T: CudaReal>(
        logits: &Tensor,
        targets: &Tensor,
        grad: &Tensor,
        log_sums: Option<&LogSums>,
    ) -> Result<Tensor> {
        let Some(log_sums) = log_sums else {
            bail!("{NAME}: a backward without its forward");
        };
        let [logits_device, targets_device, grad_device] = [logits, targets, grad].map(Open::of);
        let device = logits_device.storage(NAME)?.device();
        let data = logits_device.view::<T>(NAME)?;
        let (targets, slope) = (
            targets_device.view::<u32>(NAME)?,
            grad_device.view::<f64>(NAME)?,
        );
        let (count, columns) = (targets.len(), data.len() / targets.len());
        let mut out = unwritten::<T>(device, data.len())?;
        let kernels = kernels(NAME, device)?;
        let kernel = kernels.of::<T>("cross_entropy_backward")?;
        let launch = rows(&kernels.settings, count, columns, T::DTYPE)?;
        let _span = span(
            device,
            "cross_entropy.backward",
            5 * data.len(),
            2 * data.num_bytes(),
        )?;
        let (count, columns) = (count as i32, columns as i32);
        start!(
            device, kernel, launch, &data, &targets, log_sums, &slope, &mut out, &count, &columns
        )?;
        Ok(tensor(out, device, logits.shape()))
    }
}
