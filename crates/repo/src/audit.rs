//! The audit: every merge in a history is proven again from its raw samples, in any clone.
//!
//! Nothing that a commit says is believed. The proof must hash to its name, be about this base and
//! this patch, give the same verdict when it is judged again, obey the gate of its base, and have a
//! place of its own in the error budget of its branch.
//! Commits that change baselines without a verdict are findings, and so are proofs that were
//! changed later. A merge that came in squashed or rebased is held against the files that it
//! touches.

mod budget;
mod figures;
mod files;
mod landed;
mod proof;

use outpace_text::{plain, short};

use crate::message::{Trailers, parse_trailers};
use crate::{Commit, Repo, RepoError};
use budget::Budgets;
use files::Records;
use landed::Landed;

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
    let mut budgets = Budgets::of(repo);
    for commit in repo.all_commits(range.unwrap_or("HEAD"))? {
        let trailers = parse_trailers(&repo.message(&commit.id)?);
        let records = Records::of(repo, &commit)?;
        if let Some(landed) = Landed::of(repo, &commit, &records, &trailers)? {
            let own = Trailers {
                verdicts: landed.ids(),
                ..Trailers::default()
            };
            let mut findings = records.findings(&own);
            findings.extend(landed.findings(&trailers)?);
            findings.extend(budgets.findings_of_each(&commit, landed.verdicts()));
            let note = match findings.is_empty() {
                true => Some(landed.note()?.to_owned()),
                false => None,
            };
            audited.push(Audited {
                note,
                ..report(commit.clone(), own, findings)
            });
            continue;
        }
        let mut findings = records.findings(&trailers);
        if !trailers.verdicts.is_empty() {
            let (wrong, verdicts) = proof::findings(repo, &commit, &trailers)?;
            findings.extend(wrong);
            findings.extend(budgets.findings(&commit, &verdicts));
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
