//! From sources to machine code, by NVRTC, in one of two ways:
//!
//! * when an operation is first asked for, from the sources; what was made is found again by the hash of text, compiler and architecture.
//! * ahead, by [`compile_all`] into a folder, from which [`use_folder`] takes it: a trial starts many processes, each with an empty cache of
//!   its own.
//!
//! The sources are read when the program runs and are no part of it: an edited kernel needs no Rust
//! build. `OUTPACE_KERNELS` names their folder; without it, it is `kernels/src` under the current
//! one.

use super::settings::Settings;
use candle_core::cuda_backend::cudarc::nvrtc::{result, sys};
use candle_core::{Error, Result, bail};
use sha2::{Digest as _, Sha256};
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Folder with the sources of kernels.
pub const SOURCES_VARIABLE: &str = "OUTPACE_KERNELS";
const DEFAULT_SOURCES: &str = "kernels/src";
const STANDARD: &str = "--std=c++17";

/// What every kernel's source begins with.
const SHARED: [&str; 3] = [
    "cuda/common.cuh",
    "cuda/tensor_core.cuh",
    "cuda/warpgroup.cuh",
];

/// Folders of operations that have kernels.
pub const OPERATIONS: [&str; 7] = [
    "adamw",
    "add",
    "attention",
    "cross_entropy",
    "embedding",
    "relu_squared",
    "rms_norm",
];

/// An operation's kernels in machine code, and its launch settings.
pub(crate) struct Compiled {
    pub(crate) code: Vec<u8>,
    pub(crate) settings: Settings,
}

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// From now on all kernels come from `folder`, which [`compile_all`] has written. Only the first
/// call counts.
pub fn use_folder(folder: &Path) {
    let _ = FOLDER.set(folder.to_owned());
}

/// Compiles all operations for an architecture, `sm_90`, into `folder`. Returns how many operations
/// that are.
///
/// # Errors
/// Sources that cannot be read or do not compile, or a folder that cannot be written.
pub fn compile_all(architecture: &str, folder: &Path) -> Result<usize> {
    // That is what `sm_90` is compiled for anyway, and the name that a device looks for.
    let architecture = if architecture == "sm_90a" {
        "sm_90"
    } else {
        architecture
    };
    let compile_one = |operation: &'static str| {
        let text = whole_text(operation)?;
        let code = compile(operation, architecture, &text)?;
        write(&code_path(folder, operation, architecture), &code)?;
        let settings = Settings::of(operation, &text).to_string();
        write(&settings_path(folder, operation), settings.as_bytes())
    };
    // Attention takes longer than all others together: side by side they cost nothing.
    std::thread::scope(|scope| {
        let threads = OPERATIONS.map(|operation| scope.spawn(move || compile_one(operation)));
        threads
            .into_iter()
            .try_for_each(|thread| match thread.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            })
    })?;
    Ok(OPERATIONS.len())
}

/// The kernels of `operation` for a compute capability.
pub(crate) fn compiled(operation: &'static str, (major, minor): (i32, i32)) -> Result<Compiled> {
    let architecture = format!("sm_{major}{minor}");
    match FOLDER.get() {
        Some(folder) => from_folder(operation, &architecture, folder),
        None => from_sources(operation, &architecture),
    }
}

fn from_folder(operation: &'static str, architecture: &str, folder: &Path) -> Result<Compiled> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| {
            Error::Msg(format!(
                "{}: {error}. Hint: `outpace-gpt compile --arch {architecture} --out {}` writes it",
                path.display(),
                folder.display()
            ))
        })
    };
    let settings = read(&settings_path(folder, operation))?;
    Ok(Compiled {
        code: read(&code_path(folder, operation, architecture))?,
        settings: Settings::of(operation, &String::from_utf8_lossy(&settings)),
    })
}

fn from_sources(operation: &'static str, architecture: &str) -> Result<Compiled> {
    let text = whole_text(operation)?;
    let settings = Settings::of(operation, &text);
    let kept = cache_path(operation, architecture, &text)?;
    if let Some(code) = kept.as_ref().and_then(|path| std::fs::read(path).ok()) {
        return Ok(Compiled { code, settings });
    }
    let code = compile(operation, architecture, &text)?;
    if let Some(path) = kept {
        // A cache that cannot be written costs a compilation, and is no error.
        let _ = write(&path, &code);
    }
    Ok(Compiled { code, settings })
}

fn code_path(folder: &Path, operation: &str, architecture: &str) -> PathBuf {
    folder.join(format!("{operation}-{architecture}.cubin"))
}

fn settings_path(folder: &Path, operation: &str) -> PathBuf {
    folder.join(format!("{operation}.settings"))
}

/// The folder of the sources.
fn sources() -> PathBuf {
    std::env::var_os(SOURCES_VARIABLE).map_or_else(|| DEFAULT_SOURCES.into(), PathBuf::from)
}

/// The shared parts and the operation's own, as one text: NVRTC needs no include folder. Some
/// operations have a second version, for Hopper.
fn whole_text(operation: &str) -> Result<String> {
    let own = format!("{operation}/cuda.cu");
    let hopper = format!("{operation}/hopper.cu");
    let hopper = sources().join(&hopper).exists().then_some(hopper);
    let part = |name: &str| {
        let path = sources().join(name);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Error::Msg(format!(
                "CUDA kernel {}: {error}. Hint: run in the root of outpace's repository, or name the folder kernels/src in {SOURCES_VARIABLE}",
                path.display()
            ))
        })?;
        let text = text.replace("#pragma once", "");
        Ok(format!("#line 1 \"{name}\"\n{text}\n"))
    };
    let names = SHARED
        .into_iter()
        .chain([own.as_str()])
        .chain(hopper.as_deref());
    names.map(part).collect()
}

/// The file that holds the code of `text`; none without a home. Another compiler makes other code
/// of the same text.
fn cache_path(operation: &str, architecture: &str, text: &str) -> Result<Option<PathBuf>> {
    let compiler = nvrtc_version()?;
    let hash = Sha256::digest(format!("{compiler:?}\n{architecture}\n{STANDARD}\n{text}"));
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache")));
    Ok(base.map(|base| {
        base.join("outpace/kernels")
            .join(format!("{operation}-{hash}.cubin"))
    }))
}

fn nvrtc_version() -> Result<(i32, i32)> {
    let (mut major, mut minor) = (0, 0);
    #[expect(unsafe_code, reason = "cudarc has no safe call for it")]
    // SAFETY: two pointers to integers, which it writes.
    let code = unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) };
    match code {
        sys::nvrtcResult::NVRTC_SUCCESS => Ok((major, minor)),
        error => bail!("NVRTC does not say its version: {error:?}"),
    }
}

/// Renamed into place, so that nobody reads half of it.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let part = path.with_extension(format!("{}.part", std::process::id()));
    let written = || {
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        std::fs::write(&part, bytes)?;
        std::fs::rename(&part, path)
    };
    written().map_err(|error| {
        let _ = std::fs::remove_file(&part);
        Error::Msg(format!("{}: {error}", path.display()))
    })
}

/// Machine code and not PTX: the driver would have to compile that again in every process.
fn compile(operation: &str, architecture: &str, text: &str) -> Result<Vec<u8>> {
    let failed = |what: &str| Error::Msg(format!("{operation}: its CUDA kernels {what}"));
    let c_text = CString::new(text).map_err(|_| failed("contain a zero byte"))?;
    let name = CString::new(format!("{operation}.cu")).map_err(|_| failed("have no name"))?;
    let program = result::create_program(&c_text, Some(&name))
        .map_err(|error| failed(&format!("are refused by NVRTC: {error:?}")))?;
    // Hopper's products of a warpgroup are in no other architecture, and have a name of their own.
    let features = if architecture == "sm_90" { "a" } else { "" };
    let options = [
        format!("--gpu-architecture={architecture}{features}"),
        STANDARD.to_owned(),
    ];
    #[expect(unsafe_code, reason = "cudarc has no safe call for machine code")]
    // SAFETY: `program` was just created and is destroyed once, at the end. The buffer has the size
    // that NVRTC asks for.
    unsafe {
        let outcome = match result::compile_program(program, &options) {
            Ok(()) => machine_code(program),
            Err(_) => Err(failed(&format!("do not compile:\n{}", log(program)))),
        };
        // What was made is ours already.
        let _ = result::destroy_program(program);
        outcome
    }
}

#[expect(unsafe_code, reason = "cudarc has no safe call for machine code")]
/// # Safety
/// `program` must have been compiled.
unsafe fn machine_code(program: sys::nvrtcProgram) -> Result<Vec<u8>> {
    let (mut size, mut code) = (0, Vec::<u8>::new());
    // SAFETY: NVRTC writes the size, and then as many bytes into a buffer of it.
    let outcome = unsafe {
        let asked = sys::nvrtcGetCUBINSize(program, &raw mut size);
        code.resize(size, 0);
        match asked {
            sys::nvrtcResult::NVRTC_SUCCESS => {
                sys::nvrtcGetCUBIN(program, code.as_mut_ptr().cast())
            }
            error => error,
        }
    };
    match outcome {
        sys::nvrtcResult::NVRTC_SUCCESS => Ok(code),
        error => bail!("NVRTC does not give the code that it made: {error:?}"),
    }
}

#[expect(unsafe_code, reason = "cudarc has no safe call for it")]
/// # Safety
/// `program` must exist.
unsafe fn log(program: sys::nvrtcProgram) -> String {
    // SAFETY: as the caller's.
    let log = unsafe { result::get_program_log(program) };
    let bytes: Vec<u8> = log
        .unwrap_or_default()
        .iter()
        .map(|&c| c.cast_unsigned())
        .collect();
    String::from_utf8_lossy(&bytes)
        .trim_end_matches('\0')
        .to_owned()
}
