//! Launches of `cuda.cu`.

use super::NAME;
use crate::cuda::settings::Settings;
use crate::cuda::{Launch, WARP, packs};
use candle_core::{DType, Result};

/// The forward: a block a token, with a thread for each pack of a row up to EMBEDDING_THREADS.
///
/// # Errors
/// A width that is no whole number of packs.
pub fn gather(settings: &Settings, tokens: usize, width: usize, dtype: DType) -> Result<Launch> {
    let threads = packs(NAME, width, dtype)?.next_multiple_of(WARP);
    let most = settings.get("EMBEDDING_THREADS")?;
    Launch::new(NAME, [tokens, 1, 1], threads.min(most))
}

/// The backward: a block a token, all of whose threads look for other tokens of its symbol.
///
/// # Errors
/// As [`gather`].
pub fn scatter(settings: &Settings, tokens: usize, width: usize, dtype: DType) -> Result<Launch> {
    packs(NAME, width, dtype)?;
    Launch::new(NAME, [tokens, 1, 1], settings.get("EMBEDDING_THREADS")?)
}

/// The index of the symbols: a thread a token.
///
/// # Errors
/// No tokens.
pub fn index(settings: &Settings, tokens: usize) -> Result<Launch> {
    let threads = settings.get("EMBEDDING_THREADS")?;
    Launch::new(NAME, [tokens.div_ceil(threads), 1, 1], threads)
}

#[cfg(feature = "cuda")]
pub(super) use device::{backward, forward};

#[cfg(feature = "cuda")]
mod device {
    use super::{NAME, gather, index, scatter};
    use crate::cuda::device::{CudaReal, kernels, span, start, tensor, unwritten, view};
    use crate::host::Open;
    use candle_core::backend::BackendStorage as _;
    use candle_core::{CudaStorage, Layout, Result, Tensor};

    /// Ids are taken as they are: to look at them would be to wait for the device. Whoever makes
    /// the batch has checked them.
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
        let kernels = kernels(NAME, device)?;
        let kernel = kernels.of::<T>("embedding_forward")?;
        let launch = gather(&kernels.settings, ids.len(), width, T::DTYPE)?;
        let bytes = 2 * ids.len() * width * size_of::<T>();
        let _span = span(device, "embedding.forward", 0, bytes)?;
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
        let kernels = kernels(NAME, device)?;
        let kernel = kernels.of::<T>("embedding_backward")?;
        let launch = scatter(&kernels.settings, ids.len(), width, T::DTYPE)?;
        let bytes = (grad.len() + symbols * width) * size_of::<T>();
        let _span = span(device, "embedding.backward", grad.len(), bytes)?;
        // The kernel writes the rows of symbols that the text has.
        let mut grad_table = device.alloc_zeros::<T>(symbols * width)?;
        let mut counts = device.alloc_zeros::<u32>(symbols)?;
        let mut from_first = device.alloc_zeros::<u32>(symbols)?;
        let index_launch = index(&kernels.settings, ids.len())?;
        let (tokens, width) = (ids.len() as i32, width as i32);
        start!(
            device,
            kernels.named("embedding_index")?,
            index_launch,
            &ids,
            &mut counts,
            &mut from_first,
            &tokens
        )?;
        start!(
            device,
            kernel,
            launch,
            &ids,
            &counts,
            &from_first,
            &grad,
            &mut grad_table,
            &tokens,
            &width
        )?;
        Ok(tensor(grad_table, device, table.shape()))
    }
}
