//! Programs that are not there.

use std::path::Path;

/// Exit code when the program could not be started.
pub(crate) const CANNOT_START: u8 = 127;

/// Whether there is no such program, as an absolute or relative path, or in PATH.
pub fn is_missing(program: &str, cwd: &Path) -> bool {
    if program.contains('/') {
        return !cwd.join(program).is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    !std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
