//! The proof of a change: a fresh trial of the commit before against the commit after.

use outpace_record::Block;
use outpace_stats::{Evidence, Outcome, Rule, gamma, lower_bound, median, upper_bound};

/// Expected share of false alarms among all fresh trials of all series and nights together.
pub const BUDGET: f64 = 0.05;
/// A change is worth an alarm from here on, as a share.
pub const MIN_CHANGE: f64 = 0.01;
/// Most blocks of a fresh trial.
const MAX_BLOCKS: usize = 60;

/// The question of a fresh trial: is the commit after slower by more than the least change?
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proof {
    /// Number of the trial among all of them, from 1.
    pub index: usize,
    /// The least change, as a share.
    pub min_change: f64,
    /// Its share of the error budget.
    pub alpha: f64,
    /// Blocks after which it is not proven.
    pub max_blocks: usize,
}

/// What came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// Whether it is slower by more than the least change.
    pub proven: bool,
    /// The change, as a gain: -0.05 is 5 % slower.
    pub speedup: f64,
    /// Its bounds at `alpha`.
    pub at_least: Option<f64>,
    /// Upper bound.
    pub at_most: Option<f64>,
}

impl Proof {
    /// The trial with this number. Its share of the budget shrinks like 1 / (t ln^2 t), and the sum
    /// over all numbers is the budget.
    pub fn number(index: usize, min_change: f64) -> Self {
        Self {
            index,
            min_change,
            alpha: BUDGET * gamma(index),
            max_blocks: MAX_BLOCKS,
        }
    }

    /// One trial by itself at an error rate.
    pub fn single(alpha: f64, min_change: f64) -> Self {
        Self {
            index: 1,
            min_change,
            alpha,
            max_blocks: MAX_BLOCKS,
        }
    }

    /// What follows from the blocks so far (the commit before first); nothing while more are
    /// needed. It is the rule of the gate with the sides exchanged: the commit before has to be
    /// proven faster than the one after.
    pub fn settle(&self, blocks: &[Block]) -> Option<Settled> {
        let rule = Rule {
            min_speedup: self.min_change,
            alpha: self.alpha,
            threshold: None,
            screen: false,
            max_blocks: self.max_blocks,
            sum_threshold: None,
            margin: None,
            bound_blocks: 0,
            bounds_always: false,
            earlier_blocks: 0,
        }
        .of_programs();
        let mut evidence = Evidence::new(&rule).ok()?;
        for block in blocks {
            let exchanged: Vec<[f64; 2]> = block.pairs.iter().map(|&[b, a]| [a, b]).collect();
            evidence.push_block(&exchanged).ok()?;
        }
        let decision = evidence.decision()?;
        let x: Vec<f64> = evidence.log_ratios().iter().map(|x| -x).collect();
        Some(Settled {
            proven: decision.outcome == Outcome::Faster,
            speedup: median(&x).exp_m1(),
            at_least: lower_bound(&x, self.alpha).map(f64::exp_m1),
            at_most: upper_bound(&x, self.alpha).map(f64::exp_m1),
        })
    }
}
