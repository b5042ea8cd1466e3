//! What a series needs to know of a run: a record of it without its samples.

use outpace_record::{Run, Timestamp};
use serde::{Deserialize, Serialize};

/// A measured commit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Name of the workload.
    pub workload: String,
    /// The class of the machine.
    pub machine_class: String,
    /// First anchor of the series; empty where each reading stands for itself (other tools').
    pub series: String,
    /// The anchor that it was measured beside.
    pub anchor: String,
    /// The commit.
    pub commit: String,
    /// First line of its message; untrusted text.
    pub summary: String,
    /// When it was committed.
    pub committed: Option<Timestamp>,
    /// When it was measured.
    pub measured: Timestamp,
    /// ln of the ratio of times, first anchor's over this commit's: larger is faster.
    pub value: f64,
    /// Its standard error; 0 where unknown.
    pub sd: f64,
    /// Bounds of `value`.
    pub bounds: [Option<f64>; 2],
    /// Tokens trained per second.
    pub tokens_per_s: Option<f64>,
    /// Seconds of one step.
    pub step_time_s: f64,
    /// The commit whose artefact it has; it was not timed.
    pub same_as: Option<String>,
    /// Artefact identity.
    pub artefact: String,
    /// What of the machine is not in its class.
    pub environment: String,
    /// Id of the record.
    pub id: String,
}

impl Point {
    /// The point of a run; nothing where it was measured by itself, which compares with nothing.
    pub fn of(run: &Run, id: &str) -> Option<Self> {
        let beside = run.beside.as_ref()?;
        let (value, sd) = beside.log_ratio();
        let offset = value - beside.speedup.ln_1p();
        let bound = |gain: Option<f64>| gain.map(|gain| gain.ln_1p() + offset);
        Some(Self {
            workload: run.workload.clone(),
            machine_class: run.machine_class.clone(),
            series: beside.series().to_owned(),
            anchor: beside.anchor.clone(),
            commit: run.commit.clone(),
            summary: run.summary.clone(),
            committed: run.committed,
            measured: run.finished,
            value,
            sd,
            bounds: [bound(beside.at_least), bound(beside.at_most)],
            tokens_per_s: run.tokens_per_s,
            step_time_s: run.step_time_s,
            same_as: beside.same_as.clone(),
            artefact: run.artefact.clone(),
            environment: run.machine.os.clone(),
            id: id.to_owned(),
        })
    }
}
