//! Launches of `cuda.cu`.

use super::NAME;
use crate::cuda::settings::Settings;
use crate::cuda::{Launch, WARP, pack};
use crate::rotary::Shape;
use candle_core::{DType, Result, bail};

/// Widths of a head that `cuda.cu` is compiled for.
const HEAD_DIMS: [usize; 3] = [16, 32, 64];
/// Rows that a warp multiplies at once.
const ROWS_PER_GROUP: usize = 16;

/// The kernels that go through the lower triangle tile by tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Outputs.
    Forward,
    /// Gradients of keys and values, and of the scores.
    Keys,
    /// Gradients of the queries.
    Queries,
}

/// Rows of a tile that passes by.
fn tile(settings: &Settings, dtype: DType) -> Result<usize> {
    match dtype {
        DType::F32 => settings.get("ATTENTION_F32_TILE"),
        DType::BF16 => settings.get("ATTENTION_TILE"),
        other => bail!("{NAME}: no CUDA version for {other:?}, only for f32 and bf16"),
    }
}

impl Pass {
    /// Warps of a block, and rows of each.
    fn block(self, settings: &Settings, dtype: DType) -> Result<(usize, usize)> {
        let (warps, groups) = match (self, dtype) {
            (_, DType::F32) => return Ok((settings.get("ATTENTION_F32_WARPS")?, ROWS_PER_GROUP)),
            (Self::Forward, _) => ("ATTENTION_FORWARD_WARPS", "ATTENTION_FORWARD_GROUPS"),
            (Self::Keys, _) => ("ATTENTION_KEYS_WARPS", "ATTENTION_KEYS_GROUPS"),
            (Self::Queries, _) => ("ATTENTION_QUERIES_WARPS", "ATTENTION_QUERIES_GROUPS"),
        };
        Ok((settings.get(warps)?, settings.get(groups)? * ROWS_PER_GROUP))
    }
}

/// Numbers that the gradients of the scores take: all tiles of the lower triangle, of each head and sequence.
///
/// # Errors
/// A dtype other than f32 and bf16.
pub fn slopes(settings: &Settings, shape: &Shape, batch: usize, dtype: DType) -> Result<usize> {
    let tile = tile(settings, dtype)?;
    let tiles = shape.sequence.div_ceil(tile);
    Ok(batch * shape.heads * tiles * (tiles + 1) / 2 * tile * tile)
}

/// A block for so many rows, each head and each sequence.
///
/// # Errors
/// A width of a head that there is no kernel for.
pub fn tiles(
    settings: &Settings,
    pass: Pass,
    shape: &Shape,
    batch: usize,
    dtype: DType,
) -> Result<Launch> {
    if !HEAD_DIMS.contains(&shape.head_dim) {
        bail!(
            "{NAME}: heads of width {} have no CUDA version, only {HEAD_DIMS:?}",
            shape.head_dim
        );
    }
    let (warps, rows) = pass.block(settings, dtype)?;
    // The gradients of the scores are whole tiles: of keys beyond the sequence zeros.
    let end = match pass {
        Pass::Keys => shape.sequence.next_multiple_of(tile(settings, dtype)?),
        Pass::Forward | Pass::Queries => shape.sequence,
    };
    let blocks = [end.div_ceil(warps * rows), shape.heads, batch];
    Launch::new(NAME, blocks, warps * WARP)
}

/// A thread for each pack of `elements` numbers.
///
/// # Errors
/// None of them, or more than a GPU has blocks for.
pub fn packs(settings: &Settings, elements: usize, dtype: DType) -> Result<Launch> {
    let threads = settings.get("ATTENTION_THREADS")?;
    let packs = elements / pack(NAME, dtype)?;
    Launch::new(NAME, [packs.div_ceil(threads), 1, 1], threads)
}

#[cfg(feature = "cuda")]
pub(super) use device::{Kept, backward, forward};

#[cfg(feature = "cuda")]
mod device {
    use super::{NAME, Pass, pack, packs, slopes, tiles};
    use crate::cuda::device::{CudaReal, kernels, span, start, tensor, unwritten, view};
    use crate::host::Open;
    use crate::rotary::{Shape, Table};
    use candle_core::backend::BackendStorage as _;
    use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DeviceRepr, DeviceSlice as _};
    use candle_core::{CudaStorage, Layout, Result, Tensor, bail};

    /// What the forward leaves for the backward.
    pub(crate) struct Kept {
        /// Queries and keys, turned.
        turned: CudaStorage,
        /// log2 of the sum of the exponentials of each query's scores.
        log_sums: CudaSlice<f32>,
    }

    /// As `cuda.cu` has it.
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct AttentionShape {
        sequence: i32,
        heads: i32,
    }

    // SAFETY: two integers, laid out as in C.
    #[expect(unsafe_code, reason = "an argument of a kernel")]
    unsafe impl DeviceRepr for AttentionShape {}

    impl From<&Shape> for AttentionShape {
        fn from(shape: &Shape) -> Self {
            Self {
                sequence: shape.sequence as i32,
                heads: shape.heads as i32,
            }
        }
    }

    pub(crate) fn forward<T: CudaReal>(
        qkv: &CudaStorage,
        layout: &Layout,
        rotary: &Table,
    ) -> Result<(CudaStorage, Kept)> {
        let (device, qkv) = (qkv.device(), view::<T>(NAME, qkv, layout)?);
        let shape = rotary.shape();
        let elements = qkv.len() / 3;
        let batch = elements / (shape.sequence * shape.heads * shape.head_dim);
        let (cos, sin) = rotary.tensors();
        let (cos_device, sin_device) = (Open::of(cos), Open::of(sin));
        let (cos, sin) = (cos_device.view::<f32>(NAME)?, sin_device.view::<f32>(NAME)?);
        let mut turned = unwritten::<T>(device, 2 * elements)?;
        let mut y = unwritten::<T>(device, elements)?;
        let mut log_sums = unwritten::<f32>(device, elements / shape.head_dim)?;
        let kernels = kernels(NAME, device)?;
        let sizes = AttentionShape::from(&shape);
        let _span = span(
            device,
            "attention.forward",
            2 * elements * (shape.sequence + 1),
            4 * elements * size_of::<T>(),
        )?;
        start!(
            device,
            kernels.named(&named::<T>("attention_turn", &shape))?,
            packs(&kernels.settings, elements, T::DTYPE)?,
            &qkv,
            &cos,
            &sin,
            &mut turned,
            &((elements / pack(NAME, T::DTYPE)?) as u64),
            &sizes
        )?;
        start!(
            device,
            kernels.named(&named::<T>("attention_forward", &shape))?,
            tiles(&kernels.settings, Pass::Forward, &shape, batch, T::DTYPE)?,
            &turned,
            &qkv,
            &mut y,
            &mut log_sums,
            &sizes
        )?;
        let [y, turned] =
            [y, turned].map(|data| CudaStorage::wrap_cuda_slice(data, device.clone()));
        Ok((y, Kept { turned, log_sums }))
    }

    pub(crate) fn backward<T: CudaReal>(
        qkv: &Tensor,
        y: &Tensor,
        grad: &Tensor,
        rotary: &Table,
        kept: Option<&Kept>,
    ) -> Result<Tensor> {
        let Some(Kept { turned, log_sums }) = kept else {
            bail!("{NAME}: a backward without its forward");
        };
        let (cos, sin) = rotary.tensors();
        let [qkv_device, y_device, grad_device, cos, sin] = [qkv, y, grad, cos, sin].map(Open::of);
        let device = qkv_device.storage(NAME)?.device();
        let data = qkv_device.view::<T>(NAME)?;
        let turned = turned.as_cuda_slice::<T>()?;
        let (y, grad) = (y_device.view::<T>(NAME)?, grad_device.view::<T>(NAME)?);
        let (cos, sin) = (cos.view::<f32>(NAME)?, sin.view::<f32>(NAME)?);
        let shape = rotary.shape();
        let rows = y.len() / shape.head_dim;
        let batch = rows / (shape.sequence * shape.heads);
        let kernels = kernels(NAME, device)?;
        let settings = &kernels.settings;
        let mut means = unwritten::<f32>(device, rows)?;
        let mut slopes = unwritten::<T>(device, slopes(settings, &shape, batch, T::DTYPE)?)?;
        let mut out = unwritten::<T>(device, data.len())?;
        let launch = |pass| tiles(settings, pass, &shape, batch, T::DTYPE);
        let sizes = AttentionShape::from(&shape);
        let _span = span(
            device,
            "attention.backward",
            5 * y.len() * (shape.sequence + 1),
            8 * y.num_bytes(),
        )?;
        start!(
            device,
            kernels.named(&named::<T>("attention_means", &shape))?,
            packs(settings, y.len(), T::DTYPE)?,
            &y,
            &grad,
            &mut means,
            &((y.len() / pack(NAME, T::DTYPE)?) as u64),
            &sizes
        )?;
        start!(
            device,
            kernels.named(&named::<T>("attention_backward_keys", &shape))?,
            launch(Pass::Keys)?,
            turned,
            &data,
            &grad,
            &cos,
            &sin,
            log_sums,
            &means,
            &mut slopes,
            &mut out,
            &sizes
        )?;
        start!(
            device,
            kernels.named(&named::<T>("attention_backward_queries", &shape))?,
            launch(Pass::Queries)?,
            turned,
            &slopes,
            &cos,
            &sin,
            &mut out,
            &sizes
        )?;
        Ok(tensor(out, device, qkv.shape()))
    }

    fn named<T: CudaReal>(name: &str, shape: &Shape) -> String {
        format!("{name}_{}_{}", T::SUFFIX, shape.head_dim)
    }
}
