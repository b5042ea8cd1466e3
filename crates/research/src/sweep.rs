//! What a killed outpace left behind in the temporary folder.

use std::fs;
use std::path::Path;

/// Deletes scratch folders whose owner is gone. Their processes ended with it: the supervisor sees to that.
pub fn sweep_leftovers() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(owner) else {
            continue;
        };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            // Another user's folder cannot be deleted, and need not be.
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
