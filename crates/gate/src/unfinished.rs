//! Samples of trials that run. They are kept after every seed, so that a kill, or a base that
//! fails, loses one seed at most. A file a test, in outpace's own folder: the history has what
//! ended.

use std::fs;
use std::path::PathBuf;

use outpace_record::{Document, Verdict};
use outpace_repo::Repo;

/// Keeps what a test has measured so far; a verdict that is `not_proven`.
pub(crate) fn keep(repo: &Repo, test: &str, verdict: &Verdict) -> std::io::Result<()> {
    let [path, next] = paths(repo, test);
    fs::create_dir_all(dir(repo))?;
    fs::write(&next, verdict.to_json())?;
    fs::rename(next, path)
}

/// What a test had measured when it was cut off.
pub(crate) fn find(repo: &Repo, test: &str) -> Option<Verdict> {
    let [path, _] = paths(repo, test);
    let json = fs::read_to_string(path).ok()?;
    Verdict::from_json(&json).ok()
}

/// The test has ended.
pub(crate) fn forget(repo: &Repo, test: &str) {
    for path in paths(repo, test) {
        // There is none where nothing was kept, and no next one but after a kill.
        let _ = fs::remove_file(path);
    }
}

fn dir(repo: &Repo) -> PathBuf {
    repo.state_dir().join("unfinished")
}

/// The samples, and the file that becomes them.
fn paths(repo: &Repo, test: &str) -> [PathBuf; 2] {
    ["json", "next"].map(|ending| dir(repo).join(format!("{test}.{ending}")))
}
