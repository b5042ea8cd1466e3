//! A campaign and its attempts, as they are kept on disk and reported.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Document, Kind, Machine, SandboxTier, Timestamp, Verdict};

/// The state of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CampaignState {
    /// Under way, or killed: it can be resumed.
    Running,
    /// Stopped by the user: it can be resumed.
    Interrupted,
    /// The budget or the number of experiments is used up, or the agent has nothing more to
    /// propose.
    Finished,
}

/// `outpace.campaign/1`: what a campaign was asked to do. Its attempts are documents of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Campaign {
    /// `outpace.campaign/1`.
    pub schema: String,
    /// Its name: the moment it began, `20260519-083000`, with a number behind it where two would
    /// collide.
    pub id: String,
    /// Name of the agent.
    pub agent: String,
    /// What the `replay` agent proposes: `A..B` with the ids of the commits, or a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patches: Option<String>,
    /// Workloads that every patch is judged on; the first one is plotted.
    pub workloads: Vec<String>,
    /// Branch that proven patches are merged into.
    pub into: String,
    /// Commit that it began from.
    pub start: String,
    /// First line of that commit's message.
    #[serde(default)]
    pub start_summary: String,
    /// Wall seconds that it may take, over all sessions.
    #[serde(default)]
    pub budget_s: Option<f64>,
    /// Attempts that it may take.
    #[serde(default)]
    pub max_experiments: Option<usize>,
    /// Wall seconds used so far, over all sessions.
    pub used_s: f64,
    /// Its state.
    pub state: CampaignState,
    /// Why it stopped.
    #[serde(default)]
    pub stopped_because: Option<String>,
    /// Share of false merges that is accepted.
    pub fdr: f64,
    /// Alpha of the bounds.
    pub alpha: f64,
    /// The gain that a merge must exceed.
    pub min_speedup: f64,
    /// Most blocks of a candidate; absent in records of versions that took it from the verdicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_blocks: Option<usize>,
    /// Seed of the noise measurement, and of all trials if it was given.
    pub seed: u64,
    /// Whether trials follow from `seed`, to replay them. Otherwise each draws its own when its
    /// patch is there.
    #[serde(default)]
    pub seed_was_given: bool,
    /// Throughput of the revision that it began from.
    #[serde(default)]
    pub start_tokens_per_s: Option<f64>,
    /// The class of the machine.
    pub machine_class: String,
    /// The machine.
    #[serde(default)]
    pub machine: Machine,
    /// How programs were confined.
    #[serde(default)]
    pub sandbox_tier: SandboxTier,
    /// Standard deviation of a block's log ratio in A/A, if it was measured.
    #[serde(default)]
    pub aa_sd: Option<f64>,
    /// Version of outpace.
    pub outpace_version: String,
    /// When it began.
    pub started: Timestamp,
    /// When it was last written.
    pub updated: Timestamp,
}

impl Document for Campaign {
    const SCHEMA: &'static str = "outpace.campaign/1";
}

/// `outpace.attempt/1`: one proposal of an agent and its outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// `outpace.attempt/1`.
    pub schema: String,
    /// Campaign it belongs to.
    pub campaign: String,
    /// 1, 2, ... in the campaign.
    pub number: usize,
    /// Who proposed it.
    pub agent: String,
    /// One line that names the patch; untrusted text.
    pub title: String,
    /// Its outcome: the decisive verdict of all workloads.
    pub verdict: Kind,
    /// Why; may quote untrusted text.
    pub reason: String,
    /// Its test index t (e-LOND) on the branch, from 1, if it reached timing.
    #[serde(default)]
    pub tested: Option<u64>,
    /// Merges before it (D of e-LOND).
    #[serde(default)]
    pub merges_before: u64,
    /// Commit it was measured against.
    pub base: String,
    /// Commit that merged it.
    #[serde(default)]
    pub merged: Option<String>,
    /// Canonical hash of the patch.
    #[serde(default)]
    pub patch_sha256: Option<String>,
    /// The patch as text, cut at 64 KiB; untrusted.
    #[serde(default)]
    pub diff: String,
    /// Tree of the patched base.
    #[serde(default)]
    pub tree: Option<String>,
    /// Ids of its verdicts in the history.
    #[serde(default)]
    pub verdict_ids: Vec<String>,
    /// One verdict a workload; empty where nothing was built, and in the history, where they are
    /// records of their own.
    #[serde(default)]
    pub verdicts: Vec<Verdict>,
    /// Seconds that the agent took.
    #[serde(default)]
    pub propose_s: f64,
    /// Seconds that the build took.
    #[serde(default)]
    pub build_s: f64,
    /// Seconds that the correctness checks took.
    #[serde(default)]
    pub check_s: f64,
    /// Wall seconds of the whole attempt.
    pub total_s: f64,
    /// Seconds since the campaign began, over all sessions, when it ended.
    #[serde(default)]
    pub at_s: f64,
    /// When it ended.
    pub finished: Timestamp,
}

impl Document for Attempt {
    const SCHEMA: &'static str = "outpace.attempt/1";
}

impl Attempt {
    /// The verdict that settled it; of several the one with the smallest proven gain.
    pub fn decisive_verdict(&self) -> Option<&Verdict> {
        let least = |verdict: &Verdict| verdict.at_least.unwrap_or(f64::NEG_INFINITY);
        let same = self.verdicts.iter().filter(|v| v.verdict == self.verdict);
        same.min_by(|a, b| least(a).total_cmp(&least(b)))
            .or(self.main_verdict())
    }

    /// The verdict whose throughput is plotted: that of the first workload.
    pub fn main_verdict(&self) -> Option<&Verdict> {
        self.verdicts.first()
    }
}
