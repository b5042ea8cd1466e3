//! A measurement of one revision, for the history.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Beside, Document, Machine, SandboxTier, Timestamp};

/// `outpace.run/1`: one revision, measured for the history: beside the anchor of its series, or, in
/// records of older versions, by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// `outpace.run/1`.
    pub schema: String,
    /// Name of the workload.
    pub workload: String,
    /// Commit that was measured.
    pub commit: String,
    /// First line of its message.
    #[serde(default)]
    pub summary: String,
    /// When it was committed.
    #[serde(default)]
    pub committed: Option<Timestamp>,
    /// How it compares with the anchor of its series; absent where it was measured by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
    /// Seconds of each turn, one list a process; empty where `beside` has them.
    #[serde(default)]
    pub turns_s: Vec<Vec<f64>>,
    /// Training steps in a turn.
    pub steps_per_turn: u32,
    /// Median seconds of one step.
    pub step_time_s: f64,
    /// Median tokens trained per second; absent where the workload does not say what a step trains
    /// on.
    #[serde(default)]
    pub tokens_per_s: Option<f64>,
    /// Spread between processes: the standard deviation of the logarithm of their medians.
    pub process_sd: f64,
    /// Seconds from process start to ready, the median.
    #[serde(default)]
    pub ready_s: f64,
    /// Peak resident memory in MiB.
    #[serde(default)]
    pub peak_mib: f64,
    /// Loss after the last step of the first process.
    #[serde(default)]
    pub loss: Option<f64>,
    /// Artefact identity.
    #[serde(default)]
    pub artefact: String,
    /// The class of the machine.
    pub machine_class: String,
    /// The machine.
    #[serde(default)]
    pub machine: Machine,
    /// How the program was confined.
    #[serde(default)]
    pub sandbox_tier: SandboxTier,
    /// Seed of the run.
    #[serde(default)]
    pub seed: u64,
    /// Version of outpace.
    pub outpace_version: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
}

impl Document for Run {
    const SCHEMA: &'static str = "outpace.run/1";
}
