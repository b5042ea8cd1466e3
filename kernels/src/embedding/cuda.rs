//! Launches of `cuda.cu`.

use super::NAME;
use crate::cuda::{Launch, WARP, packs};
use candle_core::{DType, Result};

/// A block has a thread for each pack of a row, up to so many.
pub const EMBEDDING_THREADS: usize = 256;

/// A block a row: `rows` are tokens in the forward and symbols in the backward.
///
/// # Errors
/// A width that is no whole number of packs.
pub fn rows(rows: usize, width: usize, dtype: DType) -> Result<Launch> {
    let threads = packs(NAME, width, dtype)?.next_multiple_of(WARP);
    Launch::new(NAME, [rows, 1, 1], threads.min(EMBEDDING_THREADS))
}

#[cfg(feature = "cuda")]
pub(super) use device::{backward, forward};

#[cfg(feature = "cuda")]
mod device {
    use super::{NAME, rows};
    use crate::cuda::device::{CudaReal, Source, start, tensor, unwritten, view};
    use crate::host::Open;
    use candle_core::backend::BackendStorage as _;
    use candle_core::{CudaStorage, Layout, Result, Tensor};

    const SOURCE: Source = Source {
        operation: NAME,
        text: include_str!("cuda.cu"),
    };

    /// Ids are taken as they are: to look at them would be to wait for the device. Whoever makes the batch has checked them.
    pub(crate) fn forward<T: CudaReal>(
        table: (&CudaStorage, &Layout),
        ids: (&CudaStorage, &Layout),
        width: usize,
    ) -> Result<CudaStorage> {
        let device = table.0.device();
        let (table, ids) = (
            view::<T>(NAME, table.0, table.1)?,
            view::<u32>(NAME, ids.0, ids.1)?,
        );
        let mut y = unwritten::<T>(device, ids.len() * width)?;
        let launch = rows(ids.len(), width, T::DTYPE)?;
        let kernel = SOURCE.kernel::<T>(device, "embedding_forward")?;
        start!(
            device,
            kernel,
            launch,
            &table,
            &ids,
            &mut y,
            &(width as i32)
        )?;
        Ok(CudaStorage::wrap_cuda_slice(y, device.clone()))
    }

    pub(crate) fn backward<T: CudaReal>(
        table: &Tensor,
        ids: &Tensor,
        grad: &Tensor,
    ) -> Result<Tensor> {
        let (symbols, width) = table.dims2()?;
        let (ids_device, grad_device) = (Open::of(ids), Open::of(grad));
        let device = ids_device.storage(NAME)?.device();
        let (ids, grad) = (ids_device.view::<u32>(NAME)?, grad_device.view::<T>(NAME)?);
        let mut grad_table = unwritten::<T>(device, symbols * width)?;
        let launch = rows(symbols, width, T::DTYPE)?;
        let kernel = SOURCE.kernel::<T>(device, "embedding_backward")?;
        let (tokens, width) = (ids.len() as i32, width as i32);
        start!(
            device,
            kernel,
            launch,
            &ids,
            &grad,
            &mut grad_table,
            &tokens,
            &width
        )?;
        Ok(tensor(grad_table, device, table.shape()))
    }
}
