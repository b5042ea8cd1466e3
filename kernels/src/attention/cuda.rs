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
    /// Gradients of the queries.
    Queries,
    /// Gradients of keys and values.
    Keys,
}

impl Pass {
    /// Warps of a block, and rows of each.
    fn block(self, settings: &Settings, dtype: DType) -> Result<(usize, usize)> {
        let (warps, groups) = match (self, dtype) {
            (_, DType::F32) => return Ok((settings.get("ATTENTION_F32_WARPS")?, ROWS_PER_GROUP)),
            (Self::Forward, DType::BF16) => ("ATTENTION_FORWARD_WARPS", "ATTENTION_FORWARD_GROUPS"),
            (Self::Queries, DType::BF16) => ("ATTENTION_QUERIES_WARPS", "ATTENTION_QUERIES_GROUPS"),
            (Self::Keys, DType::BF16) => ("ATTENTION_KEYS_WARPS", "ATTENTION_KEYS_GROUPS"),
            (_, other) => bail!("{NAME}: no CUDA version for {other:?}, only for f32 and bf16"),
        };
        Ok((settings.get(warps)?, settings.get(groups)? * ROWS_PER_GROUP))
    }
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
    let blocks = [shape.sequence.div_ceil(warps * rows), shape.heads, batch];
    Launch::new(NAME, blocks, warps * WARP)
}

/// Turns queries and keys, `elements` numbers of each; a thread takes two packs.
///
/// # Errors
/// None of them, or more than a GPU has blocks for.
pub fn turn(settings: &Settings, elements: usize, dtype: DType) -> Result<Launch> {
    let threads = settings.get("ATTENTION_TURN_THREADS")?;
    let packs = elements / pack(NAME, dtype)?;
    Launch::new(NAME, [packs.div_ceil(threads), 1, 1], threads)
}

#[cfg(feature = "cuda")]
pub(super) use device::{Kept, backward, forward};

#[cfg(feature = "cuda")]
mod device {
    use super::{NAME, Pass, pack, tiles, turn};
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
        let packs = (elements / pack(NAME, T::DTYPE)?) as u64;
        start!(
            device,
            kernels.named(&named::<T>("attention_turn", &shape))?,
            turn(&kernels.settings, elements, T::DTYPE)?,
            &qkv,
            &cos,
            &sin,
            &mut turned,
            &packs,
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
        let mut means = unwritten::<f32>(device, rows)?;
        let mut out = unwritten::<T>(device, data.len())?;
        let kernels = kernels(NAME, device)?;
        let launch = |pass| tiles(&kernels.settings, pass, &shape, batch, T::DTYPE);
        let sizes = AttentionShape::from(&shape);
        // As many products as it takes with what the forward left; these kernels do seven.
        let _span = span(
            device,
            "attention.backward",
            5 * y.len() * (shape.sequence + 1),
            8 * y.num_bytes(),
        )?;
        let kernel = kernels.named(&named::<T>("attention_backward_queries", &shape))?;
        start!(
            device,
            kernel,
            launch(Pass::Queries)?,
            turned,
            &data,
            &y,
            &grad,
            &cos,
            &sin,
            log_sums,
            &mut means,
            &mut out,
            &sizes
        )?;
        let kernel = kernels.named(&named::<T>("attention_backward_keys", &shape))?;
        start!(
            device,
            kernel,
            launch(Pass::Keys)?,
            turned,
            &data,
            &grad,
            &cos,
            &sin,
            log_sums,
            &means,
            &mut out,
            &sizes
        )?;
        Ok(tensor(out, device, qkv.shape()))
    }

    fn named<T: CudaReal>(name: &str, shape: &Shape) -> String {
        format!("{name}_{}_{}", T::SUFFIX, shape.head_dim)
    }
}
