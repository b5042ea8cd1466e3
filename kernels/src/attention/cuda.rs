//! Launches of `cuda.cu` and `hopper.cu`.

use super::NAME;
use crate::cuda::settings::Settings;
use crate::cuda::{Launch, WARP, pack};
use crate::rotary::Shape;
use candle_core::{DType, Result, bail};

/// Widths of a head that `cuda.cu` is compiled for, and `hopper.cu`.
const HEAD_DIMS: [usize; 3] = [16, 32, 64];
const HOPPER_HEAD_DIM: usize = 64;
/// Rows that a warp multiplies at once.
const ROWS_PER_GROUP: usize = 16;
/// Threads of a warpgroup, which has a tile of rows of its own, and bytes of such a tile.
const WARPGROUP: usize = 4 * WARP;
const HOPPER_TILE: usize = 64;
const HOPPER_TILE_BYTES: usize = HOPPER_TILE * HOPPER_HEAD_DIM * 2;

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

/// Which kernels: those that every GPU has, or those of `hopper.cu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `cuda.cu`.
    Plain,
    /// `hopper.cu`.
    Hopper,
}

impl Version {
    /// The one for a GPU of such a compute capability.
    #[must_use]
    pub fn of(settings: &Settings, shape: &Shape, dtype: DType, capability: (i32, i32)) -> Self {
        let possible =
            capability == (9, 0) && dtype == DType::BF16 && shape.head_dim == HOPPER_HEAD_DIM;
        if possible && settings.is_on("ATTENTION_HOPPER") {
            Self::Hopper
        } else {
            Self::Plain
        }
    }
}

/// What the launches depend on.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Of `cuda.cu` and `hopper.cu`.
    pub settings: &'a Settings,
    /// Which of them.
    pub version: Version,
    /// Of a sequence.
    pub shape: Shape,
    /// Sequences.
    pub batch: usize,
    /// What is computed in.
    pub dtype: DType,
}

impl Plan<'_> {
    /// The kernel of a pass.
    #[cfg(feature = "cuda")]
    fn kernel(&self, pass: Pass) -> String {
        let name = match pass {
            Pass::Forward => "attention_forward",
            Pass::Keys => "attention_backward_keys",
            Pass::Queries => "attention_backward_queries",
        };
        match self.version {
            Version::Plain => self.named(name),
            Version::Hopper => format!("{name}_hopper"),
        }
    }

    /// A kernel of `cuda.cu`.
    #[cfg(feature = "cuda")]
    fn named(&self, name: &str) -> String {
        format!("{name}_{}_{}", self.dtype.as_str(), self.shape.head_dim)
    }

    /// A block for so many rows, each head and each sequence.
    ///
    /// # Errors
    /// A width of a head that there is no kernel for.
    pub fn launch(&self, pass: Pass) -> Result<Launch> {
        if !HEAD_DIMS.contains(&self.shape.head_dim) {
            bail!(
                "{NAME}: heads of width {} have no CUDA version, only {HEAD_DIMS:?}",
                self.shape.head_dim
            );
        }
        let (threads, rows) = self.block(pass)?;
        // The gradients of the scores are whole tiles: of keys beyond the sequence zeros.
        let end = match pass {
            Pass::Keys => self.shape.sequence.next_multiple_of(self.tile()?),
            Pass::Forward | Pass::Queries => self.shape.sequence,
        };
        let blocks = [end.div_ceil(rows), self.shape.heads, self.batch];
        Ok(Launch::new(NAME, blocks, threads)?.with_shared(self.shared(pass)?))
    }

    /// Numbers that the gradients of the scores take: all tiles of the lower triangle, of each head
    /// and sequence.
    ///
    /// # Errors
    /// A dtype other than f32 and bf16.
    pub fn slopes(&self) -> Result<usize> {
        let tile = self.tile()?;
        let tiles = self.shape.sequence.div_ceil(tile);
        Ok(self.batch * self.shape.heads * tiles * (tiles + 1) / 2 * tile * tile)
    }

    /// Rows of a tile that passes by.
    fn tile(&self) -> Result<usize> {
        match (self.version, self.dtype) {
            (Version::Hopper, _) => Ok(HOPPER_TILE),
            (Version::Plain, DType::F32) => self.settings.get("ATTENTION_F32_TILE"),
            (Version::Plain, DType::BF16) => self.settings.get("ATTENTION_TILE"),
            (Version::Plain, other) => {
                bail!("{NAME}: no CUDA version for {other:?}, only for f32 and bf16")
            }
        }
    }

    /// Threads of a block, and its rows.
    fn block(&self, pass: Pass) -> Result<(usize, usize)> {
        if self.version == Version::Hopper {
            let groups = self.groups(pass)?;
            return Ok((groups * WARPGROUP, groups * HOPPER_TILE));
        }
        let (warps, groups) = match (pass, self.dtype) {
            (_, DType::F32) => (self.settings.get("ATTENTION_F32_WARPS")?, 1),
            _ => {
                let own = |what| self.settings.get(&setting("ATTENTION", pass, what));
                (own("WARPS")?, own("GROUPS")?)
            }
        };
        Ok((warps * WARP, warps * groups * ROWS_PER_GROUP))
    }

    /// Warpgroups of a block.
    fn groups(&self, pass: Pass) -> Result<usize> {
        let name = setting("ATTENTION_HOPPER", pass, "GROUPS");
        self.settings.get(&name)
    }

    /// Bytes of shared memory that a block asks for.
    fn shared(&self, pass: Pass) -> Result<usize> {
        let tiles = match (self.version, pass) {
            (Version::Plain, _) => 0,
            (Version::Hopper, Pass::Forward | Pass::Keys) => 4,
            (Version::Hopper, Pass::Queries) => {
                let stages = self.settings.get("ATTENTION_HOPPER_QUERIES_STAGES")?;
                stages * (1 + self.groups(pass)?)
            }
        };
        Ok(tiles * HOPPER_TILE_BYTES)
    }
}

/// `ATTENTION_KEYS_WARPS`.
fn setting(version: &str, pass: Pass, what: &str) -> String {
    let pass = match pass {
        Pass::Forward => "FORWARD",
        Pass::Keys => "KEYS",
        Pass::Queries => "QUERIES",
    };
    format!("{version}_{pass}_{what}")
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
    use super::{NAME, Pass, Plan, Version, pack, packs};
    use crate::cuda::device::{CudaReal, Kernels, kernels, span, start, tensor, unwritten, view};
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

    fn plan<T: CudaReal>(kernels: &Kernels, shape: Shape, batch: usize) -> Plan<'_> {
        let settings = &kernels.settings;
        Plan {
            settings,
            version: Version::of(settings, &shape, T::DTYPE, kernels.capability),
            shape,
            batch,
            dtype: T::DTYPE,
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
        let plan = plan::<T>(&kernels, shape, batch);
        let sizes = AttentionShape::from(&shape);
        let _span = span(
            device,
            "attention.forward",
            2 * elements * (shape.sequence + 1),
            4 * elements * size_of::<T>(),
        )?;
        start!(
            device,
            kernels.named(&plan.named("attention_turn"))?,
            packs(plan.settings, elements, T::DTYPE)?,
            &qkv,
            &cos,
            &sin,
            &mut turned,
            &((elements / pack(NAME, T::DTYPE)?) as u64),
            &sizes
        )?;
        start!(
            device,
            kernels.named(&plan.kernel(Pass::Forward))?,
            plan.launch(Pass::Forward)?,
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
        let plan = plan::<T>(&kernels, shape, batch);
        let mut means = unwritten::<f32>(device, rows)?;
        let mut slopes = unwritten::<T>(device, plan.slopes()?)?;
        let mut out = unwritten::<T>(device, data.len())?;
        let sizes = AttentionShape::from(&shape);
        let _span = span(
            device,
            "attention.backward",
            5 * y.len() * (shape.sequence + 1),
            8 * y.num_bytes(),
        )?;
        start!(
            device,
            kernels.named(&plan.named("attention_means"))?,
            packs(plan.settings, y.len(), T::DTYPE)?,
            &y,
            &grad,
            &mut means,
            &((y.len() / pack(NAME, T::DTYPE)?) as u64),
            &sizes
        )?;
        start!(
            device,
            kernels.named(&plan.kernel(Pass::Keys))?,
            plan.launch(Pass::Keys)?,
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
            kernels.named(&plan.kernel(Pass::Queries))?,
            plan.launch(Pass::Queries)?,
            turned,
            &slopes,
            &cos,
            &sin,
            &mut out,
            &sizes
        )?;
        Ok(tensor(out, device, qkv.shape()))
    }
}
