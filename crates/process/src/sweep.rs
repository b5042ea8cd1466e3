//! What a killed outpace left behind in the temporary directories.

use std::fs;
use std::path::Path;

use crate::context::scratch_parents;

/// Deletes scratch directories whose owner is gone. Their processes ended with it: the supervisor
/// sees to that.
pub fn sweep_leftovers() {
    let listed = scratch_parents()
        .into_iter()
        .filter_map(|parent| fs::read_dir(parent).ok());
    for entry in listed.flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(owner) else {
            continue;
        };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            // Another user's directory cannot be deleted, and need not be.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// `outpace-1234-AbCdEf` belongs to process 1234.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix("outpace-")?
        .split_once('-')?
        .0
        .parse()
        .ok()
}
