//! The verdict of a trial, with the raw samples that it can be recomputed from.

use std::collections::BTreeMap;

use outpace_stats::{Isolated, IsolatedRun, IsolatedShape, Outcome, Rule, SeedRule, StatsError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Document, LossCurve, LossTarget, Machine, SandboxTier, SeedRun, TestIndex, Timestamp, Track,
    judgement, seed_evidence,
};

/// What a trial says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Proven faster by more than the minimum.
    Faster,
    /// Proven slower.
    Slower,
    /// The artefacts are equal, or the difference is proven to be below the minimum.
    Same,
    /// Proven not to be slower by more than the margin that was asked for.
    NotSlower,
    /// The evidence did not settle it.
    NotProven,
    /// Refused before or instead of a judgement: policy, build, wrong results, implausible figures.
    Rejected,
}

impl Kind {
    /// The word that records carry.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Same => "same",
            Self::NotSlower => "not_slower",
            Self::NotProven => "not_proven",
            Self::Rejected => "rejected",
        }
    }
}

impl From<Outcome> for Kind {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Faster => Self::Faster,
            Outcome::Slower => Self::Slower,
            Outcome::Same => Self::Same,
            Outcome::NotSlower => Self::NotSlower,
            Outcome::NotProven => Self::NotProven,
        }
    }
}

/// One block: a fresh process of each side, and the times of its paired turns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Block {
    /// Seconds of base and candidate, turn by turn.
    pub pairs: Vec<[f64; 2]>,
    /// Seconds from process start to ready, base and candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_s: Option<[f64; 2]>,
    /// Seconds of the warm-up turns, base and candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_s: Option<[f64; 2]>,
    /// Seconds from the request to stop to the exit, base and candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_s: Option<[f64; 2]>,
    /// Seconds that the checkpoint at the end took, base and candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub save_s: Option<[f64; 2]>,
    /// Seconds from process start to exit, base and candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_s: Option<[f64; 2]>,
    /// CPU seconds that a side used while it was the other's turn, base and candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_cpu_s: Option<[f64; 2]>,
    /// Peak resident memory in MiB, base and candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_mib: Option<[f64; 2]>,
    /// Share of the GPU's time that base and candidate used while both were idle, where this block
    /// was probed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_gpu: Option<[f64; 2]>,
    /// How each GPU in use was during the pairs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<GpuConditions>,
}

/// How a GPU was while a block's pairs were measured: lowest, median and highest of what its driver
/// said, many times a second. A figure that the driver does not give is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GpuConditions {
    /// UUID of the GPU, or of the MIG instance.
    pub device: String,
    /// The side whose process had it to itself for the whole block; absent where both used it, at
    /// once or one after the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<String>,
    /// How often the driver was asked.
    pub samples: usize,
    /// Clock of the multiprocessors in MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sm_mhz: Option<[f64; 3]>,
    /// Clock of the memory in MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mhz: Option<[f64; 3]>,
    /// Power in watts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_w: Option<[f64; 3]>,
    /// Temperature in degrees Celsius.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<[f64; 3]>,
    /// Memory in use in MiB, by all processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<[f64; 3]>,
    /// What held its clocks down (`power cap`, `heat`, `hardware slowdown`, `power brake`), as a
    /// share of the samples; empty for a block that was not throttled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled: Option<BTreeMap<String, f64>>,
}

impl AsRef<[[f64; 2]]> for Block {
    fn as_ref(&self) -> &[[f64; 2]] {
        &self.pairs
    }
}

/// Name of the check against the revision that a baseline counts from. One that passed without an
/// allowance says that the base is the new anchor.
pub const ANCHOR_CHECK: &str = "anchor";

/// Name of the line that tells how the GPUs were. It always passes: a throttled GPU slows both
/// sides.
pub const GPU_CHECK: &str = "GPU";

/// Name of the line that tells what a look on seeds that are no evidence showed.
pub const SCREENING_CHECK: &str = "screening";

/// One correctness check with its figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What was checked, `losses`, `parameters`, `validation`, ...
    pub name: String,
    /// Whether it held.
    pub passed: bool,
    /// The figure that was measured.
    #[serde(default)]
    pub value: Option<f64>,
    /// The most that was allowed.
    #[serde(default)]
    pub allowed: Option<f64>,
    /// One line for a person.
    pub detail: String,
}

/// Every random draw of a trial comes from these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Seeds {
    /// Seed of the CSPRNG (ChaCha20) that draws start orders, pair orders and the workloads' seeds.
    pub trial: u64,
    /// Model seeds of the correctness check.
    #[serde(default)]
    pub model: Vec<u64>,
    /// Data seeds of the correctness check.
    #[serde(default)]
    pub data: Vec<u64>,
}

/// Tokens trained per second: the median over all turns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokensPerS {
    /// Of the base.
    pub base: f64,
    /// Of the candidate.
    pub candidate: f64,
}

/// The size of a patch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatchStat {
    /// Paths it touches.
    pub files: Vec<String>,
    /// Lines added.
    pub added: usize,
    /// Lines removed.
    pub removed: usize,
}

/// `outpace.verdict/1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// `outpace.verdict/1`.
    pub schema: String,
    /// What the trial says.
    pub verdict: Kind,
    /// Why, in a few words.
    pub reason: String,
    /// Median gain, 0.03 for 3 % faster; absent when nothing was timed.
    #[serde(default)]
    pub speedup: Option<f64>,
    /// Lower bound of the gain at `alpha`.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// Upper bound of the gain at `alpha`.
    #[serde(default)]
    pub at_most: Option<f64>,
    /// Natural logarithm of the e-value against "no faster than `min_speedup`".
    #[serde(default)]
    pub log_e: Option<f64>,
    /// The e-value that `faster` needed.
    pub threshold: f64,
    /// Error rate of a single gate.
    pub alpha: f64,
    /// The gain that must be exceeded.
    pub min_speedup: f64,
    /// The most blocks that the trial could take.
    #[serde(default = "default_max_blocks")]
    pub max_blocks: usize,
    /// Whether a candidate whose evidence does not grow could be stopped early.
    #[serde(default)]
    pub screen: bool,
    /// The e-value that the sums of a block's turns also needed, against "no shorter"; absent in
    /// verdicts of versions without it, and where nothing was timed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum_threshold: Option<f64>,
    /// The share by which it might be slower, where `not_slower` was enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// Raw samples.
    #[serde(default)]
    pub blocks: Vec<Block>,
    /// Blocks until which a proven gain was measured on for its bounds; absent in verdicts of
    /// versions that stopped at the proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_blocks: Option<usize>,
    /// So many of `blocks` come first, from earlier trials of the same comparison that proved
    /// nothing. They are evidence, and decide nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub earlier_blocks: usize,
    /// So many of `alone` come from there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub earlier_runs: usize,
    /// Record id of the verdict that this one goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
    /// The share of a branch's error budget that it was judged with; absent where nothing was to be
    /// merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestIndex>,
    /// Raw samples of isolated runs, one process at a time. A gain that was proven side by side has
    /// to show again there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alone: Vec<Block>,
    /// Steps of a real run, over which isolated runs spread what a process costs once; absent where
    /// they were judged by their median turns, as older versions did on GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps_per_run: Option<u64>,
    /// What runs were measured by, on the time-to-loss track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<LossTarget>,
    /// Raw samples of the time-to-loss track, a seed each. `blocks` are then those of the time of a
    /// step, `speedup`, the bounds and `log_e` those of the time to the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<SeedRun>,
    /// So many of `runs` come first, from earlier trials of the same comparison.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub earlier_seeds: usize,
    /// How many blocks there are.
    pub n_blocks: usize,
    /// Name of the workload in `outpace.toml`.
    pub workload: String,
    /// What "faster" means.
    pub track: Track,
    /// Commit id of the base; a command line where there is no git.
    pub base: String,
    /// Commit id of the candidate, absent while it is a patch.
    #[serde(default)]
    pub candidate: Option<String>,
    /// Git tree of the candidate.
    #[serde(default)]
    pub candidate_tree: Option<String>,
    /// Canonical hash of the patch.
    #[serde(default)]
    pub patch_sha256: Option<String>,
    /// Size of the patch.
    #[serde(default)]
    pub patch: Option<PatchStat>,
    /// One line that names the patch.
    #[serde(default)]
    pub title: String,
    /// Who proposed it.
    #[serde(default)]
    pub agent: Option<String>,
    /// Artefact identities of base and candidate.
    #[serde(default)]
    pub artefacts: Option<[String; 2]>,
    /// The class of the machine.
    pub machine_class: String,
    /// The machine.
    #[serde(default)]
    pub machine: Machine,
    /// How the programs were confined.
    pub sandbox_tier: SandboxTier,
    /// Correctness checks with their figures.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// Seeds.
    pub seeds: Seeds,
    /// Training steps in a turn.
    #[serde(default)]
    pub steps_per_turn: u32,
    /// Turns before the first pair.
    #[serde(default)]
    pub warmup_turns: u32,
    /// Share of the blocks' wall time in which no measured turn ran.
    #[serde(default)]
    pub overhead: Option<f64>,
    /// Version of outpace that measured and judged.
    pub outpace_version: String,
    /// When the trial began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// Wall seconds from the first process start of the timing to the verdict.
    #[serde(default)]
    pub trial_s: Option<f64>,
    /// Throughput of both sides.
    #[serde(default)]
    pub tokens_per_s: Option<TokensPerS>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

fn default_max_blocks() -> usize {
    Rule::default().max_blocks
}

impl Document for Verdict {
    const SCHEMA: &'static str = "outpace.verdict/1";
}

impl Verdict {
    /// Whether the stored baseline's anchor can no longer be used, so that the next one counts from
    /// this base.
    pub fn begins_anew(&self) -> bool {
        self.checks
            .iter()
            .any(|check| check.name == ANCHOR_CHECK && check.allowed.is_none())
    }

    /// The rule of proof that it was judged by.
    pub fn rule(&self) -> Rule {
        Rule {
            min_speedup: self.min_speedup,
            alpha: self.alpha,
            threshold: Some(self.threshold),
            screen: self.screen,
            max_blocks: self.max_blocks,
            sum_threshold: self.sum_threshold,
            margin: self.margin,
            bound_blocks: self.bound_blocks.unwrap_or(0),
            bounds_always: false,
            earlier_blocks: self.earlier_blocks,
        }
    }

    /// Its samples judged again, by the whole rule.
    ///
    /// # Errors
    /// Those of [`judge_twice`].
    pub fn judged_again(&self) -> Result<outpace_stats::Judgement, StatsError> {
        if let Some(target) = &self.target {
            return self.seeds_judged_again(target);
        }
        judge_twice(
            &self.blocks,
            &self.rule(),
            &self.alone,
            self.isolated_shape(),
        )
    }

    /// How isolated runs were laid out, where they are priced by the length of a real run.
    pub fn isolated_shape(&self) -> Option<IsolatedShape> {
        Some(IsolatedShape {
            steps_per_turn: self.steps_per_turn,
            warmup_turns: self.warmup_turns,
            steps_per_run: self.steps_per_run?,
            earlier_runs: self.earlier_runs,
        })
    }

    /// The rule that its seeds were judged by.
    pub fn seed_rule(&self) -> SeedRule {
        SeedRule {
            earlier_seeds: self.earlier_seeds,
            ..SeedRule::from(&self.rule())
        }
    }

    /// ln of the ratios of its seeds' steps.
    pub fn seed_log_ratios(&self) -> Vec<f64> {
        let Some(of) = &self.target else {
            return Vec::new();
        };
        let ratio = |run: &SeedRun| run.log_ratio(of);
        self.runs.iter().map(ratio).collect()
    }

    /// The gain that a look on seeds that are no evidence showed, where there was one.
    pub fn screened(&self) -> Option<f64> {
        let mut checks = self.checks.iter();
        checks.find(|check| check.name == SCREENING_CHECK)?.value
    }

    /// Median steps of base and candidate to the target loss; absent for a side that did not come
    /// there in half of the runs or more.
    pub fn steps_to_loss(&self) -> [Option<f64>; 2] {
        let target = self.target.map_or(f64::NAN, |target| target.target_loss);
        let curves: [fn(&SeedRun) -> &LossCurve; 2] = [|run| &run.base, |run| &run.candidate];
        curves.map(|curve| {
            let steps = |run| curve(run).steps_to(target).unwrap_or(f64::INFINITY);
            let steps: Vec<f64> = self.runs.iter().map(steps).collect();
            Some(outpace_stats::median(&steps)).filter(|n| n.is_finite() && *n > 0.0)
        })
    }

    /// Seconds that the base takes to the target loss, and what the gain makes of them.
    pub fn seconds_to_loss(&self) -> Option<[f64; 2]> {
        let [Some(base), Some(_)] = self.steps_to_loss() else {
            return None;
        };
        let turns = self.blocks.iter().flat_map(|block| &block.pairs);
        let turns: Vec<f64> = turns.map(|[base, _]| *base).collect();
        let step_s = match (turns.is_empty(), self.steps_per_turn) {
            (false, n) if n > 0 => outpace_stats::median(&turns) / f64::from(n),
            _ => {
                let runs: Vec<f64> = self
                    .runs
                    .iter()
                    .map(|run| run.base.step_s(usize::MAX))
                    .collect();
                outpace_stats::median(&runs)
            }
        };
        let base_s = base * step_s;
        Some([base_s, base_s / (1.0 + self.speedup?)])
    }

    /// Its seeds judged again.
    fn seeds_judged_again(
        &self,
        target: &LossTarget,
    ) -> Result<outpace_stats::Judgement, StatsError> {
        let mut evidence = seed_evidence(self.seed_rule(), target, &self.blocks)?;
        for ratio in self.seed_log_ratios() {
            evidence.push(ratio);
        }
        Ok(judgement(&evidence))
    }
}

/// Judges a trial by its whole rule: its blocks, and a proven gain by isolated runs too, where
/// `shape` says that they are part of the rule.
///
/// # Errors
/// Those of [`outpace_stats::judge`], and of runs that are empty or have an impossible time.
pub fn judge_twice<B: AsRef<[[f64; 2]]>>(
    blocks: &[B],
    rule: &Rule,
    alone: &[Block],
    shape: Option<IsolatedShape>,
) -> Result<outpace_stats::Judgement, StatsError> {
    let mut judged = outpace_stats::judge(blocks, rule)?;
    if let Some(shape) = shape
        && judged.outcome == Outcome::Faster
        && isolated_outcome(alone, shape)? != Some(Outcome::Faster)
    {
        judged.reason = rule.unconfirmed();
        judged.outcome = judged.reason.outcome();
    }
    Ok(judged)
}

/// What isolated runs say, by [`Rule::isolated`]; nothing while they do not settle it.
fn isolated_outcome(alone: &[Block], shape: IsolatedShape) -> Result<Option<Outcome>, StatsError> {
    let mut isolated = Isolated::new(shape)?;
    for block in alone {
        isolated.push(&block.isolated_run())?;
    }
    Ok(isolated.decision().map(|decision| decision.outcome))
}

impl Block {
    /// The block as an isolated run. What was not recorded took no time.
    pub fn isolated_run(&self) -> IsolatedRun<'_> {
        IsolatedRun {
            pairs: &self.pairs,
            ready_s: self.ready_s.unwrap_or_default(),
            warmup_s: self.warmup_s.unwrap_or_default(),
            exit_s: self.exit_s.unwrap_or_default(),
        }
    }
}

/// `outpace.judgement/1`: a line of `outpace judge`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// `outpace.judgement/1`.
    pub schema: String,
    /// What the blocks say.
    pub verdict: Kind,
    /// Why.
    pub reason: String,
    /// Blocks that were read before it was settled.
    pub n_blocks: usize,
    /// Natural logarithm of the e-value.
    pub log_e: f64,
    /// Median gain.
    pub speedup: f64,
    /// Lower bound of the gain.
    pub at_least: Option<f64>,
    /// Upper bound of the gain.
    pub at_most: Option<f64>,
    /// Why the figures may mislead although they are computed from what was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Document for Judgement {
    const SCHEMA: &'static str = "outpace.judgement/1";
}
