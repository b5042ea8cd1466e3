//! After a proof: merge it, or say what is to be measured again because the branch moved.

use outpace_record::{GateRequest, SandboxTier, Verdict};
use outpace_repo::{Commit, MergeError, Repo};

use crate::merge::merge_proven;
use crate::{GateError, GateOutcome};

/// A patch is measured again at most so often because its branch moved.
const MOVES: usize = 3;

/// What became of a proven patch.
#[derive(Debug, Clone, PartialEq)]
pub enum Landing {
    /// It was merged as this commit.
    Merged(String),
    /// The branch is at another commit than the one that was measured against.
    Moved {
        /// Where the branch is now.
        now: Commit,
        /// What follows.
        next: Next,
    },
}

/// What follows from a branch that moved.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Measure this: the same patch, merged with what came since.
    Measure(Box<GateRequest>),
    /// The patch no longer applies; why.
    DoesNotApply(String),
    /// `outpace.toml` is another: the rules that are at work were read from the old one, and an
    /// audit reads the new one.
    RulesChanged,
    /// It moved too often.
    GivenUp,
}

impl Next {
    /// Why the proof did not become a merge.
    pub fn reason(&self) -> String {
        match self {
            Self::Measure(_) => "proven, but the branch moved; measured again".into(),
            Self::DoesNotApply(why) => {
                format!("proven, but the branch moved and it no longer applies: {why}")
            }
            Self::RulesChanged => {
                "proven, but outpace.toml of the branch changed meanwhile. Hint: begin again, \
                 under the new one"
                    .into()
            }
            Self::GivenUp => {
                format!("proven, but the branch moved {MOVES} times; propose it again")
            }
        }
    }
}

/// Merges the candidate of a request that was proven. `moves`: how often it was measured again
/// already.
///
/// # Errors
/// The branch is checked out or was deleted, or git fails. Nothing is merged then.
pub fn land(
    repo: &Repo,
    request: &GateRequest,
    outcome: &GateOutcome,
    into: &str,
    moves: usize,
) -> Result<Landing, GateError> {
    if !request.policy || request.rule.margin.is_some() {
        return Err(GateError::Usage(
            "this request was judged without a policy, or had only to be not slower: it is not merged".into(),
        ));
    }
    let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    let confined = |verdict: &Verdict| verdict.sandbox_tier != SandboxTier::None;
    if is_ci && !outcome.verdicts.iter().all(confined) {
        return Err(GateError::Environment(
            "proven, but without a sandbox: CI does not merge that. Hint: docs/sandbox.md says what \
             a runner needs"
                .into(),
        ));
    }
    match merge_proven(repo, request, &outcome.verdicts, into) {
        Ok(commit) => Ok(Landing::Merged(commit)),
        Err(GateError::Merge(MergeError::Moved { now: Some(tip), .. })) => {
            let now = repo.resolve(&tip)?;
            let next = after_move(repo, request, &now, moves + 1)?;
            Ok(Landing::Moved { now, next })
        }
        Err(error) => Err(error),
    }
}

fn after_move(
    repo: &Repo,
    request: &GateRequest,
    now: &Commit,
    moves: usize,
) -> Result<Next, GateError> {
    let before = repo.resolve(&request.base)?;
    let rules = |commit: &Commit| repo.read(&commit.tree, "outpace.toml");
    if rules(&before)? != rules(now)? {
        return Ok(Next::RulesChanged);
    }
    let tree = match repo.apply_onto(now, &request.patch) {
        Ok(tree) => tree,
        Err(error) if error.is_environment() => return Err(error.into()),
        Err(error) => return Ok(Next::DoesNotApply(error.to_string())),
    };
    if moves >= MOVES {
        return Ok(Next::GivenUp);
    }
    Ok(Next::Measure(Box::new(GateRequest {
        base: now.id.clone(),
        patch: repo.patch_between(&now.tree, &tree)?.text,
        tree,
        candidate: None,
        ..request.clone()
    })))
}
