//! Time to a loss: `ln(time ratio) = ln(steps ratio) + ln(step-time ratio)`, each with evidence of
//! its own, and what both together prove.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::{
    Decision, Reason, Rule, SCREEN_BLOCKS, SCREEN_E_BELOW, SCREEN_LOG_E, StatsError, log_e_limit,
    median,
};

/// What is known of the time of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StepTime<'a> {
    /// Both sides run the same program on the same shapes: the ratio is 1.
    Equal,
    /// Log ratios of blocks ([`crate::block_log_ratio`]).
    Measured(&'a [f64]),
}

/// The infimum is sought between these log ratios; beyond them both e-values are at their limits.
const EDGE: f64 = 50.0;
/// It is known to this in ln E; what is returned lies below it by no more.
const TOLERANCE: f64 = 5e-7;
/// More than any case that was tried needs (20,000). What is returned lies below the infimum then
/// too, by more.
const MOST_SPLITS: usize = 100_000;
/// No threshold of a campaign asks for more.
const MOST_TIME_BLOCKS: usize = 64;
/// ln 3.
const LN_3: f64 = 1.098_612_288_668_109_7;

/// ln of the e-value against "the time ratio is at most `m`", a log ratio; `steps` are the seeds'
/// ([`crate::steps_log_ratio`]).
///
/// With `E_time(c)` and `E_steps(m - c)` the e-values of the blocks and of the seeds,
///
/// ```text
/// E(m) = inf over c of  mean { E_time(c) E_steps(m - c),  E_time(c),  E_steps(m - c) }
/// ```
///
/// At the true `c` both are e-values, of data that are independent, so that each of the three has a
/// mean of at most 1, and with them their mean. What is returned is at most the infimum, and no
/// more than 5e-7 below it.
pub fn log_e_time_to_loss(steps: &[f64], time: StepTime<'_>, m: f64) -> f64 {
    match time {
        StepTime::Equal => crate::log_e(steps, m),
        StepTime::Measured(blocks) => infimum(steps, blocks, m, None),
    }
}

/// The fewest blocks of step time with which [`log_e_time_to_loss`] can reach a threshold. If the
/// steps say nothing, a third of `E_time` is all there is, and that is at most [`log_e_limit`]. A
/// nat is left for blocks that are not all clear.
pub fn least_time_blocks(threshold: f64) -> usize {
    let needed = threshold.ln() + LN_3 + 1.0;
    (1..)
        .find(|&n| log_e_limit(n) >= needed || n >= MOST_TIME_BLOCKS)
        .unwrap_or(MOST_TIME_BLOCKS)
}

/// Two values of `c`, and ln of the e-values of blocks and of seeds at both.
#[derive(Debug, Clone, Copy)]
struct Cell {
    ends: [(f64, f64, f64); 2],
}

impl Cell {
    /// Between them `E_time` falls and `E_steps` rises, so that this is a lower bound.
    fn least(&self) -> f64 {
        let [(_, _, steps), (_, time, _)] = self.ends;
        mean_of_three(time, steps)
    }
}

/// In a heap the lowest bound comes first.
impl Ord for Cell {
    fn cmp(&self, other: &Self) -> Ordering {
        other.least().total_cmp(&self.least())
    }
}

impl PartialOrd for Cell {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Cell {}

/// By branch and bound. With `needed` it ends as soon as it is known on which side of it the
/// infimum lies.
fn infimum(steps: &[f64], blocks: &[f64], m: f64, needed: Option<f64>) -> f64 {
    let at = |c: f64| (c, crate::log_e(blocks, c), crate::log_e(steps, m - c));
    let value = |(_, time, steps): (f64, f64, f64)| mean_of_three(time, steps);
    let ends = [at(-EDGE), at(EDGE)];
    let mut lowest = value(ends[0]).min(value(ends[1]));
    let mut cells = BinaryHeap::from([Cell { ends }]);
    let mut splits = 0;
    while let Some(cell) = cells.pop() {
        let least = cell.least();
        splits += 1;
        let known = needed.is_some_and(|needed| least >= needed || lowest < needed);
        // A NaN proves nothing, and no split makes it a number.
        let gap = lowest - least;
        if known || gap <= TOLERANCE || gap.is_nan() || splits > MOST_SPLITS {
            return if known { lowest } else { least };
        }
        let [low, high] = cell.ends;
        let middle = at(0.5 * (low.0 + high.0));
        lowest = lowest.min(value(middle));
        cells.push(Cell {
            ends: [low, middle],
        });
        cells.push(Cell {
            ends: [middle, high],
        });
    }
    lowest
}

/// ln of the mean of AB, A and B.
fn mean_of_three(a: f64, b: f64) -> f64 {
    let top = a.max(b).max(a + b);
    top + ((a + b - top).exp() + (a - top).exp() + (b - top).exp()).ln() - LN_3
}

/// What a trial of seeds has to show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeedRule {
    /// Least gain in time worth merging, as a share: 0.005 is 0.5 %.
    pub min_speedup: f64,
    /// Chance of a false verdict that a single trial may run, and the level of its bounds.
    pub alpha: f64,
    /// E-value that `faster` needs.
    pub threshold: f64,
    /// Whether to stop a candidate early whose evidence does not grow.
    pub screen: bool,
    /// Seeds after which a trial is `not_proven`.
    pub max_seeds: usize,
    /// A gain that is proven earlier is measured on until there are so many, for its bounds.
    pub bound_seeds: usize,
    /// So many come first that an earlier trial measured: evidence, which decides nothing.
    pub earlier_seeds: usize,
}

impl From<&Rule> for SeedRule {
    /// The same rule, a seed for a block.
    fn from(rule: &Rule) -> Self {
        Self {
            min_speedup: rule.min_speedup,
            alpha: rule.alpha,
            threshold: rule.threshold_value(),
            screen: rule.screen,
            max_seeds: rule.max_blocks,
            bound_seeds: rule.bound_blocks,
            earlier_seeds: 0,
        }
    }
}

/// Evidence that grows seed by seed. The blocks of step time are there before the first.
#[derive(Debug, Clone)]
pub struct SeedEvidence {
    rule: SeedRule,
    blocks: Option<Vec<f64>>,
    /// The same for the question whether the candidate is slower.
    at_most: Option<Vec<f64>>,
    steps: Vec<f64>,
    decision: Option<Decision>,
    /// At the decision, or so far.
    log_e: f64,
}

/// The figures of a trial of seeds; shares, as in [`crate::Summary`]. Not finite ones are absent:
/// a median of seeds that never came to the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeedSummary {
    /// Of the medians of steps and of step time together.
    pub speedup: Option<f64>,
    /// One-sided lower bound at `alpha`.
    pub at_least: Option<f64>,
    /// One-sided upper bound at `alpha`.
    pub at_most: Option<f64>,
    /// ln of the e-value against "the gain is at most `min_speedup`".
    pub log_e: f64,
}

impl SeedEvidence {
    /// No seeds yet; `blocks` are the log ratios of step time, none where it is equal.
    ///
    /// # Errors
    /// A rule that is out of range.
    pub fn new(rule: SeedRule, blocks: Option<Vec<f64>>) -> Result<Self, StatsError> {
        Rule {
            min_speedup: rule.min_speedup,
            alpha: rule.alpha,
            threshold: Some(rule.threshold),
            max_blocks: rule.max_seeds,
            ..Rule::default()
        }
        .validate()?;
        Ok(Self {
            rule,
            at_most: blocks.clone(),
            blocks,
            steps: Vec::new(),
            decision: None,
            log_e: 0.0,
        })
    }

    /// Other log ratios of the blocks for the question whether the candidate is slower, where those
    /// of [`SeedEvidence::new`] are on the safe side for a gain.
    #[must_use]
    pub fn with_at_most(mut self, blocks: Option<Vec<f64>>) -> Self {
        self.at_most = blocks;
        self
    }

    /// Adds a seed by its log ratio of steps and judges; `None` means go on. What comes after the
    /// end is not read.
    pub fn push(&mut self, y: f64) -> Option<Decision> {
        if self.is_over() {
            return self.decision;
        }
        self.steps.push(y);
        if self.decision.is_none() {
            self.log_e = self.against(self.rule.min_speedup.ln_1p());
            let may = self.steps.len() > self.rule.earlier_seeds;
            self.decision = self.reason().filter(|_| may).map(Decision::from);
        }
        self.decision.filter(|_| self.is_over())
    }

    fn is_over(&self) -> bool {
        let needed = self.rule.bound_seeds.min(self.rule.max_seeds);
        let gain = |d: Decision| d.reason == Reason::GainProven;
        self.decision
            .is_some_and(|decision| !gain(decision) || self.steps.len() >= needed)
    }

    /// The decision, once there is one.
    pub fn decision(&self) -> Option<Decision> {
        self.decision
    }

    /// The seeds' log ratios so far.
    pub fn log_ratios(&self) -> &[f64] {
        &self.steps
    }

    /// ln of the e-value against "the gain is at most `min_speedup`", at the decision where there
    /// is one.
    pub fn log_e(&self) -> f64 {
        self.log_e
    }

    fn time(&self) -> StepTime<'_> {
        self.blocks
            .as_deref()
            .map_or(StepTime::Equal, StepTime::Measured)
    }

    fn against(&self, m: f64) -> f64 {
        log_e_time_to_loss(&self.steps, self.time(), m)
    }

    /// Against "the gain is at least `m`".
    fn against_at_least(&self, m: f64) -> f64 {
        let minus = |x: &[f64]| -> Vec<f64> { x.iter().map(|v| -v).collect() };
        let blocks = self.at_most.as_deref().map(minus);
        let time = blocks
            .as_deref()
            .map_or(StepTime::Equal, StepTime::Measured);
        log_e_time_to_loss(&minus(&self.steps), time, -m)
    }

    fn reason(&self) -> Option<Reason> {
        let need = -self.rule.alpha.ln();
        if self.log_e >= self.rule.threshold.ln() {
            Some(Reason::GainProven)
        } else if self.against_at_least(0.0) >= need {
            Some(Reason::SlowerProven)
        } else if self.is_small(need) {
            Some(Reason::DifferenceBelowMinimum)
        } else if self.rule.screen && self.is_hopeless() {
            Some(Reason::ScreenedOut)
        } else {
            (self.steps.len() >= self.rule.max_seeds).then_some(Reason::SeedsExhausted)
        }
    }

    /// Whether the difference, either way, is proven to be below the minimum.
    fn is_small(&self, need: f64) -> bool {
        let minimum = self.rule.min_speedup.ln_1p();
        minimum > 0.0 && self.against_at_least(minimum) >= need && self.against(-minimum) >= need
    }

    fn is_hopeless(&self) -> bool {
        let below = || self.against_at_least(self.rule.min_speedup.ln_1p());
        self.steps.len() >= SCREEN_BLOCKS
            && (self.log_e <= SCREEN_LOG_E || below() >= SCREEN_E_BELOW.ln())
    }

    /// The figures so far.
    pub fn summary(&self) -> SeedSummary {
        let share = |m: f64| Some(m.exp_m1()).filter(|g| g.is_finite() && *g > -1.0);
        let middle = self.blocks.as_deref().map_or(0.0, median);
        let need = -self.rule.alpha.ln();
        let minus = |x: &[f64]| -> Vec<f64> { x.iter().map(|v| -v).collect() };
        let least = bound(&self.steps, self.blocks.as_deref(), need);
        let blocks = self.at_most.as_deref().map(minus);
        let most = bound(&minus(&self.steps), blocks.as_deref(), need).map(|m| -m);
        SeedSummary {
            speedup: share(median(&self.steps) + middle),
            at_least: least.and_then(share),
            at_most: most.and_then(share),
            log_e: self.log_e,
        }
    }
}

/// The largest `m` in +-10 against which ln E is at least `need`, by bisection; none where there is
/// no such `m`, or no end of them.
fn bound(steps: &[f64], blocks: Option<&[f64]>, need: f64) -> Option<f64> {
    const RANGE: f64 = 10.0;
    const ROUNDS: usize = 44;
    let holds = |m: f64| match blocks {
        None => crate::log_e(steps, m) >= need,
        Some(blocks) => infimum(steps, blocks, m, Some(need)) >= need,
    };
    if !holds(-RANGE) || holds(RANGE) {
        return None;
    }
    let (mut low, mut high) = (-RANGE, RANGE);
    for _ in 0..ROUNDS {
        let middle = 0.5 * (low + high);
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(low)
}

/// ln of the e-value after each seed, for `min_speedup`.
pub fn seed_trajectory(steps: &[f64], blocks: Option<&[f64]>, min_speedup: f64) -> Vec<f64> {
    let time = blocks.map_or(StepTime::Equal, StepTime::Measured);
    let m = min_speedup.ln_1p();
    (1..=steps.len())
        .map(|n| log_e_time_to_loss(&steps[..n], time, m))
        .collect()
}
