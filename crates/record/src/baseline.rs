//! The stored record of the last accepted revision on one machine class. Never the opponent in a
//! trial.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Document, Machine, Timestamp};

/// `outpace.baseline/1`, in `baselines/<machine class>/<workload>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    /// `outpace.baseline/1`.
    pub schema: String,
    /// Name of the workload.
    pub workload: String,
    /// The class of the machine.
    pub machine_class: String,
    /// The machine.
    #[serde(default)]
    pub machine: Machine,
    /// Commit that the accepted patch was measured against.
    pub base: String,
    /// Canonical hash of the accepted patch: with `base` it names the accepted revision, whose
    /// commit holds this file.
    pub patch_sha256: String,
    /// Id of the verdict that accepted it, a file in `baselines/proofs/`.
    pub verdict: String,
    /// Median tokens trained per second when it was accepted.
    pub tokens_per_s: f64,
    /// Where cumulative figures begin on this machine class.
    pub anchor: Anchor,
    /// Merges since the anchor.
    pub merges: usize,
    /// Product of the estimated ratios since the anchor, as a gain (0.1 for 10 % faster).
    pub speedup: f64,
    /// Product of the proven bounds since the anchor, as a gain.
    pub at_least: f64,
    /// When it was written.
    pub updated: Timestamp,
}

impl Document for Baseline {
    const SCHEMA: &'static str = "outpace.baseline/1";
}

impl Baseline {
    /// Its path in the tree.
    pub fn path(machine_class: &str, workload: &str) -> String {
        format!("baselines/{machine_class}/{workload}.json")
    }
}

/// The revision that cumulative figures are counted from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Anchor {
    /// Its commit.
    pub commit: String,
    /// Its throughput, measured beside the first accepted patch.
    pub tokens_per_s: f64,
}
