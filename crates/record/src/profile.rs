//! Where a step's time goes, as a workload's `profile` command prints it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Document;

/// `outpace.profile/1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Profile {
    /// `outpace.profile/1`.
    pub schema: String,
    /// Seconds of one step.
    pub step_time_s: f64,
    /// Tokens trained per second.
    #[serde(default)]
    pub tokens_per_s: Option<f64>,
    /// Page faults of a step after the warm-up: memory that is not reused.
    #[serde(default)]
    pub page_faults_per_step: Option<f64>,
    /// The most memory that the process held at once.
    #[serde(default)]
    pub peak_memory_bytes: Option<u64>,
    /// What the machine can do at most, as the workload measured it.
    #[serde(default)]
    pub peaks: Option<Peaks>,
    /// The operations, most time first.
    pub operations: Vec<Operation>,
}

impl Document for Profile {
    const SCHEMA: &'static str = "outpace.profile/1";
}

/// One operation of a training step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    /// `attention.forward`
    pub name: String,
    /// Seconds it takes in one step.
    pub seconds_per_step: f64,
    /// Share of the step.
    pub share: f64,
    /// Floating-point operations in one step.
    #[serde(default)]
    pub flops: Option<f64>,
    /// Bytes moved in one step.
    #[serde(default)]
    pub bytes: Option<f64>,
    /// The shortest time in which the machine could do that, over the time that it took.
    #[serde(default)]
    pub share_of_limit: Option<f64>,
}

/// What a machine can do at most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Peaks {
    /// Floating-point operations a second of a large matrix product.
    pub matmul_flops_per_s: f64,
    /// Bytes read and written a second by a copy in memory.
    pub copy_bytes_per_s: f64,
}
