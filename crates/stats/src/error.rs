//! What can be wrong with the numbers that come in. Messages count blocks and pairs from 1; the
//! fields count from 0, as slices do.

use thiserror::Error;

/// Why numbers cannot be judged.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum StatsError {
    /// A trial needs at least one block.
    #[error("no blocks: a trial needs at least one")]
    NoBlocks,
    /// A block needs at least one pair.
    #[error("no pairs: a block needs at least one")]
    EmptyBlock,
    /// A time that is not a finite number of seconds above 0, or a pair whose ratio is beyond
    /// `f64`.
    #[error(
        "pair {}: the times are {base_s} and {candidate_s}, both must be finite and above 0 seconds",
        pair + 1
    )]
    BadPair {
        /// Index of the pair in its block.
        pair: usize,
        /// Time of the base in seconds, as given.
        base_s: f64,
        /// Time of the candidate in seconds, as given.
        candidate_s: f64,
    },
    /// One block of a trial is wrong.
    #[error("block {}{}{problem}", block + 1, after_block(problem))]
    InBlock {
        /// Index of the block in the trial.
        block: usize,
        /// What is wrong with it.
        problem: Box<StatsError>,
    },
    /// `alpha` outside (0, 1).
    #[error("alpha is {0}: it must be above 0 and below 1")]
    BadAlpha(f64),
    /// `margin` negative or not finite.
    #[error("margin is {0}: it must be finite and at least 0 (0.01 means 1 %)")]
    BadMargin(f64),
    /// `min_speedup` negative or not finite.
    #[error("min_speedup is {0}: it must be finite and at least 0 (0.005 means 0.5 %)")]
    BadMinSpeedup(f64),
    /// `threshold` below 1 or not finite: no e-value below 1 is evidence.
    #[error("threshold is {0}: it must be finite and at least 1")]
    BadThreshold(f64),
    /// `max_blocks` of 0.
    #[error("max_blocks is 0: it must be at least 1")]
    NoMaxBlocks,
}

/// "block 2, pair 1: ..." is one place; anything else is said of the whole block.
fn after_block(problem: &StatsError) -> &'static str {
    match problem {
        StatsError::BadPair { .. } => ", ",
        _ => ": ",
    }
}
