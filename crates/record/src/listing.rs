//! Documents that are printed for tools and stored nowhere: what an audit found, the baselines of a
//! machine, a line of the history, a report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Attempt, Baseline, Campaign, Document, Run, Timestamp, Verdict};

/// `outpace.audit/1`: merged verdicts, computed again from their samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// `outpace.audit/1`.
    pub schema: String,
    /// Whether all of them hold.
    pub holds: bool,
    /// Every commit that claims a verdict or touches baselines, oldest first.
    pub commits: Vec<AuditedCommit>,
}

impl Document for Audit {
    const SCHEMA: &'static str = "outpace.audit/1";
}

/// One commit of an audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditedCommit {
    /// Its id.
    pub commit: String,
    /// First line of its message; untrusted text.
    pub summary: String,
    /// Ids of the verdicts that it claims.
    pub verdicts: Vec<String>,
    /// How it came in, where that is not as the merge that was measured: squashed or rebased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What does not hold; empty where all does.
    pub findings: Vec<String>,
}

/// `outpace.baselines/1`: the baselines of a revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Baselines {
    /// `outpace.baselines/1`.
    pub schema: String,
    /// Class of the machine that asks.
    pub machine_class: String,
    /// The baselines of all machine classes and workloads.
    pub baselines: Vec<Baseline>,
}

impl Document for Baselines {
    const SCHEMA: &'static str = "outpace.baselines/1";
}

/// `outpace.entry/1`: a record of the history by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    /// `outpace.entry/1`.
    pub schema: String,
    /// Its record id.
    pub id: String,
    /// `run`, `verdict`, `attempt`.
    pub kind: String,
    /// Day that it was written, `2026-05-19`.
    pub date: String,
}

impl Document for HistoryEntry {
    const SCHEMA: &'static str = "outpace.entry/1";
}

/// `outpace.report/1`: every record that a report was made from, and the figures on top of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// `outpace.report/1`.
    pub schema: String,
    /// Title of the page.
    pub title: String,
    /// When it was made.
    pub generated: Timestamp,
    /// The campaign in figures, if it is a report of one.
    pub summary: Option<ReportSummary>,
    /// The campaign.
    pub campaign: Option<Campaign>,
    /// Its attempts.
    pub attempts: Vec<Attempt>,
    /// Verdicts of single gates and comparisons.
    pub verdicts: Vec<Verdict>,
    /// Runs of the history, oldest first.
    pub runs: Vec<Run>,
    /// Stored baselines.
    pub baselines: Vec<Baseline>,
    /// Machine and settings.
    pub settings: Vec<Setting>,
}

impl Document for Report {
    const SCHEMA: &'static str = "outpace.report/1";
}

/// A campaign in figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportSummary {
    /// Attempts.
    pub tried: usize,
    /// Of these merged.
    pub merged: usize,
    /// Of these rejected.
    pub rejected: usize,
    /// Throughput that it began from.
    pub start: f64,
    /// Throughput at its end, estimated.
    pub end: f64,
    /// What both count.
    pub unit: String,
    /// Estimated gain, end over start minus one.
    pub speedup: f64,
    /// Gain that is proven: the product of the merges' lower bounds minus one.
    pub at_least: f64,
}

/// A line of a report's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// What.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// `outpace.ci-result/1`: what a measuring job hands to the job that publishes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CiResult {
    /// `outpace.ci-result/1`.
    pub schema: String,
    /// Exit code of the gate.
    pub exit_code: u8,
    /// What was asked for: `faster` or `not-slower`.
    pub required: String,
    /// The verdicts; none where it failed before.
    pub verdicts: Vec<Verdict>,
}

impl Document for CiResult {
    const SCHEMA: &'static str = "outpace.ci-result/1";
}
