//! Launches of `cuda.cu`.

use super::NAME;
use crate::cuda::{Launch, WARP, packs};
use candle_core::{DType, Result};

/// Warps of the block that handles a row.
pub const CROSS_ENTROPY_WARPS: usize = 8;

/// Losses or gradients of so many rows.
///
/// # Errors
/// A row that is no whole number of packs.
pub fn rows(rows: usize, columns: usize, dtype: DType) -> Result<Launch> {
    packs(NAME, columns, dtype)?;
    Launch::new(NAME, [rows, 1, 1], CROSS_ENTROPY_WARPS * WARP)
}

/// The mean of the rows' losses.
///
/// # Errors
/// As [`Launch::new`], which has none for one block.
pub fn mean() -> Result<Launch> {
    Launch::new(NAME, [1, 1, 1], CROSS_ENTROPY_WARPS * WARP)
}

#[cfg(feature = "cuda")]
pub(super) use device::{backward, forward};

#[cfg(feature = "cuda")]
mod device {
    use super::{NAME, mean, rows};
    use crate::cuda::device::{CudaReal, Source, start, tensor, unwritten, view};
    use crate::host::Open;
    use candle_core::backend::BackendStorage as _;
    use candle_core::{CudaStorage, Layout, Result, Tensor, bail};

    const SOURCE: Source = Source {
        operation: NAME,
        text: include_str!("cuda.cu"),
    };

    /// Targets are taken as they are: to look at them would be to wait for the device. Whoever makes the batch has checked them.
    pub(crate) fn forward<T: CudaReal>(
        logits: (&CudaStorage, &Layout),
        targets: (&CudaStorage, &Layout),
        columns: usize,
    ) -> Result<CudaStorage> {
        let device = logits.0.device();
        let logits = view::<T>(NAME, logits.0, logits.1)?;
        let targets = view::<u32>(NAME, targets.0, targets.1)?;
        let count = targets.len();
        if logits.len() != count * columns {
            bail!(
                "{NAME}: {} logits in rows of {columns} and {count} targets",
                logits.len()
            );
        }
        let mut losses = unwritten::<f32>(device, count)?;
        let mut loss = device.alloc_zeros::<f64>(1)?;
        let launch = rows(count, columns, T::DTYPE)?;
        let kernel = SOURCE.kernel::<T>(device, "cross_entropy_forward")?;
        start!(
            device,
            kernel,
            launch,
            &logits,
            &targets,
            &mut losses,
            &(columns as i32)
        )?;
        let kernel = SOURCE.function(device, "cross_entropy_mean")?;
        start!(device, kernel, mean()?, &losses, &mut loss, &(count as i32))?;
        Ok(CudaStorage::wrap_cuda_slice(loss, device.clone()))
    }

    pub(crate) fn backward<T: CudaReal>(
        logits: &Tensor,
        targets: &Tensor,
        grad: &Tensor,
    ) -> Result<Tensor> {
        let [logits_device, targets_device, grad_device] = [logits, targets, grad].map(Open::of);
        let device = logits_device.storage(NAME)?.device();
        let data = logits_device.view::<T>(NAME)?;
        let (targets, slope) = (
            targets_device.view::<u32>(NAME)?,
            grad_device.view::<f64>(NAME)?,
        );
        let (count, columns) = (targets.len(), data.len() / targets.len());
        let mut out = unwritten::<T>(device, data.len())?;
        let launch = rows(count, columns, T::DTYPE)?;
        let kernel = SOURCE.kernel::<T>(device, "cross_entropy_backward")?;
        let (count, columns) = (count as i32, columns as i32);
        start!(
            device, kernel, launch, &data, &targets, &slope, &mut out, &count, &columns
        )?;
        Ok(tensor(out, device, logits.shape()))
    }
}
