//! Where programs are, and which are not there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Exit code when the program could not be started.
pub(crate) const CANNOT_START: u8 = 127;

/// Whether there is no such program, as an absolute or relative path, or in PATH: `path`, or our
/// own.
pub fn is_missing(program: &str, cwd: &Path, path: Option<&OsStr>) -> bool {
    let own = std::env::var_os("PATH").unwrap_or_default();
    found(program, cwd, path.unwrap_or(&own)).is_none()
}

/// Where a program is that is started in `cwd` with this PATH.
pub(crate) fn found(program: &str, cwd: &Path, path: &OsStr) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = match program.contains('/') {
        true => vec![PathBuf::new()],
        false => std::env::split_paths(path).collect(),
    };
    let mut files = folders.iter().map(|folder| cwd.join(folder).join(program));
    files.find(|file| file.is_file())
}
