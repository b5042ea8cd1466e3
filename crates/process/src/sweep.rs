//! What a killed outpace left behind in the temporary directories.

use std::fs;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};

use crate::context::{RANDOM_CHARS, scratch_parents};
use crate::tree::remove_tree;

/// Deletes scratch directories whose owner is gone. Their processes ended with it: the supervisor
/// sees to that.
pub fn sweep_leftovers() {
    scratch_parents().iter().for_each(|parent| sweep(parent));
}

fn sweep(parent: &Path) {
    let listed = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in listed {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(owner) else {
            continue;
        };
        let is_alive = Path::new(&format!("/proc/{pid}")).exists();
        if !is_alive && is_unlocked(&entry.path()) {
            // Another user's directory cannot be deleted, and need not be.
            let _ = remove_tree(&entry.path());
        }
    }
}

/// `outpace-1234-AbCdEf` belongs to process 1234.
fn owner(name: &str) -> Option<u32> {
    let (pid, random) = name.strip_prefix("outpace-")?.split_once('-')?;
    let is_random = random.len() == RANDOM_CHARS;
    let is_random = is_random && random.chars().all(|c| c.is_ascii_alphanumeric());
    is_random.then(|| pid.parse().ok()).flatten()
}

/// Its owner locks it as long as it lives, in whatever container.
fn is_unlocked(folder: &Path) -> bool {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(folder) = open(folder, OFlags::RDONLY | flags, Mode::empty()) else {
        return false;
    };
    flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_dead_outpace_left_is_deleted() {
        let parent = tempfile::tempdir().unwrap();
        // Above the largest that the kernel gives out.
        let gone = 4_194_305;
        let made = |name: String| {
            let path = parent.path().join(name);
            fs::create_dir_all(path.join("inside")).unwrap();
            path
        };
        let left = made(format!("outpace-{gone}-AbCdEf"));
        let of_another_container = made(format!("outpace-{gone}-GhIjKl"));
        let stays = [
            made(format!("outpace-{}-AbCdEf", std::process::id())),
            made(format!("outpace-{gone}-results")),
            made(format!("outpace-{gone}-notes")),
            made("outpace-2026-a-b-c".into()),
        ];
        let lock = fs::File::open(&of_another_container).unwrap();
        flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        sweep(parent.path());
        assert!(!left.exists() && of_another_container.exists());
        assert!(stays.iter().all(|path| path.exists()));
        drop(lock);
        sweep(parent.path());
        assert!(!of_another_container.exists());
    }
}
