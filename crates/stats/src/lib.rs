//! Numbers in, verdict out: the proof rule of outpace as pure functions.
//!
//! A trial is a sequence of blocks, each a fresh base process against a fresh candidate process. A
//! block becomes one number ([`block_log_ratio`]), the numbers become evidence ([`Evidence`], an
//! e-value that may be looked at after every block), and the evidence becomes an outcome with
//! one-sided bounds ([`judge`], [`Summary`]). Over a campaign the threshold rises with every
//! candidate that is tested ([`e_lond_threshold`]).
//!
//! Why it holds: labels are assigned at random, so if the candidate is no faster than a factor
//! `e^m`, each block's log ratio is symmetric about a centre of at most `m`, whatever the noise.
//! Bets on its sign and size then make a non-negative supermartingale, and Ville's inequality (J.
//! Ville, *Étude critique de la notion de collectif*, 1939) bounds the chance that it ever reaches
//! `1/alpha` by `alpha`.
//!
//! This crate never reads a file, a clock or the environment, never prints, and draws no random
//! numbers except the seeded ones of [`forecast`]: the same numbers give the same verdict
//! everywhere.
//!
//! ```
//! use outpace_stats::{Outcome, Rule, judge};
//!
//! // Seconds of base and candidate.
//! let block = [[0.0520, 0.0500], [0.0530, 0.0508], [0.0525, 0.0505]];
//! let judged = judge(&vec![block; 12], &Rule::default())?;
//! assert_eq!(judged.outcome, Outcome::Faster);
//! assert!(judged.summary.at_least.is_some_and(|gain| gain > 0.005));
//! # Ok::<(), outpace_stats::StatsError>(())
//! ```
#![forbid(unsafe_code)]

mod block;
mod bounds;
mod campaign;
mod clock;
mod crossing;
mod describe;
mod error;
mod evidence;
mod forecast;
mod isolated;
mod judge;
mod rule;
mod schedule;
mod segment;
mod time_to_loss;
mod verdict;
mod wealth;

pub use block::{Pair, block_excess, block_log_ratio, block_sum_log_ratio, sums};
pub use bounds::{lower_bound, upper_bound};
pub use campaign::{GAMMA_SUM, e_lond_threshold, gamma};
pub use clock::{CoarseClock, coarse_clock};
pub use crossing::{CurvePoint, fixed_log_ratio, is_reached, steps_log_ratio, steps_to_loss};
pub use describe::{
    MEDIAN_ERROR, NORMAL_PER_MAD, mean, median, robust_deviation, standard_deviation,
    standard_error,
};
pub use error::StatsError;
pub use evidence::{Evidence, trajectory};
pub use forecast::{FORECAST_TRIALS, forecast, forecast_seeds};
pub use isolated::{Isolated, IsolatedRun, IsolatedShape, isolated_log_ratio};
pub use judge::judge;
pub use rule::{Rule, SCREEN_BLOCKS, SCREEN_E_BELOW, SCREEN_LOG_E};
pub use schedule::Schedule;
pub use segment::{Reading, Segment, Segmentation, segment};
pub use time_to_loss::{
    SeedEvidence, SeedRule, SeedSummary, StepTime, least_time_blocks, log_e_time_to_loss,
    seed_trajectory,
};
pub use verdict::{Decision, Judgement, Outcome, Reason, Summary};
pub use wealth::{SCALES, STAKES, log_e, log_e_limit};
