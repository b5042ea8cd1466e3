//! Samples of trials that run. They are kept after every seed, so that a kill, or a base that
//! fails, loses one seed at most. A file a test, in outpace's own folder: the history has what
//! ended.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use outpace_record::{Document, Verdict};
use outpace_repo::Repo;

/// Keeps what a test has measured so far; a verdict that is `not_proven`.
pub(crate) fn keep(repo: &Repo, test: &str, verdict: &Verdict) -> std::io::Result<()> {
    let dir = dir(repo);
    fs::create_dir_all(&dir)?;
    let mut file = tempfile::NamedTempFile::new_in(&dir)?;
    file.write_all(verdict.to_json().as_bytes())?;
    file.persist(path(repo, test))?;
    Ok(())
}

/// What a test had measured when it was cut off.
pub(crate) fn find(repo: &Repo, test: &str) -> Option<Verdict> {
    let json = fs::read_to_string(path(repo, test)).ok()?;
    Verdict::from_json(&json).ok()
}

/// The test has ended.
pub(crate) fn forget(repo: &Repo, test: &str) {
    // There is none where nothing was kept.
    let _ = fs::remove_file(path(repo, test));
}

fn dir(repo: &Repo) -> PathBuf {
    repo.state_dir().join("unfinished")
}

fn path(repo: &Repo, test: &str) -> PathBuf {
    dir(repo).join(format!("{test}.json"))
}
