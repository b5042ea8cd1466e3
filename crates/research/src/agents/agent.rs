//! Who proposes patches.

use std::path::Path;

use outpace_record::{Attempt, Config, Observer, Profile};
use outpace_repo::{Commit, Repo};

use outpace_gate::GateError;

/// What an agent knows when it is asked.
pub struct AgentContext<'a> {
    /// The repository.
    pub repo: &'a Repo,
    /// The revision that stands.
    pub base: &'a Commit,
    /// The base's `outpace.toml`.
    pub config: &'a Config,
    /// Workloads that patches are judged on.
    pub workloads: &'a [String],
    /// What was tried, oldest first.
    pub attempts: &'a [Attempt],
    /// Tokens a second of the revision that stands, if known.
    pub tokens_per_s: Option<f64>,
    /// Where a step's time goes, if known.
    pub profile: Option<&'a Profile>,
    /// Folder for logs that are kept.
    pub logs: &'a Path,
}

/// What an agent proposes.
#[derive(Debug, Clone, PartialEq)]
pub enum Proposal {
    /// A tree that might be faster.
    Tree {
        /// Its id.
        tree: String,
        /// One line that names it.
        title: String,
    },
    /// It tried and has nothing this time: it failed, ran out of time, or left no change.
    Nothing {
        /// One line that names the try.
        title: String,
        /// Why.
        reason: String,
    },
    /// It has nothing more to propose, now or later.
    Exhausted {
        /// Why.
        reason: String,
    },
}

/// Proposes one patch at a time.
pub trait Agent {
    /// Its name, as trailers carry it.
    fn name(&self) -> &str;
    /// Whether it could propose anything for this tree, asked before anything is built.
    ///
    /// # Errors
    /// What `outpace.toml` says of it does not fit the tree.
    fn check(&self, _repo: &Repo, _tree: &str, _config: &Config) -> Result<(), GateError> {
        Ok(())
    }
    /// Whether it ends by itself, so that proposals that come to nothing, one after the other, are no sign that it is broken.
    fn may_fail_in_a_row(&self) -> bool {
        false
    }
    /// Whether it wants a profile of the base.
    fn wants_profile(&self) -> bool {
        false
    }
    /// Proposes.
    ///
    /// # Errors
    /// git or the disk fails, or the user asked to stop. An agent that fails is an answer.
    fn propose(
        &mut self,
        context: &AgentContext<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Proposal, GateError>;
}

#[cfg(test)]
pub(crate) mod tests {
    use outpace_record::{Document, Kind, Verdict};

    /// A small verdict of a kind.
    pub(crate) fn verdict(kind: Kind) -> Verdict {
        let json = serde_json::json!({
            "schema": "outpace.verdict/1", "verdict": kind.as_str(), "reason": "", "threshold": 100.0, "alpha": 0.01,
            "min_speedup": 0.005, "n_blocks": 0, "workload": "w", "track": "throughput", "base": "8c1f0e2", "machine_class": "m",
            "sandbox_tier": "none", "seeds": {"trial": 7}, "outpace_version": "0.1.0",
            "started": "2026-05-19T08:30:00Z", "finished": "2026-05-19T08:31:00Z"
        });
        Verdict::from_json(&json.to_string()).unwrap()
    }
}
