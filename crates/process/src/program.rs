//! Programs that are not there.

use std::ffi::OsStr;
use std::path::Path;

/// Exit code when the program could not be started.
pub(crate) const CANNOT_START: u8 = 127;

/// Whether there is no such program, as an absolute or relative path, or in PATH.
pub fn is_missing(program: &str, cwd: &Path) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    is_missing_in(program, cwd, &path)
}

/// The same with another PATH.
pub(crate) fn is_missing_in(program: &str, cwd: &Path, path: &OsStr) -> bool {
    if program.contains('/') {
        return !cwd.join(program).is_file();
    }
    !std::env::split_paths(path).any(|folder| cwd.join(folder).join(program).is_file())
}
