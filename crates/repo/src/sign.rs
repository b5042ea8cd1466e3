//! Signed commits, for branches that demand them. git makes them itself: it knows the user's
//! program, format and key, and no hook runs.

use std::path::Path;

use git2::Oid;

use crate::error::{AtPath, Doing};
use crate::git::{complaint, git, with_input};
use crate::{Repo, RepoError};

impl Repo {
    /// Whether the user's settings ask for signed commits.
    pub(crate) fn signs(&self) -> bool {
        let config = self.git.config().and_then(|mut config| config.snapshot());
        config.is_ok_and(|config| config.get_bool("commit.gpgsign").unwrap_or(false))
    }

    pub(crate) fn signed_commit(
        &self,
        tree: Oid,
        parent: Oid,
        message: &str,
    ) -> Result<Oid, RepoError> {
        let author = self
            .signature()
            .doing(|| "reading the user's name".into())?;
        let (name, email) = (author.name_bytes(), author.email_bytes());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (tree, parent) = (tree.to_string(), parent.to_string());
        let mut command = git(
            self.git.path(),
            &["commit-tree", "-S", "-p", &parent, &tree],
        );
        command
            .env("GIT_AUTHOR_NAME", text(name))
            .env("GIT_AUTHOR_EMAIL", text(email));
        let output = with_input(&mut command, message).at(Path::new("git"))?;
        if !output.status.success() {
            let complaint = complaint(&output);
            return Err(RepoError::NotSigned { complaint });
        }
        let id = text(&output.stdout);
        Oid::from_str(id.trim()).doing(|| format!("reading the id of a signed commit, `{id}`"))
    }
}
