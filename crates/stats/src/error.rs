//! What can be wrong with the numbers that come in. Indices count from 0, as in the JSON that they come from.

use thiserror::Error;

/// Why numbers cannot be judged.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum StatsError {
    /// A trial without blocks has nothing to say.
    #[error("no blocks: a trial needs at least one")]
    NoBlocks,
    /// A block without pairs has no log ratio.
    #[error("no pairs: a block needs at least one")]
    EmptyBlock,
    /// A time that is not a finite number of seconds above 0, or a pair whose ratio is beyond `f64`.
    #[error(
        "pairs[{pair}] is [{base_s}, {candidate_s}]: both times must be finite and above 0 seconds"
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
    #[error("blocks[{block}]: {problem}")]
    InBlock {
        /// Index of the block in the trial.
        block: usize,
        /// What is wrong with it.
        problem: Box<StatsError>,
    },
    /// `alpha` outside (0, 1).
    #[error("alpha is {0}: it must be above 0 and below 1")]
    BadAlpha(f64),
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
