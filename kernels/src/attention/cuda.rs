//! Launches of `cuda.cu`.

use super::NAME;
use crate::cuda::settings::Settings;
use crate::cuda::{Launch, WARP};
use crate::rotary::Shape;
use candle_core::{DType, Result, bail};

/// Widths of a head that `cuda.cu` is compiled for.
const HEAD_DIMS: [usize; 3] = [16, 32, 64];
/// Rows of a tile that one warp holds.
const ROWS_PER_WARP: usize = 16;

/// Rows of a tile: TILE_OF in `cuda.cu`.
fn tile(settings: &Settings, dtype: DType) -> Result<usize> {
    match dtype {
        DType::F32 => settings.get("ATTENTION_TILE_F32"),
        DType::BF16 => settings.get("ATTENTION_TILE_BF16"),
        other => bail!("{NAME}: no CUDA version for {other:?}, only for f32 and bf16"),
    }
}

/// Forward and both kernels of the backward: a block a tile, head and sequence.
///
/// # Errors
/// A width of a head that there is no kernel for.
pub fn tiles(settings: &Settings, shape: &Shape, batch: usize, dtype: DType) -> Result<Launch> {
    if !HEAD_DIMS.contains(&shape.head_dim) {
        bail!(
            "{NAME}: heads of width {} have no CUDA version, only {HEAD_DIMS:?}",
            shape.head_dim
        );
    }
    let tile = tile(settings, dtype)?;
    let blocks = [shape.sequence.div_ceil(tile), shape.heads, batch];
    Launch::new(NAME, blocks, tile / ROWS_PER_WARP * WARP)
}

/// Inner products of outputs and their gradients, for every head of every token.
///
/// # Errors
/// None of them, or more than a GPU has blocks for.
pub fn means(settings: &Settings, rows: usize) -> Result<Launch> {
    let warps = settings.get("ATTENTION_MEANS_WARPS")?;
    Launch::new(NAME, [rows.div_ceil(warps), 1, 1], warps * WARP)
}

#[cfg(feature = "cuda")]
pub(super) use device::{LogSums, backward, forward};

#[cfg(feature = "cuda")]
mod device {
    use super::{NAME, means, tiles};
    use crate::cuda::device::{CudaReal, kernels, span, start, tensor, unwritten, view};
    use crate::host::Open;
    use crate::rotary::{Shape, Table};
    use candle_core::backend::BackendStorage as _;
    use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DeviceRepr, DeviceSlice as _};
    use candle_core::{CudaStorage, Layout, Result, Tensor, bail};

    /// ln of the sum of the exponentials of each query's scores, which the forward leaves for the backward.
    pub(crate) type LogSums = CudaSlice<f32>;

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
    ) -> Result<(CudaStorage, LogSums)> {
        let (device, qkv) = (qkv.device(), view::<T>(NAME, qkv, layout)?);
        let shape = rotary.shape();
        let elements = qkv.len() / 3;
        let batch = elements / (shape.sequence * shape.heads * shape.head_dim);
        let (cos, sin) = rotary.tensors();
        let (cos_device, sin_device) = (Open::of(cos), Open::of(sin));
        let (cos, sin) = (cos_device.view::<f32>(NAME)?, sin_device.view::<f32>(NAME)?);
        let mut y = unwritten::<T>(device, elements)?;
        let mut log_sums = unwritten::<f32>(device, elements / shape.head_dim)?;
        let kernels = kernels(NAME, device)?;
        let launch = tiles(&kernels.settings, &shape, batch, T::DTYPE)?;
        let kernel = kernels.named(&named::<T>("attention_forward", &shape))?;
        let _span = span(
            device,
            "attention.forward",
            2 * elements * (shape.sequence + 1),
            4 * elements * size_of::<T>(),
        )?;
        let sizes = AttentionShape::from(&shape);
        start!(
            device,
            kernel,
            launch,
            &qkv,
            &cos,
            &sin,
            &mut y,
            &mut log_sums,
            &sizes
        )?;
        Ok((CudaStorage::wrap_cuda_slice(y, device.clone()), log_sums))
    }

    pub(crate) fn backward<T: CudaReal>(
        qkv: &Tensor,
        y: &Tensor,
        grad: &Tensor,
        rotary: &Table,
        log_sums: Option<&LogSums>,
    ) -> Result<Tensor> {
        let Some(log_sums) = log_sums else {
            bail!("{NAME}: a backward without its forward");
        };
        let (cos, sin) = rotary.tensors();
        let [qkv_device, y_device, grad_device, cos, sin] = [qkv, y, grad, cos, sin].map(Open::of);
        let device = qkv_device.storage(NAME)?.device();
        let data = qkv_device.view::<T>(NAME)?;
        let (y, grad) = (y_device.view::<T>(NAME)?, grad_device.view::<T>(NAME)?);
        let (cos, sin) = (cos.view::<f32>(NAME)?, sin.view::<f32>(NAME)?);
        let shape = rotary.shape();
        let rows = y.len() / shape.head_dim;
        let batch = rows / (shape.sequence * shape.heads);
        let mut products = unwritten::<f32>(device, rows)?;
        let mut out = unwritten::<T>(device, data.len())?;
        let kernels = kernels(NAME, device)?;
        let launch = tiles(&kernels.settings, &shape, batch, T::DTYPE)?;
        let sizes = AttentionShape::from(&shape);
        // As many products as it takes with what the forward left; these kernels do seven.
        let _span = span(
            device,
            "attention.backward",
            5 * y.len() * (shape.sequence + 1),
            8 * y.num_bytes(),
        )?;
        let kernel = kernels.named(&named::<T>("attention_means", &shape))?;
        start!(
            device,
            kernel,
            means(&kernels.settings, rows)?,
            &y,
            &grad,
            &mut products,
            &(rows as u64),
            &sizes
        )?;
        for name in ["attention_backward_queries", "attention_backward_keys"] {
            let kernel = kernels.named(&named::<T>(name, &shape))?;
            start!(
                device, kernel, launch, &data, &grad, &cos, &sin, log_sums, &products, &mut out,
                &sizes
            )?;
        }
        Ok(tensor(out, device, qkv.shape()))
    }

    fn named<T: CudaReal>(name: &str, shape: &Shape) -> String {
        format!("{name}_{}_{}", T::SUFFIX, shape.head_dim)
    }
}
