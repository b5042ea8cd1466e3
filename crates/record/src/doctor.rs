//! What `outpace doctor` finds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Document, GpuConditions, Machine, SandboxTier};

/// `outpace.doctor/1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Doctor {
    /// `outpace.doctor/1`.
    pub schema: String,
    /// The class of the machine.
    pub machine_class: String,
    /// The machine.
    pub machine: Machine,
    /// How programs are confined here.
    pub sandbox_tier: SandboxTier,
    /// A line a tier: what was tried, and what came of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sandbox: Vec<String>,
    /// The GPUs that programs see, now: one sample each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<GpuConditions>,
    /// Workload that the noise was measured with.
    #[serde(default)]
    pub workload: Option<String>,
    /// Standard deviation of a block's log ratio with the base against itself.
    #[serde(default)]
    pub aa_sd: Option<f64>,
    /// Blocks that it was measured with.
    pub aa_blocks: usize,
    /// The block log ratios of the A/A measurement.
    #[serde(default)]
    pub aa_log_ratios: Vec<f64>,
    /// Floating-point operations a second of f32 multiply-adds, all cores together: no training can
    /// do more.
    #[serde(default)]
    pub peak_flops_per_s: Option<f64>,
    /// Bytes read and written a second by copies from memory to memory, all cores together.
    #[serde(default)]
    pub copy_bytes_per_s: Option<f64>,
    /// Where the processes of that measurement lived on GPUs; absent where none was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aa_placement: Option<String>,
    /// How the GPUs were during it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aa_conditions: Option<String>,
    /// Wall seconds of one block.
    #[serde(default)]
    pub block_s: Option<f64>,
    /// Share of a block in which no measured turn ran.
    #[serde(default)]
    pub overhead: Option<f64>,
    /// Runs of the base to its loss, for a workload of the time-to-loss track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeds: Option<SeedNoise>,
    /// What can be proven in how long.
    pub forecast: Vec<Forecast>,
    /// What to change on this machine, and how.
    #[serde(default)]
    pub advice: Vec<String>,
    /// Version of outpace.
    pub outpace_version: String,
}

impl Document for Doctor {
    const SCHEMA: &'static str = "outpace.doctor/1";
}

/// How runs of the base to its loss differ from seed to seed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeedNoise {
    /// Seeds that were run.
    pub seeds: usize,
    /// Those that came to the loss.
    pub reached: usize,
    /// Median steps to the loss.
    pub steps: Option<f64>,
    /// Standard deviation of ln steps.
    pub steps_sd: Option<f64>,
    /// Median seconds of a run.
    pub run_s: f64,
}

/// What it takes to prove a true gain on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Forecast {
    /// The true gain.
    pub speedup: f64,
    /// Median number of blocks, on the time-to-loss track of seeds; absent where the most that a
    /// gate takes are not enough.
    pub blocks: Option<usize>,
    /// The same in seconds of wall time.
    pub seconds: Option<f64>,
}
