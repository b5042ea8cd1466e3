//! What happens during a trial, as one stream that every reporter reads.

use crate::Side;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// A build began.
    Building {
        /// Whose.
        side: Side,
    },
    /// A build is done.
    Built {
        /// Whose.
        side: Side,
        /// Wall seconds.
        seconds: f64,
    },
    /// Both are built; whether they are the same program.
    Compared {
        /// The artefacts are equal.
        same: bool,
    },
    /// The correctness check is done.
    Checked {
        /// Name of the workload.
        workload: &'a str,
        /// Training steps it took.
        steps: u32,
        /// Its figures.
        checks: &'a [outpace_record::Check],
    },
    /// The correctness check began.
    Checking {
        /// Name of the workload.
        workload: &'a str,
        /// Training steps it takes.
        steps: u32,
    },
    /// The workload was looked at and the blocks are planned.
    Planned {
        /// Name of the workload.
        workload: &'a str,
        /// Training steps a turn.
        steps_per_turn: u32,
        /// Warm-up turns.
        warmup_turns: u32,
        /// Pairs a block.
        pairs: usize,
        /// Expected seconds of one block.
        block_s: f64,
        /// Where the processes live on the GPUs; absent where none is used.
        gpus: Option<&'a str>,
    },
    /// A block was timed.
    Block {
        /// Name of the workload.
        workload: &'a str,
        /// Blocks so far.
        n_blocks: usize,
        /// ln of the e-value so far.
        log_e: f64,
        /// The e-value that is needed.
        threshold: f64,
        /// Where the gain is proven and waits for the sums of turns: ln of their e-value so far, and the e-value that they need.
        sums: Option<(f64, f64)>,
        /// Median gain so far.
        speedup: f64,
        /// Lower bound so far.
        at_least: Option<f64>,
        /// Expected seconds until it is settled, if the evidence grows as it did; absent while it does not grow.
        left_s: Option<f64>,
    },
    /// A gain on a GPU was proven, and a block was timed with one process after the other.
    Alone {
        /// Name of the workload.
        workload: &'a str,
        /// Blocks so far.
        n_blocks: usize,
        /// ln of the e-value so far.
        log_e: f64,
        /// The e-value that is needed.
        threshold: f64,
    },
    /// Another outpace is at work; waiting for it.
    Waiting {
        /// Its process id.
        pid: String,
        /// What it does: "measures on this machine", "works in this repository".
        does: &'static str,
    },
}

/// Who is told.
pub trait Observer {
    /// Something happened.
    fn on(&mut self, event: &Event<'_>);
}

/// Nobody is told.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn on(&mut self, _event: &Event<'_>) {}
}
