//! The audit: every merge in a history proves itself again, from its raw samples, in any clone.
//!
//! Nothing a commit says is believed. The proof has to hash to its name, speak of this base and this patch, give the same
//! verdict when it is judged again, and obey the gate that stood in its base. Commits that touch baselines without a verdict
//! are findings, and so are proofs that were changed after the fact.

mod figures;
mod files;
mod proof;

use crate::message::{Trailers, parse_trailers};
use crate::{Commit, Repo, RepoError};

/// What the audit says of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    /// The commit.
    pub commit: String,
    /// First line of its message; untrusted.
    pub summary: String,
    /// The verdicts that it claims.
    pub verdict_ids: Vec<String>,
    /// What does not hold; empty for a commit that proves itself.
    pub findings: Vec<String>,
}

/// Why the audit could not be done. What does not hold is a finding, never an error.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The history cannot be read.
    #[error("audit: {0}")]
    Repo(#[from] RepoError),
}

/// Audits the commits of a range `A..B` (default: the history of HEAD), oldest first, side branches included: a proof that
/// came in by a merge is checked where it was made. Commits that neither claim a verdict nor break a rule are left out.
///
/// # Errors
/// The range is unknown or git cannot read it.
pub fn audit(repo: &Repo, range: Option<&str>) -> Result<Vec<Audited>, AuditError> {
    let mut audited = Vec::new();
    for commit in repo.all_commits(range.unwrap_or("HEAD"))? {
        let trailers = parse_trailers(&repo.message(&commit.id)?);
        let mut findings = files::findings(repo, &commit, &trailers)?;
        if !trailers.verdicts.is_empty() {
            findings.extend(proof::findings(repo, &commit, &trailers)?);
        } else if !trailers.proven.is_empty() {
            findings.push("it claims a gain without an Outpace-Verdict trailer".to_owned());
        }
        if !trailers.verdicts.is_empty() || !findings.is_empty() {
            audited.push(report(commit, trailers, findings));
        }
    }
    Ok(audited)
}

fn report(commit: Commit, trailers: Trailers, findings: Vec<String>) -> Audited {
    let short = &commit.id[..12];
    Audited {
        findings: findings
            .iter()
            .map(|finding| outpace_record::plain(&format!("commit {short}: {finding}"), 500))
            .collect(),
        summary: outpace_record::plain(&commit.summary, 100),
        verdict_ids: trailers.verdicts,
        commit: commit.id,
    }
}
