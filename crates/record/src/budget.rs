//! The error budget of a branch: each candidate that is timed for a merge takes a test index, which
//! is written down before its first block.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Document, Kind, TestIndex, Timestamp};

/// `outpace.test/1`: a comparison whose timing begins. Written before its first block, so that
/// neither a kill nor a time limit gives the index back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Test {
    /// `outpace.test/1`.
    pub schema: String,
    /// Its place in the budget of a branch; absent where nothing is to be merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestIndex>,
    /// Tree of the base.
    pub base_tree: String,
    /// Tree of the candidate.
    pub tree: String,
    /// Workload that is timed.
    pub workload: String,
    /// Machine class.
    pub machine_class: String,
    /// Least gain.
    pub min_speedup: f64,
    /// Where not to be slower by more is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// When.
    pub started: Timestamp,
    /// Seed of the trial, which tells two of the same second apart.
    pub seed: u64,
}

impl Test {
    /// Whether the other asks the same question on the same kind of machine, whoever asks and for
    /// which branch.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        self.question() == other.question()
    }

    /// What tells candidates of a branch apart: the index, the base's tree and the own one. Several
    /// workloads of one candidate share it, and so does a trial that goes on. None where it is of
    /// another branch, or of none.
    pub fn candidate_of(&self, branch: &str) -> Option<(u64, &str, &str)> {
        let index = self.test.as_ref().filter(|index| index.branch == branch)?;
        Some((index.index, &self.base_tree, &self.tree))
    }

    fn question(&self) -> ([&str; 4], u64, Option<u64>) {
        let of = [
            &*self.base_tree,
            &self.tree,
            &self.workload,
            &self.machine_class,
        ];
        let margin = self.margin.map(f64::to_bits);
        (of, self.min_speedup.to_bits(), margin)
    }
}

impl Document for Test {
    const SCHEMA: &'static str = "outpace.test/1";
}

/// `outpace.test-result/1`: how a comparison ended. A [`Test`] without one was killed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TestResult {
    /// `outpace.test-result/1`.
    pub schema: String,
    /// Record id of the [`Test`].
    pub test: String,
    /// How.
    pub verdict: Kind,
    /// Record id of the verdict, which has the samples.
    pub record: String,
    /// When.
    pub finished: Timestamp,
}

impl Document for TestResult {
    const SCHEMA: &'static str = "outpace.test-result/1";
}
