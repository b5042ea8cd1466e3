//! Repositories of other users, as in the container of a CI job. libgit2 knows fewer ways to trust
//! one than git does (`safe.directory` from GIT_CONFIG_COUNT, wildcards), so git is asked.

use std::path::Path;
use std::process::{Command, Stdio};

/// Whether git itself works here; libgit2 then opens the repository whoever owns it.
pub(crate) fn trusted_by_git(path: &Path) -> bool {
    let git = Command::new("git")
        .arg("-C")
        .arg(path)
        .args(["rev-parse", "--git-dir"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !git.is_ok_and(|status| status.success()) {
        return false;
    }
    trust_owners();
    true
}

#[expect(unsafe_code, reason = "libgit2's options are global")]
fn trust_owners() {
    // SAFETY: libgit2 reads the option when it opens a repository, and this program opens the one
    // that git trusts before it starts threads.
    let set = unsafe { git2::opts::set_verify_owner_validation(false) };
    // Where it cannot be set, the repository is refused as before.
    drop(set);
}
