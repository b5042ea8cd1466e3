//! The place of a candidate in the error budget of a branch.

use outpace_stats::e_lond_threshold;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The place of a test in the error budget of a branch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TestIndex {
    /// The branch that is merged into.
    pub branch: String,
    /// Candidates that were timed for it, this one included.
    pub index: u64,
    /// How many of those before it were proven faster.
    pub discoveries: u64,
    /// The expected share of false merges among all, at most.
    pub fdr: f64,
    /// The campaign that it belongs to, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
}

impl TestIndex {
    /// The e-value that it needs, so that this share holds.
    pub fn threshold(&self) -> f64 {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX - 1);
        e_lond_threshold(number(self.index), number(self.discoveries), self.fdr)
    }
}
