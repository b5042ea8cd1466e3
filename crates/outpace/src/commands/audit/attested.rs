//! Attestations of GitHub: a proof was made by a workflow of a repository, and not by hand. `gh`
//! knows the certificates, so it is asked.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use outpace_repo::{Audited, Repo, proof_path};

use crate::exit::environment;

/// Longest answer of `gh` that is shown.
const ANSWER_CHARS: usize = 300;

/// Adds a finding for every proof of a commit that no workflow of `of` (OWNER/NAME) attested.
pub(super) fn check(repo: &Repo, of: &str, commit: &mut Audited) -> Result<()> {
    let scratch = tempfile::tempdir().context("cannot make a scratch directory")?;
    for id in &commit.verdict_ids {
        let path = proof_path(id);
        let Some(bytes) = repo.read(&commit.commit, &path)? else {
            continue;
        };
        let file = scratch.path().join("proof.json");
        std::fs::write(&file, bytes).context("cannot write a scratch file")?;
        let answer = Command::new("gh")
            .args(["attestation", "verify"])
            .arg(&file)
            .args(["--repo", of])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| {
                environment(format!(
                    "cannot start `gh`, which verifies attestations: {error}. Hint: \
                     https://cli.github.com"
                ))
            })?;
        if !answer.status.success() {
            let text = String::from_utf8_lossy(&answer.stderr);
            let text = outpace_text::plain(&text, ANSWER_CHARS);
            commit.findings.push(format!(
                "{path} is not attested by a workflow of {of}: {text}"
            ));
        }
    }
    Ok(())
}
