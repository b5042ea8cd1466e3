//! Which branches are checked out in a worktree. Moving one of them would make the user's files
//! look changed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Repo;

/// Files of a worktree's git directory that name its branch, also during a rebase or a bisection.
const HEAD_FILES: [&str; 4] = [
    "HEAD",
    "rebase-merge/head-name",
    "rebase-apply/head-name",
    "BISECT_START",
];

impl Repo {
    /// The worktree that has a branch checked out, if one does.
    pub(crate) fn checked_out_at(&self, branch: &str) -> Option<PathBuf> {
        let common = self.git.commondir();
        let bare = git2::Repository::open(common).is_ok_and(|main| main.is_bare());
        if !bare && names_branch(common, branch) {
            return Some(common.parent().unwrap_or(common).to_owned());
        }
        let linked = fs::read_dir(common.join("worktrees")).ok()?;
        linked
            .flatten()
            .map(|entry| entry.path())
            .find(|git_dir| names_branch(git_dir, branch))
            .map(|git_dir| {
                let file = fs::read_to_string(git_dir.join("gitdir")).unwrap_or_default();
                Path::new(file.trim())
                    .parent()
                    .map_or(git_dir, Path::to_owned)
            })
    }
}

fn names_branch(git_dir: &Path, branch: &str) -> bool {
    let full = format!("refs/heads/{branch}");
    HEAD_FILES.iter().any(|file| {
        let text = fs::read_to_string(git_dir.join(file)).unwrap_or_default();
        let name = text.strip_prefix("ref:").unwrap_or(&text).trim();
        name == full || (*file == "BISECT_START" && name == branch)
    })
}
