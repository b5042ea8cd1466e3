//! From candle's tensors and storages to slices, with errors that name the operation.

use candle_core::{CpuStorage, Layout, Result, Shape, Storage, Tensor, WithDType, bail};
use std::ops::Deref;

/// The elements of a contiguous CPU storage.
pub(crate) fn slice<'a, T: WithDType>(
    operation: &'static str,
    storage: &'a CpuStorage,
    layout: &Layout,
) -> Result<&'a [T]> {
    let data = T::cpu_storage_as_slice(storage)?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&data[start..end]),
        None => bail!("{operation}: the input must be contiguous, its layout is {layout:?}"),
    }
}

/// A tensor held open for reading. `G` is candle's lock guard, whose type it does not name in
/// public.
pub(crate) struct Open<'a, G> {
    pub(crate) storage: G,
    pub(crate) layout: &'a Layout,
}

impl<'a> Open<'a, ()> {
    pub(crate) fn of(tensor: &'a Tensor) -> Open<'a, impl Deref<Target = Storage>> {
        let (storage, layout) = tensor.storage_and_layout();
        Open { storage, layout }
    }
}

impl<G: Deref<Target = Storage>> Open<'_, G> {
    pub(crate) fn slice<T: WithDType>(&self, operation: &'static str) -> Result<&[T]> {
        match &*self.storage {
            Storage::Cpu(storage) => slice(operation, storage, self.layout),
            _ => bail!("{operation}: only the CPU version exists"),
        }
    }
}

/// Rows and columns of a matrix.
pub(crate) fn matrix(operation: &'static str, shape: &Shape) -> Result<(usize, usize)> {
    match shape.dims() {
        &[rows, columns] if rows > 0 && columns > 0 => Ok((rows, columns)),
        dims => bail!("{operation}: expected a non-empty matrix, got the shape {dims:?}"),
    }
}

/// Runs `$body` with `$T` as the real type of `$dtype`.
macro_rules! for_real {
    ($operation:expr, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $T = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $T = f64;
                $body
            }
            other => candle_core::bail!("{}: no version for {other:?}", $operation),
        }
    };
}
pub(crate) use for_real;
