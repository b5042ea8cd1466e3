//! What a gate is asked, as a document: a file can hold it, and a job on another machine can run
//! it.

use outpace_stats::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Document, TestIndex};

/// `outpace.request/1`: one candidate to be judged against one base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateRequest {
    /// `outpace.request/1`.
    pub schema: String,
    /// Id of the commit that stands. Its `outpace.toml` and its policy count.
    pub base: String,
    /// Id of the tree that wants to replace it. Where the repository does not hold it, `patch` is
    /// applied to the base and has to give this tree.
    pub tree: String,
    /// Id of the candidate's commit, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<String>,
    /// The difference between base and tree, as `git diff` writes it.
    pub patch: String,
    /// One line that names the patch.
    #[serde(default)]
    pub title: String,
    /// Who proposed it; a person where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Workloads that it is judged on, in this order. At least one.
    pub workloads: Vec<String>,
    /// The rule of proof for a single workload.
    pub rule: RequestRule,
    /// Its place in the error budget of the branch that it is to be merged into. The rule's
    /// threshold is that of this place, or a higher one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestIndex>,
    /// Seed of every draw, below 2^53.
    pub seed: u64,
    /// Whether the policy of the base holds. A comparison of two revisions that already stand has
    /// none, and is never merged.
    #[serde(default = "crate::config::yes")]
    pub policy: bool,
    /// Time equal artefacts too.
    #[serde(default)]
    pub aa: bool,
}

/// What a trial has to show; see the document on statistics.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestRule {
    /// The gain that has to be exceeded, as a share: 0.005 is 0.5 %.
    pub min_speedup: f64,
    /// Chance of a false verdict that a single trial may run.
    pub alpha: f64,
    /// E-value that `faster` needs; 1 / alpha where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Whether to stop a candidate that is going nowhere.
    #[serde(default)]
    pub screen: bool,
    /// Blocks after which a trial is `not_proven`.
    pub max_blocks: usize,
    /// Where it is enough that it is not slower by more than this share. Such a request is never
    /// merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
}

impl Document for GateRequest {
    const SCHEMA: &'static str = "outpace.request/1";
}

impl RequestRule {
    /// The rule for one workload of `chances`: each has its chance to be `faster`, so each needs as
    /// many times the evidence.
    pub fn for_one_of(&self, chances: usize) -> Rule {
        let rule = Rule {
            min_speedup: self.min_speedup,
            alpha: self.alpha,
            threshold: self.threshold,
            // Where one workload may win the merge, none may be left before it is known that it
            // does not lose.
            screen: self.screen && chances <= 1,
            max_blocks: self.max_blocks,
            sum_threshold: None,
            margin: self.margin,
            bound_blocks: 0,
            bounds_always: false,
            earlier_blocks: 0,
        };
        let threshold = rule.threshold_value() * chances.max(1) as f64;
        let rule = Rule {
            threshold: Some(threshold),
            ..rule
        };
        rule.of_programs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: RequestRule = RequestRule {
        min_speedup: 0.005,
        alpha: 0.01,
        threshold: Some(250.0),
        screen: true,
        max_blocks: 48,
        margin: None,
    };

    #[test]
    fn several_workloads_multiply_the_threshold_and_are_not_screened() {
        let one = RULE.for_one_of(1);
        assert_eq!((one.threshold, one.screen), (Some(250.0), true));
        let three = RULE.for_one_of(3);
        assert_eq!((three.threshold, three.screen), (Some(750.0), false));
        let single_gate = RequestRule {
            threshold: None,
            ..RULE
        };
        assert_eq!(single_gate.for_one_of(2).threshold, Some(200.0));
        assert_eq!(three.sum_threshold, Some(750.0), "so do the sums");
    }
}
