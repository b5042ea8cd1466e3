//! Kernels on a device: loaded once a process, launched on candle's stream, timed by its events
//! when a profile is asked for.

use super::compile::{self, OPERATIONS};
use super::settings::Settings;
use super::{Launch, PACK_BYTES};
use crate::host::Open;
use crate::profile;
use candle_core::cuda_backend::cudarc::driver::{
    CudaEvent, CudaFunction, CudaModule, CudaSlice, CudaView, DeviceRepr, LaunchConfig,
    ValidAsZeroBits, result, sys,
};
use candle_core::cuda_backend::cudarc::nvrtc::Ptx;
use candle_core::cuda_backend::{CudaDType, CudaDevice, DeviceId, WrapErr as _};
use candle_core::op::BackpropOp;
use candle_core::{CudaStorage, Device, Layout, Result, Shape, Storage, Tensor, WithDType, bail};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// What the CUDA kernels compute in.
pub trait CudaReal: WithDType + CudaDType + DeviceRepr + ValidAsZeroBits {
    /// What the names of its kernels end in.
    const SUFFIX: &'static str;
}

impl CudaReal for f32 {
    const SUFFIX: &'static str = "f32";
}

impl CudaReal for half::bf16 {
    const SUFFIX: &'static str = "bf16";
}

/// An operation's kernels on one device.
pub(crate) struct Kernels {
    operation: &'static str,
    module: Arc<CudaModule>,
    pub(crate) settings: Settings,
    /// The device's, 9 and 0 of Hopper.
    pub(crate) capability: (i32, i32),
    /// The most shared memory of a block, in bytes, declared or asked for at a launch.
    pub(crate) most_shared: usize,
    functions: Mutex<HashMap<String, CudaFunction>>,
}

/// The kernels of `operation`, loaded once a process and device; every launch asks for them.
pub(crate) fn kernels(operation: &'static str, device: &CudaDevice) -> Result<Arc<Kernels>> {
    type Loaded = HashMap<(DeviceId, &'static str), Arc<Kernels>>;
    static LOADED: LazyLock<Mutex<Loaded>> = LazyLock::new(Mutex::default);
    let mut loaded = open(&LOADED);
    let key = (device.id(), operation);
    if let Some(kernels) = loaded.get(&key) {
        return Ok(kernels.clone());
    }
    let stream = device.cuda_stream();
    let context = stream.context();
    let capability = context.compute_capability().w()?;
    let compiled = compile::compiled(operation, capability)?;
    let most_shared =
        sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
    let kernels = Arc::new(Kernels {
        operation,
        module: context.load_module(Ptx::from_binary(compiled.code)).w()?,
        settings: compiled.settings,
        capability,
        most_shared: context.attribute(most_shared).w()?.max(0) as usize,
        functions: Mutex::default(),
    });
    loaded.insert(key, kernels.clone());
    Ok(kernels)
}

impl Kernels {
    /// The kernel `name` for `T`: `rms_norm_forward` for bf16 is called `rms_norm_forward_bf16`.
    pub(crate) fn of<T: CudaReal>(&self, name: &str) -> Result<CudaFunction> {
        self.named(&format!("{name}_{}", T::SUFFIX))
    }

    /// The kernel of just that name.
    pub(crate) fn named(&self, name: &str) -> Result<CudaFunction> {
        let mut functions = open(&self.functions);
        if let Some(function) = functions.get(name) {
            return Ok(function.clone());
        }
        let Ok(function) = self.module.load_function(name) else {
            bail!("{}: its CUDA sources have no kernel {name}", self.operation);
        };
        functions.insert(name.to_owned(), function.clone());
        Ok(function)
    }
}

/// What a panic leaves behind is still a map.
pub(crate) fn open<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a device ready to train: loads every kernel, and has its memory pool keep what is freed.
/// By default a pool gives memory back whenever somebody waits for the device, and the next step
/// has to get it again.
///
/// # Errors
/// Kernels that do not compile, or what the driver reports.
pub fn prepare(device: &Device) -> Result<()> {
    let device = device.as_cuda_device()?;
    if let Some(pool) = pool(device)? {
        let mut keep_all = u64::MAX;
        let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        #[expect(unsafe_code, reason = "cudarc has no safe call for it")]
        // SAFETY: the attribute is a 64-bit number, and the pool is the device's own.
        unsafe {
            result::mem_pool::set_attribute(pool, attribute, (&raw mut keep_all).cast()).w()?;
        }
    }
    for operation in OPERATIONS {
        kernels(operation, device)?;
    }
    Ok(())
}

/// What a device is.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// As its driver calls it.
    pub name: String,
    /// `sm_90`.
    pub architecture: String,
}

/// Asks the driver.
///
/// # Errors
/// What the driver reports, or a device that is none of CUDA's.
pub fn about(device: &Device) -> Result<About> {
    let stream = device.as_cuda_device()?.cuda_stream();
    let context = stream.context();
    let (major, minor) = context.compute_capability().w()?;
    Ok(About {
        name: context.name().w()?,
        architecture: format!("sm_{major}{minor}"),
    })
}

/// Memory, in bytes, that nobody uses now.
///
/// # Errors
/// What the driver reports, or a device that is none of CUDA's.
pub fn free_memory_bytes(device: &Device) -> Result<u64> {
    let stream = device.as_cuda_device()?.cuda_stream();
    let (free, _) = stream.context().mem_get_info().w()?;
    Ok(free as u64)
}

/// The most memory, in bytes, that tensors of this process have used at once; none where the device
/// has no pool.
///
/// # Errors
/// What the driver reports.
pub fn peak_memory_bytes(device: &Device) -> Result<Option<u64>> {
    let Some(pool) = pool(device.as_cuda_device()?)? else {
        return Ok(None);
    };
    let mut bytes = 0_u64;
    let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH;
    #[expect(unsafe_code, reason = "cudarc has no safe call for it")]
    // SAFETY: the attribute is a 64-bit number, and the pool is the device's own.
    unsafe {
        result::mem_pool::get_attribute(pool, attribute, (&raw mut bytes).cast()).w()?;
    }
    Ok(Some(bytes))
}

/// The pool that tensors come from.
fn pool(device: &CudaDevice) -> Result<Option<sys::CUmemoryPool>> {
    let stream = device.cuda_stream();
    let context = stream.context();
    if !context.has_async_alloc() {
        return Ok(None);
    }
    context.bind_to_thread().w()?;
    #[expect(unsafe_code, reason = "cudarc has no safe call for it")]
    // SAFETY: the device is the context's own.
    let pool = unsafe { result::device::get_default_mem_pool(context.cu_device()).w()? };
    Ok(Some(pool))
}

/// Measures what is queued between its beginning and its end, on the device; nothing waits for it.
pub(crate) struct Span(Option<Queued>);

struct Queued {
    name: &'static str,
    flops: usize,
    bytes: usize,
    device: CudaDevice,
    start: CudaEvent,
    end: Option<CudaEvent>,
}

static QUEUED: Mutex<Vec<Queued>> = Mutex::new(Vec::new());

/// Opens a measurement of `name`, which does `flops` operations on `bytes` bytes.
pub(crate) fn span(
    device: &CudaDevice,
    name: &'static str,
    flops: usize,
    bytes: usize,
) -> Result<Span> {
    if !profile::is_enabled() {
        return Ok(Span(None));
    }
    Ok(Span(Some(Queued {
        name,
        flops,
        bytes,
        device: device.clone(),
        start: now(device)?,
        end: None,
    })))
}

fn now(device: &CudaDevice) -> Result<CudaEvent> {
    let timed = Some(sys::CUevent_flags::CU_EVENT_DEFAULT);
    device.cuda_stream().record_event(timed).w()
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(mut queued) = self.0.take() {
            // A device that cannot record an event reports that with the next launch.
            queued.end = now(&queued.device).ok();
            open(&QUEUED).push(queued);
        }
    }
}

/// Waits for all measurements that were queued and hands them over: name, seconds, FLOPs, bytes.
pub(crate) fn settle(mut add: impl FnMut(&'static str, f64, f64, f64)) {
    for queued in std::mem::take(&mut *open(&QUEUED)) {
        let Some(Ok(milliseconds)) = queued.end.map(|end| queued.start.elapsed_ms(&end)) else {
            continue;
        };
        let seconds = f64::from(milliseconds) / 1e3;
        add(
            queued.name,
            seconds,
            queued.flops as f64,
            queued.bytes as f64,
        );
    }
}

impl Launch {
    /// As cudarc wants it.
    pub(crate) fn config(&self) -> LaunchConfig {
        let [x, y, z] = self.blocks;
        LaunchConfig {
            grid_dim: (x, y, z),
            block_dim: (self.threads, 1, 1),
            shared_mem_bytes: self.shared,
        }
    }

    /// Without a word to the driver a block has 48 KiB of shared memory, with what its kernel
    /// declares; and a multiprocessor has for all of its blocks what the driver takes for enough.
    pub(crate) fn allow_shared(&self, function: &CudaFunction) -> Result<()> {
        if self.shared == 0 {
            return Ok(());
        }
        let most = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        let per_cent =
            sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT;
        function
            .set_attribute(most, self.shared.cast_signed())
            .w()?;
        function.set_attribute(per_cent, 100).w()
    }
}

/// Starts `$function` with `$launch` on `$device`'s stream.
macro_rules! start {
    ($device:expr, $function:expr, $launch:expr, $($argument:expr),+ $(,)?) => {{
        use candle_core::cuda_backend::WrapErr as _;
        use candle_core::cuda_backend::cudarc::driver::PushKernelArg as _;
        let (function, launch, stream) = ($function, $launch, $device.cuda_stream());
        launch.allow_shared(&function)?;
        let mut builder = stream.launch_builder(&function);
        // Bound, so that they live until the launch.
        $(let argument = $argument; builder.arg(argument);)+
        #[expect(unsafe_code, reason = "a kernel")]
        // SAFETY: the arguments are those of the kernel's signature in `cuda.cu`, in its order. The
        // launch covers what the buffers hold: the tests run the kernels with these sizes.
        let started = unsafe { builder.launch(launch.config()) };
        started.w().map(drop)
    }};
}
pub(crate) use start;

/// The numbers of a contiguous storage on a device, beginning where a thread may load a pack.
pub(crate) fn view<'a, T: CudaDType>(
    operation: &'static str,
    storage: &'a CudaStorage,
    layout: &Layout,
) -> Result<CudaView<'a, T>> {
    match layout.contiguous_offsets() {
        // On a GPU such a load is an error that takes the whole context with it.
        Some((first, _)) if !(first * size_of::<T>()).is_multiple_of(PACK_BYTES) => {
            bail!(
                "{operation}: the input begins {first} numbers into its memory, which is no multiple of {PACK_BYTES} bytes"
            )
        }
        Some((first, end)) => Ok(storage.as_cuda_slice::<T>()?.slice(first..end)),
        None => bail!("{operation}: the input must be contiguous, its layout is {layout:?}"),
    }
}

/// Memory for `n` numbers that a kernel writes, all of them.
#[expect(unsafe_code, reason = "memory that is not written twice")]
pub(crate) fn unwritten<T: CudaReal>(device: &CudaDevice, n: usize) -> Result<CudaSlice<T>> {
    // SAFETY: every kernel writes all of its outputs, which the tests check with outputs that begin
    // as NaN; nothing else reads them before.
    unsafe { device.alloc::<T>(n) }
}

impl<G: Deref<Target = Storage>> Open<'_, G> {
    pub(crate) fn storage(&self, operation: &'static str) -> Result<&CudaStorage> {
        match &*self.storage {
            Storage::Cuda(storage) => Ok(storage),
            _ => bail!("{operation}: all inputs must be on the device"),
        }
    }

    pub(crate) fn view<T: CudaDType>(&self, operation: &'static str) -> Result<CudaView<'_, T>> {
        view(operation, self.storage(operation)?, self.layout)
    }
}

/// A tensor of what a kernel has written.
pub(crate) fn tensor<T: CudaReal>(
    data: CudaSlice<T>,
    device: &CudaDevice,
    shape: impl Into<Shape>,
) -> Tensor {
    from_storage(CudaStorage::wrap_cuda_slice(data, device.clone()), shape)
}

/// The same of a whole storage.
pub(crate) fn from_storage(storage: CudaStorage, shape: impl Into<Shape>) -> Tensor {
    Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false)
}

/// Runs `$body` with `$T` as the number type of `$dtype`.
macro_rules! for_cuda_real {
    ($operation:expr, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $T = f32;
                $body
            }
            candle_core::DType::BF16 => {
                type $T = half::bf16;
                $body
            }
            other => candle_core::bail!("{}: no CUDA version for {other:?}", $operation),
        }
    };
}
pub(crate) use for_cuda_real;
