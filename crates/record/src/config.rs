//! `outpace.toml`: what a repository tells outpace about itself. Always read from the base, never
//! from the candidate.

mod check;
mod duration;
mod range;
mod read;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{LossTarget, SandboxTier};
pub use check::OWN_AGENTS;
pub use duration::parse_duration;
pub use read::{ConfigError, parse_config};

/// A whole `outpace.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Version of the format: 1.
    pub version: u32,
    /// The programs that can be built and timed.
    pub workload: BTreeMap<String, WorkloadConfig>,
    /// What a patch may touch.
    pub policy: PolicyConfig,
    /// When a patch is merged.
    #[serde(default)]
    pub gate: GateConfig,
    /// Who proposes patches.
    #[serde(default)]
    pub agent: BTreeMap<String, AgentConfig>,
    /// Values that the `tune` agent may try.
    #[serde(default)]
    pub tunable: Vec<Tunable>,
    /// What the machines are called.
    #[serde(default)]
    pub machine: MachineConfig,
    /// How programs are confined.
    #[serde(default)]
    pub sandbox: SandboxConfig,
}

/// `[sandbox]`: what builds and programs of a revision can reach.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxConfig {
    /// The least tier; where the machine has none so strong, nothing is run.
    pub require: SandboxTier,
    /// Files and folders that programs may read besides the system, compilers and `data`.
    pub read: Vec<PathBuf>,
    /// Files and folders that they may also write.
    pub write: Vec<PathBuf>,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            require: SandboxTier::Landlock,
            read: Vec::new(),
            write: Vec::new(),
        }
    }
}

/// `[machine]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MachineConfig {
    /// Name of the machine class, for runners that are alike although their CPUs have different
    /// names. Default: made from what the machine is.
    pub class: Option<String>,
}

/// What "faster" means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Track {
    /// The same mathematics in less time per token.
    #[default]
    Throughput,
    /// Less time to a target loss.
    TimeToLoss,
}

/// How a workload is driven.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// It speaks the step protocol.
    #[default]
    Steps,
    /// The whole command is timed; there is no correctness check beyond `verify`.
    Process,
}

/// Where the two processes of a trial live when they train on GPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GpuMode {
    /// GPUs are ignored.
    None,
    /// What the pilot shows: nothing if it used no GPU, else `shared` if both fit, else `apart` if
    /// there are two equal GPUs, else `alternating`.
    #[default]
    Auto,
    /// Both on the same GPUs at once.
    Shared,
    /// One GPU each, drawn again for every block.
    Apart,
    /// On the same GPUs, one process after the other.
    Alternating,
}

impl GpuMode {
    /// All, as `outpace.toml` lists them.
    pub const ALL: [Self; 5] = [
        Self::None,
        Self::Auto,
        Self::Shared,
        Self::Apart,
        Self::Alternating,
    ];

    /// The word that `outpace.toml` uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Auto => "auto",
            Self::Shared => "shared",
            Self::Apart => "apart",
            Self::Alternating => "alternating",
        }
    }
}

/// `[workload.NAME]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadConfig {
    /// What "faster" means for it.
    #[serde(default)]
    pub track: Track,
    /// Fetches what the build needs; run on the base only, the only command that may use the
    /// network.
    #[serde(default)]
    pub fetch: Vec<String>,
    /// Builds it, offline; empty for a program that needs no build.
    #[serde(default)]
    pub build: Vec<String>,
    /// Folder of the user's checkout whose compiled dependencies the very first build begins from,
    /// `target` for cargo.
    #[serde(default)]
    pub cache_from: Option<String>,
    /// Folder of the tree that all commands start in. Default: its root.
    #[serde(default)]
    pub cwd: String,
    /// Starts it. `{target}` is the build's target folder.
    pub run: Vec<String>,
    /// Evaluates a checkpoint: `--checkpoint FILE --data-seed N` is added.
    #[serde(default)]
    pub evaluate: Vec<String>,
    /// Prints an `outpace.profile/1` document.
    #[serde(default)]
    pub profile: Vec<String>,
    /// Step protocol or whole command.
    #[serde(default)]
    pub protocol: Protocol,
    /// Must pass on the candidate.
    #[serde(default)]
    pub verify: Vec<String>,
    /// Files that the program reads when it runs (globs); it sees no others. Default: all.
    #[serde(default = "all_files")]
    pub reads: Vec<String>,
    /// What training needs and git does not hold: paths in the checkout, below `~/`, or absolute.
    /// Both sides see them; records carry their hash.
    #[serde(default)]
    pub data: Vec<String>,
    /// Environment variables that its processes get on top of the clean environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Steps that base and candidate train in the correctness check.
    #[serde(default = "default_check_steps")]
    pub check_steps: u32,
    /// Steps of a real run, over which what a process costs once (its start, its exit) is spread.
    #[serde(default = "default_steps_per_run")]
    pub steps_per_run: u64,
    /// Longest time that one answer (or a whole command) may take.
    #[serde(default = "default_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// Longest time that the build may take.
    #[serde(default = "default_build_timeout", deserialize_with = "duration")]
    pub build_timeout: Duration,
    /// Most memory that one process may map, in MiB.
    #[serde(default)]
    pub memory_mib: Option<u64>,
    /// Threads that its libraries start (OpenMP, MKL, OpenBLAS, rayon), and cores of `pin`.
    #[serde(default)]
    pub threads: Option<usize>,
    /// Keep both sides on the same cores: as many as `threads`, or all.
    #[serde(default)]
    pub pin: bool,
    /// Where its processes live when it trains on GPUs.
    #[serde(default)]
    pub gpu: GpuMode,
    /// Draws validation text for the time-to-loss track: `--data-seed N --passages N --out FILE` is
    /// added. Only the base's is run.
    #[serde(default)]
    pub text: Vec<String>,
    /// Validation loss in nats per token that a run has to reach, on that track.
    #[serde(default)]
    pub target_loss: Option<f64>,
    /// Steps after which a run has not reached it, about twice what the base takes.
    #[serde(default)]
    pub max_steps: Option<u64>,
    /// Steps between two evaluations. Default: a hundredth of `max_steps`.
    #[serde(default)]
    pub evaluate_every: Option<u64>,
    /// Tokens of an evaluation.
    #[serde(default = "default_evaluate_tokens")]
    pub evaluate_tokens: u64,
}

impl WorkloadConfig {
    /// `cwd` without `.` in it; empty for the root.
    pub fn folder(&self) -> PathBuf {
        let parts = Path::new(&self.cwd).components();
        parts
            .filter(|part| matches!(part, Component::Normal(_)))
            .collect()
    }

    /// Whether it was not said which files its program reads.
    pub fn reads_all(&self) -> bool {
        self.reads == all_files()
    }

    /// What runs to a loss are measured by; nothing on the other track.
    pub fn loss_target(&self) -> Option<LossTarget> {
        let (target_loss, max_steps) = (self.target_loss?, self.max_steps?);
        (self.track == Track::TimeToLoss).then(|| LossTarget {
            target_loss,
            max_steps,
            evaluate_every: self.evaluate_every.unwrap_or((max_steps / 100).max(1)),
            tokens: self.evaluate_tokens,
            equal_steps: false,
            confirmed_steps: false,
        })
    }
}

/// `[policy]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyConfig {
    /// Globs of the files that a patch may change.
    pub editable: Vec<String>,
    /// Largest patch in KiB.
    #[serde(default = "default_patch_kib")]
    pub max_patch_kib: usize,
}

/// `[gate]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateConfig {
    /// Error rate of a single gate.
    pub alpha: f64,
    /// Share of false merges in a campaign.
    pub fdr: f64,
    /// The gain that must be exceeded, 0.005 for 0.5 %.
    pub min_speedup: f64,
    /// Most blocks of a single gate.
    pub max_blocks: usize,
    /// Most blocks of a candidate in a campaign.
    pub campaign_max_blocks: usize,
    /// Seconds after which a trial that has proven nothing ends, and that its isolated runs may
    /// take at least.
    pub max_seconds: f64,
    /// Pairs in a block once blocks have grown.
    pub pairs: usize,
    /// Shortest turn in milliseconds.
    pub min_turn_ms: f64,
    /// Workloads that are judged when none is named; empty means all.
    pub workloads: Vec<String>,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            alpha: 0.01,
            fdr: 0.05,
            min_speedup: 0.005,
            max_blocks: 100,
            campaign_max_blocks: 48,
            max_seconds: 3600.0,
            pairs: 40,
            min_turn_ms: 20.0,
            workloads: Vec::new(),
        }
    }
}

/// `[agent.NAME]`: any command; its patch is what it leaves in its worktree.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// `{prompt}` becomes the prompt; `{prompt_file}`, `{context}` and `{title_file}` the paths of
    /// the prompt, of the context file, and of the file that a one-line title may be written to.
    pub command: Vec<String>,
    /// Longest time for one proposal.
    #[serde(default = "default_agent_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// Environment variables that are passed on to it by name, such as the key of its API.
    #[serde(default)]
    pub pass_env: Vec<String>,
    /// Files and folders with its settings, to read and write; `~/` is the home directory.
    #[serde(default)]
    pub config: Vec<String>,
    /// Whether it may use the network, where its model is.
    #[serde(default = "yes")]
    pub network: bool,
}

/// `[[tunable]]`: one value that `tune` may change, a TOML key or a constant in a Rust, C, CUDA or
/// Python source.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tunable {
    /// File that holds it.
    pub file: String,
    /// Dotted key in a TOML file.
    #[serde(default)]
    pub key: Option<String>,
    /// Name of a `const NAME: T = value;`, `constexpr T NAME = value;` or `#define NAME value`, in
    /// a `.py` file of a `NAME = value`.
    #[serde(default, rename = "const")]
    pub constant: Option<String>,
    /// Values to try, in their natural order; not for a range.
    #[serde(default)]
    pub values: Vec<toml::Value>,
    /// Least and largest value of a range of numbers; of two integers, a range of integers.
    #[serde(default)]
    pub from: Option<toml::Value>,
    /// See `from`.
    #[serde(default)]
    pub to: Option<toml::Value>,
    /// Whether values of the range are factors apart, and not differences.
    #[serde(default)]
    pub log: bool,
    /// Workloads whose campaigns try it; empty means all.
    #[serde(default)]
    pub workloads: Vec<String>,
}

impl Tunable {
    /// Its key or constant.
    pub fn name(&self) -> &str {
        self.key
            .as_deref()
            .or(self.constant.as_deref())
            .unwrap_or_default()
    }

    /// Whether a campaign that judges by `workloads` tries it.
    pub fn is_for(&self, workloads: &[String]) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|name| workloads.contains(name))
    }

    /// Its values as they are written in the file. For a constant, a string is the expression
    /// itself.
    pub fn literals(&self) -> Vec<String> {
        let literal = |value: &toml::Value| match value {
            toml::Value::String(text) if self.constant.is_some() => text.clone(),
            other => other.to_string(),
        };
        self.values.iter().map(literal).collect()
    }
}

fn all_files() -> Vec<String> {
    vec!["**".into()]
}

/// Steps of a real run where a workload does not say how many it takes.
pub const STEPS_PER_RUN: u64 = 10_000;

fn default_steps_per_run() -> u64 {
    STEPS_PER_RUN
}

fn default_check_steps() -> u32 {
    20
}

fn default_evaluate_tokens() -> u64 {
    4096
}

fn default_timeout() -> Duration {
    Duration::from_secs(60)
}

fn default_build_timeout() -> Duration {
    Duration::from_secs(3600)
}

fn default_patch_kib() -> usize {
    64
}

/// For keys that are on unless they are turned off.
pub(crate) fn yes() -> bool {
    true
}

fn default_agent_timeout() -> Duration {
    Duration::from_secs(1200)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(serde::de::Error::custom)
}
