//! Whether CUDA starts. Its driver opens devices, maps memory and names threads, more than a list
//! of paths would tell, so it is asked.

use std::ffi::{OsString, c_int, c_uint};
use std::process::{Command, ExitCode, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use libloading::{Library, Symbol};

use super::system;

/// First argument of the supervisor's program that asks for it.
pub(crate) const CUDA: &str = "--cuda";
/// What every driver of NVIDIA's is called; also the one of Windows that WSL hands in.
const DRIVER: &str = "libcuda.so.1";
/// A driver whose GPU is gone may never answer.
const PATIENCE: Duration = Duration::from_secs(20);
const NO_ANSWER: i32 = 3;

/// What `cuInit` answers, 0 where CUDA starts; nothing where there is no driver. Ends the process
/// where it never does.
#[expect(unsafe_code, reason = "the driver is a library of C")]
pub(super) fn init() -> Option<c_int> {
    thread::spawn(|| {
        thread::sleep(PATIENCE);
        std::process::exit(NO_ANSWER)
    });
    // SAFETY: the library is the one that every program of the user's loads; what it does when it
    // is loaded is done in a process that exists for this.
    let library = unsafe { Library::new(DRIVER) }.ok()?;
    // SAFETY: `CUresult cuInit(unsigned int Flags)`, CUDA Driver API; a CUresult is an int.
    let init: Symbol<'_, unsafe extern "C" fn(c_uint) -> c_int> =
        unsafe { library.get(b"cuInit\0") }.ok()?;
    // SAFETY: flags have to be 0.
    let answer = unsafe { init(0) };
    // Threads that it started would lose their code.
    std::mem::forget(library);
    Some(answer)
}

/// Whether it starts outside of every box, in a process of its own. `own` is the supervisor's
/// program with its first arguments.
pub(super) fn starts(own: &[OsString]) -> bool {
    let tried = || {
        let mut command = Command::new(&own[0]);
        command.args(&own[1..]).arg(CUDA).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    // Without a device it need not be asked.
    static STARTS: OnceLock<bool> = OnceLock::new();
    *STARTS.get_or_init(|| !system::gpu_devices().is_empty() && tried())
}

/// Exits with 0 where it starts.
pub(crate) fn main() -> ExitCode {
    match init() {
        Some(0) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
