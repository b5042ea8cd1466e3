//! What a disk has left for us.

use std::path::Path;

use rustix::fs::{StatVfs, statvfs};

/// MiB that are free where a folder lies; none where nobody knows.
pub(crate) fn free_at(folder: &Path) -> u64 {
    statvfs(folder).map_or(0, |disk| free_mib(&disk))
}

/// MiB that are free.
pub(crate) fn free_mib(disk: &StatVfs) -> u64 {
    disk.f_bavail.saturating_mul(disk.f_frsize) >> 20
}
