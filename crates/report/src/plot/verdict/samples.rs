//! What the panels of a verdict show: the log ratios of its blocks or of its seeds.

use outpace_record::{Verdict, step_time_log_ratios};
use outpace_stats::{
    Rule, StepTime, block_log_ratio, log_e_time_to_loss, median, seed_trajectory, trajectory,
};

use crate::format::gain;
use crate::samples;
use crate::seeds::{Seed, seeds};

/// Most blocks that are drawn. A trial has at most 100 unless its limit was raised.
const MOST_BLOCKS: usize = 1000;

/// The same for seeds.
pub(super) const MOST_SEEDS: usize = 200;

/// Where the time of a step was measured, each e-value of seeds is a search that takes up to 0.3 s.
/// Of more seeds than this only every second, third, ... has one.
const MOST_SEARCHES: usize = 16;

/// The samples of a verdict.
pub(super) struct Samples {
    /// Log ratios of blocks, or of the steps of seeds.
    x: Vec<f64>,
    /// Log ratios of the time of a step, where seeds need one.
    step_time: Option<Vec<f64>>,
    /// What a pointer on each shows.
    pub(super) hovers: Vec<String>,
    pub(super) by_seeds: bool,
}

impl Samples {
    /// None where nothing was timed.
    pub(super) fn of(verdict: &Verdict) -> Self {
        if samples::by_seeds(verdict) {
            Self::of_seeds(verdict)
        } else {
            Self::of_blocks(verdict)
        }
    }

    fn of_blocks(verdict: &Verdict) -> Self {
        let x = block_log_ratios(verdict);
        let hover = |(i, x): (usize, &f64)| format!("block {}: {}", i + 1, gain(x.exp_m1()));
        Self {
            hovers: x.iter().enumerate().map(hover).collect(),
            x,
            step_time: None,
            by_seeds: false,
        }
    }

    fn of_seeds(verdict: &Verdict) -> Self {
        let seeds = seeds(verdict).into_iter().take(MOST_SEEDS);
        let seeds: Vec<Seed> = seeds.filter(|seed| !seed.log_ratio.is_nan()).collect();
        let measured = verdict.target.filter(|target| !target.equal_steps);
        let blocks = &verdict.blocks[..verdict.blocks.len().min(MOST_BLOCKS)];
        Self {
            x: seeds.iter().map(|seed| seed.log_ratio).collect(),
            step_time: measured.and_then(|of| step_time_log_ratios(&of, blocks).ok()),
            hovers: seeds.iter().map(Seed::text).collect(),
            by_seeds: true,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.x.len()
    }

    /// The word for one.
    pub(super) fn one(&self) -> &'static str {
        if self.by_seeds { "seed" } else { "block" }
    }

    /// Log ratios as the bounds count them: those of seeds with the median time of a step, because
    /// the bounds are those of time.
    pub(super) fn log_ratios(&self) -> Vec<f64> {
        let step = self.step_time.as_deref().map(median);
        let step = step.filter(|m| m.is_finite()).unwrap_or(0.0);
        self.x.iter().map(|x| x + step).collect()
    }

    /// What the log ratios are those of.
    pub(super) fn title(&self) -> &'static str {
        let timed = self.step_time.as_ref().is_some_and(|x| !x.is_empty());
        match (self.by_seeds, timed) {
            (false, _) => "gain of each block, 100 ln(base / candidate)",
            (true, false) => "steps to the loss, 100 ln(base / candidate)",
            (true, true) => "time to the loss, 100 ln(base / candidate)",
        }
    }

    /// The same with base and candidate exchanged.
    pub(super) fn mirrored(&self) -> Self {
        let minus = |x: &Vec<f64>| -> Vec<f64> { x.iter().map(|v| -v).collect() };
        Self {
            x: minus(&self.x),
            step_time: self.step_time.as_ref().map(minus),
            hovers: Vec::new(),
            by_seeds: self.by_seeds,
        }
    }

    /// ln of the e-value against "the gain is at most `min_speedup`", and the number of samples
    /// after which it is that: after each but for seeds that take too long.
    pub(super) fn trajectory(&self, verdict: &Verdict, min_speedup: f64) -> Vec<(usize, f64)> {
        let log_e = match (self.by_seeds, &self.step_time) {
            (true, Some(blocks)) => return self.searched(blocks, min_speedup),
            (true, None) => seed_trajectory(&self.x, None, min_speedup),
            (false, _) => {
                let rule = Rule {
                    min_speedup,
                    ..verdict.rule()
                };
                trajectory(&self.x, &rule)
            }
        };
        (1..).zip(log_e).collect()
    }

    fn searched(&self, blocks: &[f64], min_speedup: f64) -> Vec<(usize, f64)> {
        let (last, m) = (self.len(), min_speedup.ln_1p());
        let every = last.div_ceil(MOST_SEARCHES).max(1);
        let numbers = (1..=last).filter(|n| n % every == 0 || *n == last);
        let time = StepTime::Measured(blocks);
        let log_e = |n: usize| (n, log_e_time_to_loss(&self.x[..n], time, m));
        numbers.map(log_e).collect()
    }
}

fn block_log_ratios(verdict: &Verdict) -> Vec<f64> {
    let blocks = verdict.blocks.iter().take(MOST_BLOCKS);
    blocks
        .filter_map(|b| block_log_ratio(&b.pairs).ok())
        .filter(|x| x.is_finite())
        .collect()
}
