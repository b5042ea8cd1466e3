//! Branches that proven patches go into.

use outpace_repo::{Commit, Repo};
use outpace_text::short;

use crate::GateError;

/// The branch for proven patches when none is named: beside the checked-out one, never that one
/// itself.
///
/// # Errors
/// No branch is checked out.
pub fn default_branch(repo: &Repo) -> Result<String, GateError> {
    match repo.current_branch() {
        Some(branch) if branch.starts_with("outpace/") => Ok(format!("{branch}-next")),
        Some(branch) => Ok(format!("outpace/{branch}")),
        None => Err(GateError::Usage(
            "HEAD is detached. Hint: name a branch with --into".into(),
        )),
    }
}

/// What a proven patch goes onto: the tip of the branch, or `start` where there is no branch yet.
///
/// # Errors
/// git fails.
pub fn current_base(repo: &Repo, into: &str, start: &str) -> Result<Commit, GateError> {
    let tip = repo.branch_tip(into)?;
    Ok(repo.resolve(tip.as_deref().unwrap_or(start))?)
}

/// The same for the default branch, which catches up with `start` where it lies behind. A branch that
/// the user named is moved by proven merges alone.
///
/// # Errors
/// Branch and `start` have diverged, or git fails.
pub fn sync_default_branch(repo: &Repo, into: &str, start: Commit) -> Result<Commit, GateError> {
    let Some(tip) = repo.branch_tip(into)? else {
        return Ok(start);
    };
    if repo.is_ancestor(&start.id, &tip)? {
        return Ok(repo.resolve(&tip)?);
    }
    if repo.is_ancestor(&tip, &start.id)? {
        repo.fast_forward(into, Some(&tip), &start.id)?;
        return Ok(start);
    }
    Err(GateError::Usage(format!(
        "branch {into} and {} have diverged. Hint: rebase one of them, or name another branch \
         with --into",
        short(&start.id)
    )))
}
