//! Kernels on a device: compiled by NVRTC when they are first asked for, and found again by the hash of their source.
//!
//! The source is what was compiled into the program, or, where `OUTPACE_KERNELS` names a folder like `kernels/src`, what lies there: then an
//! edited kernel needs no build.

use super::{Launch, PACK_BYTES};
use crate::host::Open;
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaModule, CudaSlice, CudaView, DeviceRepr, LaunchConfig,
};
use candle_core::cuda_backend::cudarc::nvrtc::{self, CompileOptions, Ptx, compile_ptx_with_opts};
use candle_core::cuda_backend::{CudaDType, CudaDevice, DeviceId, WrapErr as _};
use candle_core::op::BackpropOp;
use candle_core::{CudaStorage, Error, Layout, Result, Shape, Storage, Tensor, WithDType, bail};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Folder with the sources of kernels, laid out like `kernels/src`.
pub const SOURCES_VARIABLE: &str = "OUTPACE_KERNELS";

const STANDARD: &str = "--std=c++17";

/// What every kernel's source begins with.
const SHARED: [(&str, &str); 2] = [
    ("cuda/common.cuh", include_str!("common.cuh")),
    ("cuda/tensor_core.cuh", include_str!("tensor_core.cuh")),
];

/// What the CUDA kernels compute in.
pub trait CudaReal: WithDType + CudaDType + DeviceRepr {
    /// What the names of its kernels end in.
    const SUFFIX: &'static str;
}

impl CudaReal for f32 {
    const SUFFIX: &'static str = "f32";
}

impl CudaReal for half::bf16 {
    const SUFFIX: &'static str = "bf16";
}

/// An operation's kernels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    /// `rms_norm`: the folder of `cuda.cu`.
    pub(crate) operation: &'static str,
    /// What is in it.
    pub(crate) text: &'static str,
}

impl Source {
    /// The kernel `name` for `T`: `rms_norm_forward` for bf16 is called `rms_norm_forward_bf16`.
    pub(crate) fn kernel<T: CudaReal>(
        &self,
        device: &CudaDevice,
        name: &str,
    ) -> Result<CudaFunction> {
        self.function(device, &format!("{name}_{}", T::SUFFIX))
    }

    /// The kernel of just that name.
    pub(crate) fn function(&self, device: &CudaDevice, name: &str) -> Result<CudaFunction> {
        self.module(device)?.load_function(name).w()
    }

    /// Compiled once a process and device; every launch asks for it.
    fn module(&self, device: &CudaDevice) -> Result<Arc<CudaModule>> {
        type Loaded = HashMap<(DeviceId, &'static str), Arc<CudaModule>>;
        static LOADED: LazyLock<Mutex<Loaded>> = LazyLock::new(Mutex::default);
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (device.id(), self.operation);
        if let Some(module) = loaded.get(&key) {
            return Ok(module.clone());
        }
        let stream = device.cuda_stream();
        let capability = stream.context().compute_capability().w()?;
        let ptx = compiled(&whole_text(self)?, self.operation, capability)?;
        let module = stream.context().load_module(Ptx::from_src(ptx)).w()?;
        loaded.insert(key, module.clone());
        Ok(module)
    }
}

/// The shared parts and the operation's own, as one text: the machine that trains needs no include folder.
fn whole_text(source: &Source) -> Result<String> {
    let own = format!("{}/cuda.cu", source.operation);
    let parts = SHARED.into_iter().chain([(own.as_str(), source.text)]);
    let folder = std::env::var_os(SOURCES_VARIABLE);
    let texts = parts.map(|(name, built_in)| {
        let text = match &folder {
            None => built_in.to_owned(),
            Some(folder) => {
                let path = Path::new(folder).join(name);
                std::fs::read_to_string(&path).map_err(|error| {
                    Error::Msg(format!("{SOURCES_VARIABLE}: {}: {error}", path.display()))
                })?
            }
        };
        Ok(format!(
            "#line 1 \"{name}\"\n{}\n",
            text.replace("#pragma once", "")
        ))
    });
    texts.collect()
}

/// PTX for a compute capability, from the disk where the same text was compiled before.
fn compiled(text: &str, operation: &str, (major, minor): (i32, i32)) -> Result<String> {
    let architecture = format!("--gpu-architecture=compute_{major}{minor}");
    // Another compiler makes other code of the same text.
    let compiler = nvrtc_version()?;
    let hash = Sha256::digest(format!("{compiler:?}\n{architecture}\n{STANDARD}\n{text}"));
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let kept = cache_folder().map(|folder| folder.join(format!("{operation}-{hash}.ptx")));
    if let Some(ptx) = kept
        .as_ref()
        .and_then(|path| std::fs::read_to_string(path).ok())
    {
        return Ok(ptx);
    }
    let options = CompileOptions {
        options: vec![architecture, STANDARD.to_owned()],
        name: Some(format!("{operation}.cu")),
        ..CompileOptions::default()
    };
    let ptx = compile_ptx_with_opts(text, options).map_err(|error| {
        Error::Msg(format!(
            "{operation}: its CUDA kernels do not compile: {error}"
        ))
    })?;
    let ptx = ptx.to_src();
    if let Some(path) = kept {
        keep(&path, &ptx);
    }
    Ok(ptx)
}

fn nvrtc_version() -> Result<(i32, i32)> {
    let (mut major, mut minor) = (0, 0);
    #[expect(unsafe_code, reason = "cudarc has no safe call for it")]
    // SAFETY: two pointers to integers, which it writes.
    let code = unsafe { nvrtc::sys::nvrtcVersion(&raw mut major, &raw mut minor) };
    match code {
        nvrtc::sys::nvrtcResult::NVRTC_SUCCESS => Ok((major, minor)),
        error => bail!("NVRTC does not say its version: {error:?}"),
    }
}

fn cache_folder() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache")))?;
    Some(base.join("outpace/kernels"))
}

/// A cache that cannot be written costs a compilation, and is no error. Renamed into place, so that nobody reads half of it.
fn keep(path: &Path, ptx: &str) {
    let written = path.with_extension(format!("{}.part", std::process::id()));
    let attempt = || {
        std::fs::create_dir_all(path.parent()?).ok()?;
        std::fs::write(&written, ptx).ok()?;
        std::fs::rename(&written, path).ok()
    };
    if attempt().is_none() {
        let _ = std::fs::remove_file(&written);
    }
}

impl Launch {
    /// As cudarc wants it.
    pub(crate) fn config(&self) -> LaunchConfig {
        let [x, y, z] = self.blocks;
        LaunchConfig {
            grid_dim: (x, y, z),
            block_dim: (self.threads, 1, 1),
            shared_mem_bytes: 0,
        }
    }
}

/// Starts `$function` with `$launch` on `$device`'s stream.
macro_rules! start {
    ($device:expr, $function:expr, $launch:expr, $($argument:expr),+ $(,)?) => {{
        use candle_core::cuda_backend::WrapErr as _;
        use candle_core::cuda_backend::cudarc::driver::PushKernelArg as _;
        let (function, stream) = ($function, $device.cuda_stream());
        let mut builder = stream.launch_builder(&function);
        // Bound, so that they live until the launch.
        $(let argument = $argument; builder.arg(argument);)+
        #[expect(unsafe_code, reason = "a kernel")]
        // SAFETY: the arguments are those of the kernel's signature in `cuda.cu`, in its order. The launch covers what the buffers hold: the tests
        // run the kernels with these sizes.
        let started = unsafe { builder.launch($launch.config()) };
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
    // SAFETY: every kernel writes all of its outputs, which the tests check with outputs that begin as NaN; nothing else reads them before.
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
    let storage = CudaStorage::wrap_cuda_slice(data, device.clone());
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
