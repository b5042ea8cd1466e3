//! What is known of a series of commits: how each compares with the anchor, which of them could not
//! be measured, where the series changed, and which changes somebody accepted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Block, Document, Kind, Machine, Timestamp, Verdict};

/// A revision and the anchor of its series, measured in the same job. Numbers of different jobs
/// differ by a quarter for equal sources; the ratio of two that ran beside each other does not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Beside {
    /// Commit of the anchor.
    pub anchor: String,
    /// How the anchor compares with the first anchor of the series, where it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge: Option<Bridge>,
    /// Median of the blocks' ratios, anchor's time over the revision's, as a gain: 0.05 where the
    /// revision is 5 % faster than the anchor.
    pub speedup: f64,
    /// Lower bound of the gain at `alpha`; absent while there are too few blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// Upper bound of the gain at `alpha`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// Chance that either bound is wrong.
    pub alpha: f64,
    /// Standard error of ln(1 + speedup).
    pub sd: f64,
    /// Median seconds of one step of the anchor.
    pub anchor_step_time_s: f64,
    /// Median tokens that the anchor trained per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor_tokens_per_s: Option<f64>,
    /// Artefact identity of the anchor.
    pub anchor_artefact: String,
    /// The commit whose artefact this one's equals, so that it was not timed again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
    /// Blocks that were measured.
    pub n_blocks: usize,
    /// Raw samples: anchor first, revision second. Empty after `outpace history prune`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Block>,
}

/// How a later anchor of a series compares with the first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Bridge {
    /// Commit of the first anchor, which names the series.
    pub first: String,
    /// ln of the ratio of the times, first anchor's over this anchor's.
    pub log_ratio: f64,
    /// Its standard error.
    pub sd: f64,
}

impl Beside {
    /// Commit of the first anchor, which names the series.
    pub fn series(&self) -> &str {
        self.bridge
            .as_ref()
            .map_or(&self.anchor, |bridge| &bridge.first)
    }

    /// ln of the ratio to the first anchor, and its standard error.
    pub fn log_ratio(&self) -> (f64, f64) {
        let bridge = self.bridge.clone().unwrap_or_default();
        (
            self.speedup.ln_1p() + bridge.log_ratio,
            self.sd.hypot(bridge.sd),
        )
    }
}

/// Where a commit failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It does not build.
    Build,
    /// It does not start, train or end.
    Run,
}

impl Stage {
    /// The end of a sentence that begins with the commit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Build => "does not build",
            Self::Run => "does not run",
        }
    }
}

/// `outpace.failure/1`: a commit that could not be measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// `outpace.failure/1`.
    pub schema: String,
    /// Name of the workload.
    pub workload: String,
    /// The commit.
    pub commit: String,
    /// First line of its message; untrusted text.
    pub summary: String,
    /// When it was committed.
    pub committed: Option<Timestamp>,
    /// The class of the machine.
    pub machine_class: String,
    /// Where it failed.
    pub stage: Stage,
    /// How; untrusted text.
    pub reason: String,
    /// Version of outpace.
    pub outpace_version: String,
    /// When it was tried.
    pub finished: Timestamp,
}

impl Document for Failure {
    const SCHEMA: &'static str = "outpace.failure/1";
}

/// How far the proof of a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeState {
    /// A fresh trial began: its test index is used up, whatever follows.
    Testing,
    /// The fresh trial proved it.
    Proven,
    /// The fresh trial did not.
    NotProven,
    /// One of the two commits could not be measured again.
    Unmeasurable,
}

/// `outpace.change/1`: a change of a series that was found and measured again. There is one such
/// record for the beginning of the fresh trial and one for its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// `outpace.change/1`.
    pub schema: String,
    /// Name of the workload.
    pub workload: String,
    /// The class of the machine.
    pub machine_class: String,
    /// First anchor of the series.
    pub series: String,
    /// Last commit at the old level.
    pub before: String,
    /// First commit at the new level.
    pub after: String,
    /// First line of that commit's message; untrusted text.
    #[serde(default)]
    pub summary: String,
    /// How far the proof has come.
    pub state: ChangeState,
    /// Number of the fresh trial among all of them, from 1.
    pub test_index: usize,
    /// Its share of the error budget.
    pub alpha: f64,
    /// The change by the series, as a gain: -0.05 for 5 % slower.
    pub found: f64,
    /// The change by the fresh trial.
    #[serde(default)]
    pub speedup: Option<f64>,
    /// Its lower bound.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// Its upper bound: at most so fast.
    #[serde(default)]
    pub at_most: Option<f64>,
    /// Raw samples of the fresh trial: before first, after second.
    #[serde(default)]
    pub blocks: Vec<Block>,
    /// Why it ended so.
    #[serde(default)]
    pub reason: String,
    /// Seed of the fresh trial.
    pub seed: u64,
    /// The machine.
    #[serde(default)]
    pub machine: Machine,
    /// Version of outpace.
    pub outpace_version: String,
    /// When this record was written.
    pub finished: Timestamp,
}

impl Document for Change {
    const SCHEMA: &'static str = "outpace.change/1";
}

/// `outpace.blessing/1`: somebody accepts that a commit changed the speed, or takes that back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Blessing {
    /// `outpace.blessing/1`.
    pub schema: String,
    /// The commit.
    pub commit: String,
    /// The workload; all of them where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// False where an earlier blessing is taken back.
    pub accepted: bool,
    /// Its number among all of them, from 1: of two in one second the later counts.
    #[serde(default)]
    pub number: usize,
    /// Why; untrusted text.
    #[serde(default)]
    pub reason: String,
    /// Who; untrusted text.
    #[serde(default)]
    pub by: String,
    /// When.
    pub finished: Timestamp,
}

impl Document for Blessing {
    const SCHEMA: &'static str = "outpace.blessing/1";
}

/// `outpace.bisection/1`: the search for the commit of a slowdown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bisection {
    /// `outpace.bisection/1`.
    pub schema: String,
    /// Name of the workload.
    pub workload: String,
    /// The class of the machine.
    pub machine_class: String,
    /// The fast end.
    pub good: String,
    /// The slow end.
    pub bad: String,
    /// Commits from the one after the fast end to the slow end.
    pub n_commits: usize,
    /// The slowdown between the ends, as a gain: -0.05 for 5 % slower.
    pub speedup: f64,
    /// Its lower bound.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// Its upper bound: at most so fast.
    #[serde(default)]
    pub at_most: Option<f64>,
    /// Whether the slowdown between the ends is proven. If not, nothing was searched.
    pub proven: bool,
    /// What was asked of the commits between, in order.
    pub steps: Vec<BisectionStep>,
    /// The commit that did it; or those of which one did, where the others cannot be measured.
    pub found: Vec<String>,
    /// First line of the message of the first of them; untrusted text.
    #[serde(default)]
    pub summary: String,
    /// The commit beside its parent, as a gain, measured once more at the end.
    #[serde(default)]
    pub confirmed: Option<f64>,
    /// Upper bound of that: at most so fast.
    #[serde(default)]
    pub confirmed_at_most: Option<f64>,
    /// Chance that any of the answers is wrong.
    pub alpha: f64,
    /// Seed of the search.
    pub seed: u64,
    /// Version of outpace.
    pub outpace_version: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
}

impl Document for Bisection {
    const SCHEMA: &'static str = "outpace.bisection/1";
}

/// One commit of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BisectionStep {
    /// The commit.
    pub commit: String,
    /// `good`, `bad` or `unknown`.
    pub answer: String,
    /// Beside the fast end, as a gain; absent where it was not timed.
    #[serde(default)]
    pub speedup: Option<f64>,
    /// Blocks that it took.
    pub n_blocks: usize,
    /// Why there is no answer, or why it was not timed.
    #[serde(default)]
    pub reason: String,
}

/// `outpace.regressions/1`: the changes of all series of a branch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Regressions {
    /// `outpace.regressions/1`.
    pub schema: String,
    /// Slowdowns that are proven, confirmed and not accepted.
    pub alarms: usize,
    /// All changes, series by series, oldest first.
    pub changes: Vec<FoundChange>,
}

impl Document for Regressions {
    const SCHEMA: &'static str = "outpace.regressions/1";
}

/// A change of a series as a list has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FoundChange {
    /// Name of the workload.
    pub workload: String,
    /// The class of the machine.
    pub machine_class: String,
    /// Last measured commit at the old level.
    pub before: String,
    /// First measured commit at the new level.
    pub after: String,
    /// Commits of the branch after `before`, up to and with `after`.
    pub n_commits: usize,
    /// First line of the message of `after`; untrusted text.
    pub summary: String,
    /// The change by the series, as a gain.
    pub found: f64,
    /// `regression`, `unconfirmed`, `found`, `not proven`, `not measurable`, `small`, `faster`,
    /// `accepted`.
    pub standing: String,
    /// The change by the fresh trial, where there was one.
    pub speedup: Option<f64>,
    /// Its upper bound: at most so fast.
    pub at_most: Option<f64>,
    /// The commit that a bisection named.
    pub named: Option<String>,
}

/// `outpace.reproduction/1`: a recorded trial, measured again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reproduction {
    /// `outpace.reproduction/1`.
    pub schema: String,
    /// Id of the verdict.
    pub verdict: String,
    /// Whether both agree.
    pub agrees: bool,
    /// Why, in a line.
    pub reason: String,
    /// What was recorded.
    pub recorded: Figures,
    /// What came out now.
    pub now: Figures,
}

impl Document for Reproduction {
    const SCHEMA: &'static str = "outpace.reproduction/1";
}

/// The figures of a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// The verdict.
    pub verdict: Kind,
    /// Median gain.
    pub speedup: Option<f64>,
    /// Lower bound.
    pub at_least: Option<f64>,
    /// Upper bound.
    pub at_most: Option<f64>,
    /// Blocks.
    pub n_blocks: usize,
    /// The class of the machine.
    pub machine_class: String,
}

impl Figures {
    /// Those of a verdict.
    pub fn of(verdict: &Verdict) -> Self {
        Self {
            verdict: verdict.verdict,
            speedup: verdict.speedup,
            at_least: verdict.at_least,
            at_most: verdict.at_most,
            n_blocks: verdict.n_blocks,
            machine_class: verdict.machine_class.clone(),
        }
    }
}

/// `outpace.baseline-check/1`: whether the gains that a baseline counts are still there on this
/// machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineCheck {
    /// `outpace.baseline-check/1`.
    pub schema: String,
    /// Name of the workload.
    pub workload: String,
    /// The class of the machine.
    pub machine_class: String,
    /// Id of the verdict that wrote the baseline.
    pub baseline: String,
    /// Commit of its anchor.
    pub anchor: String,
    /// The accepted revision that was measured beside the anchor.
    pub revision: String,
    /// Whether the proven gain is still there.
    pub holds: bool,
    /// Whether somebody accepted that it is not.
    pub accepted: bool,
    /// The gain since the anchor that the baseline has as proven.
    pub recorded_at_least: f64,
    /// The gain now.
    #[serde(default)]
    pub speedup: Option<f64>,
    /// Its lower bound.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// Its upper bound.
    #[serde(default)]
    pub at_most: Option<f64>,
    /// Throughput of the anchor in the baseline and now: of different jobs, so no evidence.
    #[serde(default)]
    pub anchor_tokens_per_s: Option<[f64; 2]>,
    /// Raw samples: anchor first.
    #[serde(default)]
    pub blocks: Vec<Block>,
    /// The machine.
    #[serde(default)]
    pub machine: Machine,
    /// Seed.
    pub seed: u64,
    /// Version of outpace.
    pub outpace_version: String,
    /// When.
    pub finished: Timestamp,
}

impl Document for BaselineCheck {
    const SCHEMA: &'static str = "outpace.baseline-check/1";
}

/// `outpace.imported/1`: a figure that another tool measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImportedFigure {
    /// `outpace.imported/1`.
    pub schema: String,
    /// The tool.
    pub tool: String,
    /// Name of the benchmark; untrusted text.
    pub series: String,
    /// The machine in the tool's words; empty where it does not say.
    #[serde(default)]
    pub machine: String,
    /// The figure, at least 0.
    pub value: f64,
    /// Standard deviation of its samples.
    #[serde(default)]
    pub sd: Option<f64>,
    /// How many samples there were; 0 where unknown.
    #[serde(default)]
    pub n_samples: usize,
    /// What it counts: `s` for a time.
    pub unit: String,
    /// Whether less is better.
    pub smaller_is_better: bool,
    /// The commit that was measured.
    #[serde(default)]
    pub commit: Option<String>,
    /// First line of its message; untrusted text.
    #[serde(default)]
    pub summary: String,
    /// When it was committed.
    #[serde(default)]
    pub committed: Option<Timestamp>,
    /// When it was measured; when it was imported where the file does not say.
    pub finished: Timestamp,
}

impl Document for ImportedFigure {
    const SCHEMA: &'static str = "outpace.imported/1";
}
