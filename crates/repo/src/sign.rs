//! Signed commits, for branches that demand them. git makes them itself: it knows the user's
//! program, format and key, and no hook runs.

use std::io::Write as _;
use std::process::{Command, Stdio};

use git2::Oid;

use crate::error::{AtPath, Doing};
use crate::{Repo, RepoError};

/// Longest complaint of git that is shown.
const COMPLAINT_CHARS: usize = 400;

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
        let mut child = Command::new("git")
            .arg("-C")
            .arg(self.git.path())
            .args([
                "commit-tree",
                "-S",
                "-p",
                &parent.to_string(),
                &tree.to_string(),
            ])
            .env("GIT_AUTHOR_NAME", text(name))
            .env("GIT_AUTHOR_EMAIL", text(email))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .at(std::path::Path::new("git"))?;
        let stdin = child.stdin.take();
        let written = stdin.map_or(Ok(()), |mut stdin| stdin.write_all(message.as_bytes()));
        let output = child.wait_with_output().at(self.git.path())?;
        if !output.status.success() {
            let complaint = outpace_text::lines(&text(&output.stderr), COMPLAINT_CHARS);
            return Err(RepoError::NotSigned { complaint });
        }
        written.at(self.git.path())?;
        let id = text(&output.stdout);
        Oid::from_str(id.trim()).doing(|| format!("reading the id of a signed commit, `{id}`"))
    }
}
