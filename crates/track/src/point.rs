//! What a series needs to know of a run: a record of it without its samples.

use outpace_record::{ImportedFigure, Run, Timestamp};
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

    /// The point of a figure of another tool; nothing where its logarithm has no meaning. It
    /// compares with the others of its name and machine, although they are of other jobs.
    pub fn of_imported(figure: &ImportedFigure, id: &str) -> Option<Self> {
        let log = Some(figure.value.ln()).filter(|log| log.is_finite())?;
        let n = (figure.n_samples.max(1) as f64).sqrt();
        let sd = figure.sd.map_or(0.0, |sd| sd / figure.value / n);
        let machine = match figure.machine.as_str() {
            "" => "unknown",
            machine => machine,
        };
        Some(Self {
            workload: format!("{}: {}", figure.tool, figure.series),
            machine_class: machine.to_owned(),
            commit: figure.commit.clone().unwrap_or_else(|| id.to_owned()),
            summary: figure.summary.clone(),
            committed: figure.committed.or(Some(figure.finished)),
            measured: figure.finished,
            value: if figure.smaller_is_better { -log } else { log },
            sd: if sd.is_finite() { sd } else { 0.0 },
            step_time_s: match figure.unit.as_str() {
                "s" => figure.value,
                _ => 0.0,
            },
            id: id.to_owned(),
            ..Self::default()
        })
    }

    /// Whether it is a figure of another tool.
    pub fn is_imported(&self) -> bool {
        self.anchor.is_empty()
    }
}
