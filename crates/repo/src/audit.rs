//! The audit: every merge in a history is proven again from its raw samples, in any clone.
//!
//! Nothing that a commit says is believed. The proof must hash to its name, be about this base and
//! this patch, give the same verdict when it is judged again, and obey the gate of its base.
//! Commits that change baselines without a verdict are findings, and so are proofs that were
//! changed later. A merge that came in squashed or rebased is held against the files that it
//! touches.

mod figures;
mod files;
mod landed;
mod proof;

use outpace_text::{plain, short};

use crate::message::{Trailers, parse_trailers};
use crate::{Commit, Repo, RepoError};

/// Longest finding and summary: both quote untrusted text.
const FINDING_CHARS: usize = 500;
const SUMMARY_CHARS: usize = 100;

/// What the audit says about one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    /// The commit.
    pub commit: String,
    /// First line of its message; untrusted.
    pub summary: String,
    /// The verdicts that it claims.
    pub verdict_ids: Vec<String>,
    /// How it came in, where that is not as the merge that was measured.
    pub note: Option<String>,
    /// What is wrong; empty for a commit that is verified.
    pub findings: Vec<String>,
}

/// Audits the commits of a range `A..B` (default: the history of HEAD), oldest first, side branches
/// included: a proof that came in by a merge is checked where it was made. Commits that neither
/// claim a verdict nor break a rule are left out. What is wrong is a finding, never an error.
///
/// # Errors
/// The range is unknown or git cannot read it.
pub fn audit(repo: &Repo, range: Option<&str>) -> Result<Vec<Audited>, RepoError> {
    let mut audited = Vec::new();
    for commit in repo.all_commits(range.unwrap_or("HEAD"))? {
        let trailers = parse_trailers(&repo.message(&commit.id)?);
        let added = landed::added(repo, &commit)?;
        if !added.is_empty() && !is_the_merge(repo, &commit, &trailers, &added)? {
            let own = Trailers {
                verdicts: added.clone(),
                ..Trailers::default()
            };
            let mut findings = files::findings(repo, &commit, &own)?;
            let landed = landed::findings(repo, &commit, &added, &trailers)?;
            findings.extend(landed.findings);
            audited.push(Audited {
                note: landed.note,
                ..report(commit, own, findings)
            });
            continue;
        }
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

/// Whether a commit claims to be the very merge that was measured. A squashed one may lack trailers
/// or have those of several merges, a rebased one has those of another base.
fn is_the_merge(
    repo: &Repo,
    commit: &Commit,
    trailers: &Trailers,
    added: &[String],
) -> Result<bool, RepoError> {
    if trailers.bases == commit.parents {
        return Ok(true);
    }
    if trailers.verdicts.is_empty() || trailers.bases.is_empty() {
        return Ok(!trailers.verdicts.is_empty());
    }
    let is_here = trailers.bases.len() == 1 && landed::is_direct(repo, commit, added)?;
    Ok(is_here)
}

fn report(commit: Commit, trailers: Trailers, findings: Vec<String>) -> Audited {
    let id = short(&commit.id);
    Audited {
        findings: findings
            .iter()
            .map(|finding| plain(&format!("commit {id}: {finding}"), FINDING_CHARS))
            .collect(),
        summary: plain(&commit.summary, SUMMARY_CHARS),
        verdict_ids: trailers.verdicts,
        note: None,
        commit: commit.id,
    }
}
