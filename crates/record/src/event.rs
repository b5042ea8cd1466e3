//! What happens while outpace works, as one stream that every reporter reads: the terminal, a log,
//! and `--progress json`, which writes it as JSON lines.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Attempt, Check, Document, Kind, Timestamp};

/// Whose program a stage is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The revision that stands.
    Base,
    /// The one that wants to replace it.
    Candidate,
    /// The first base, which losses are held against; or the revision that all others of a series
    /// are measured beside.
    Anchor,
    /// A revision that is measured for the history.
    Revision,
}

impl Role {
    /// The word for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Candidate => "candidate",
            Self::Anchor => "anchor",
            Self::Revision => "revision",
        }
    }
}

/// One thing that happened. `..._started` begins a stage that can take minutes, `..._ended` ends
/// it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Another outpace is at work; waiting for it.
    Waiting {
        /// What it does, as the end of a sentence that begins with "another outpace".
        does: String,
        /// Its process id, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pid: Option<u32>,
        /// Its repository, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repository: Option<String>,
        /// Since when, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
    },
    /// The patch was held against the policy of the base.
    PolicyChecked {
        /// Why it is refused; absent where it is not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<String>,
    },
    /// A build began.
    BuildStarted {
        /// Name of the workload.
        workload: String,
        /// Whose.
        role: Role,
    },
    /// A build is done, or was not needed.
    BuildEnded {
        /// Name of the workload.
        workload: String,
        /// Whose.
        role: Role,
        /// Wall seconds of the build command; 0 for what was built before.
        seconds: f64,
    },
    /// Base and candidate are built.
    ArtefactsCompared {
        /// Name of the workload.
        workload: String,
        /// They are the same program.
        same: bool,
    },
    /// The correctness check began.
    CheckStarted {
        /// Name of the workload.
        workload: String,
        /// Training steps that it takes.
        steps: u32,
    },
    /// The correctness check is done.
    CheckEnded {
        /// Name of the workload.
        workload: String,
        /// Training steps that it took.
        steps: u32,
        /// Its figures.
        checks: Vec<Check>,
    },
    /// The pilot began: a look at how long a step takes.
    PilotStarted {
        /// Name of the workload.
        workload: String,
    },
    /// The pilot is done and the blocks are planned.
    PilotEnded {
        /// Name of the workload.
        workload: String,
        /// Training steps a turn.
        steps_per_turn: u32,
        /// Warm-up turns.
        warmup_turns: u32,
        /// Pairs a block.
        pairs: usize,
        /// Expected seconds of one block.
        block_s: f64,
        /// Where the processes live on the GPUs; absent where none is used.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gpus: Option<String>,
    },
    /// A block was timed.
    Block {
        /// Name of the workload.
        workload: String,
        /// Blocks so far.
        n_blocks: usize,
        /// ln of the e-value so far.
        log_e: f64,
        /// The e-value that is needed.
        threshold: f64,
        /// Where the gain is proven and waits for the sums of turns: ln of their e-value so far,
        /// and the e-value that they need.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sums: Option<(f64, f64)>,
        /// Median gain so far.
        speedup: f64,
        /// Lower bound so far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_least: Option<f64>,
        /// Expected seconds until it is settled, if the evidence grows as it did; absent while it
        /// does not grow.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left_s: Option<f64>,
    },
    /// A gain was proven with both processes alive, and a block of isolated runs was timed.
    IsolatedBlock {
        /// Name of the workload.
        workload: String,
        /// Blocks so far.
        n_blocks: usize,
        /// ln of the e-value so far.
        log_e: f64,
        /// The e-value that is needed.
        threshold: f64,
    },
    /// Runs to a loss began.
    SeedsStarted {
        /// Name of the workload.
        workload: String,
        /// The loss to reach in nats per token.
        target: f64,
        /// Whether they are only a look at a candidate, and no evidence.
        screening: bool,
    },
    /// A run to a loss was evaluated.
    LossPoint {
        /// Name of the workload.
        workload: String,
        /// Number of the seed, from 1; 0 where the run is no evidence.
        seed: usize,
        /// Whose run.
        role: Role,
        /// Steps trained.
        step: u64,
        /// Its validation loss in nats per token.
        loss: f64,
        /// The loss to reach.
        target: f64,
    },
    /// Both runs of a seed are over.
    Seed {
        /// Name of the workload.
        workload: String,
        /// Seeds so far.
        n_seeds: usize,
        /// ln of the e-value so far.
        log_e: f64,
        /// The e-value that is needed.
        threshold: f64,
        /// Steps to the target, base and candidate; absent where a side never came there.
        steps: [Option<f64>; 2],
        /// Median gain in steps so far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        speedup: Option<f64>,
    },
    /// A measurement of the base against itself began.
    NoiseStarted {
        /// Name of the workload.
        workload: String,
        /// Blocks that it takes.
        blocks: usize,
    },
    /// A block of two revisions beside each other was timed, with nothing to be decided: for the
    /// history, or the base against itself.
    SideBlock {
        /// Name of the workload.
        workload: String,
        /// Blocks so far.
        n_blocks: usize,
        /// ln of the ratio of the two times.
        log_ratio: f64,
        /// Wall seconds that it took.
        block_s: f64,
    },
    /// A commit's turn came, of those that are measured for the history.
    CommitStarted {
        /// Name of the workload.
        workload: String,
        /// Its id.
        commit: String,
        /// First line of its message.
        summary: String,
        /// Its number among those to be measured, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// Expected seconds for it and those that follow; absent before the first is done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left_s: Option<f64>,
    },
    /// A commit was measured, or could not be.
    CommitEnded {
        /// Name of the workload.
        workload: String,
        /// Its id.
        commit: String,
        /// What came out, in a line.
        result: String,
        /// Whether it was measured.
        measured: bool,
    },
    /// A process of one revision was timed by itself.
    ProcessTimed {
        /// Name of the workload.
        workload: String,
        /// Processes so far.
        n_processes: usize,
        /// Processes in all.
        of: usize,
        /// Median seconds of a step.
        step_s: f64,
    },
    /// A workload has its verdict.
    Judged {
        /// Name of the workload.
        workload: String,
        /// The verdict.
        verdict: Kind,
    },
    /// The branch to merge into moved while the patch was measured.
    BranchMoved {
        /// The branch.
        branch: String,
        /// The commit that it points at now.
        now: String,
    },
    /// An agent was asked for a patch.
    ProposalStarted {
        /// Number of the attempt.
        number: usize,
        /// Name of the agent.
        agent: String,
    },
    /// A patch came and is judged.
    AttemptStarted {
        /// Number of the attempt.
        number: usize,
        /// One line that names the patch.
        title: String,
    },
    /// An attempt is over and on the disk.
    AttemptEnded {
        /// The attempt.
        attempt: Box<Attempt>,
    },
    /// Something worth a line.
    Note {
        /// The line.
        text: String,
    },
}

/// `outpace.event/1`: a line of `--progress json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventLine {
    /// `outpace.event/1`.
    pub schema: String,
    /// Seconds since the command began.
    pub elapsed_s: f64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Document for EventLine {
    const SCHEMA: &'static str = "outpace.event/1";
}

/// Who is told. Nothing that an observer does may end what is measured.
pub trait Observer {
    /// Something happened.
    fn on(&mut self, event: &Event);
}

/// Nobody is told.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn on(&mut self, _event: &Event) {}
}
