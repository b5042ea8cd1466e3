//! The ignore rules of a tree, independent of any work tree and of the user's settings.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use git2::Repository;
use tempfile::TempDir;

use crate::error::{AtPath, Doing};
use crate::{ExportOptions, Repo, RepoError};

/// A temporary repository with nothing but the `.gitignore` files of a tree. Deleted on drop.
pub(crate) struct IgnoreRules {
    git: Repository,
    _dir: TempDir,
}

impl IgnoreRules {
    pub(crate) fn of_tree(repo: &Repo, tree: &str) -> Result<Self, RepoError> {
        let temp = std::env::temp_dir();
        let dir = tempfile::tempdir().at(&temp)?;
        let only = vec!["**/.gitignore".to_owned()];
        repo.export(
            tree,
            dir.path(),
            &ExportOptions {
                only,
                ..ExportOptions::default()
            },
        )?;
        let git = init(dir.path()).doing(|| format!("reading the ignore rules of {tree}"))?;
        Ok(Self { git, _dir: dir })
    }

    /// Whether an untracked path is ignored.
    pub(crate) fn ignored(&self, path: &[u8], is_dir: bool) -> Result<bool, RepoError> {
        let mut bytes = path.to_vec();
        if is_dir {
            bytes.push(b'/');
        }
        let path = Path::new(OsStr::from_bytes(&bytes));
        self.git
            .is_path_ignored(path)
            .doing(|| format!("asking whether {} is ignored", path.display()))
    }
}

fn init(dir: &Path) -> Result<Repository, git2::Error> {
    let mut options = git2::RepositoryInitOptions::new();
    options.external_template(false);
    let git = Repository::init_opts(dir, &options)?;
    // The user's own excludes do not count: the same proposal is the same tree on every machine.
    git.config()?.set_str("core.excludesFile", "")?;
    git.config()?.set_str("core.ignoreCase", "false")?;
    Ok(git)
}
