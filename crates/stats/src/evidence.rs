//! The state of a trial between blocks.

use crate::block::sums;
use crate::wealth::Wealth;
use crate::{Decision, Outcome, Pair, Reason, Rule, SCREEN_BLOCKS, SCREEN_E_BELOW, SCREEN_LOG_E};
use crate::{StatsError, Summary, block_log_ratio, block_sum_log_ratio};
use crate::{lower_bound, median, upper_bound};

/// New blocks that a trial has at least which goes on from an earlier one.
const FEWEST_NEW_BLOCKS: usize = 5;

/// Evidence that grows block by block; looking after each one does not weaken it (Ville 1939).
#[derive(Debug, Clone)]
pub struct Evidence {
    rule: Rule,
    log_ratios: Vec<f64>,
    sum_log_ratios: Vec<f64>,
    /// Seconds of all turns so far.
    totals: [f64; 2],
    decision: Option<Decision>,
    /// Against "gain at most the minimum".
    gain: Wealth,
    /// Against "not slower than the base".
    loss: Wealth,
    /// Against "slower by the minimum or more".
    above: Wealth,
    /// Against "faster by the minimum or more".
    below: Wealth,
    /// Against "the sums are no shorter".
    sums: Wealth,
    /// Against "slower by the margin or more", in blocks and in sums.
    kept: [Wealth; 2],
}

impl Evidence {
    /// No blocks yet.
    ///
    /// # Errors
    /// Those of [`Rule::validate`].
    pub fn new(rule: &Rule) -> Result<Self, StatsError> {
        rule.validate()?;
        Ok(Self {
            rule: *rule,
            log_ratios: Vec::new(),
            sum_log_ratios: Vec::new(),
            totals: [0.0; 2],
            decision: None,
            gain: Wealth::new(),
            loss: Wealth::new(),
            above: Wealth::new(),
            below: Wealth::new(),
            sums: Wealth::new(),
            kept: [Wealth::new(), Wealth::new()],
        })
    }

    /// Adds the log ratio of one block ([`crate::block_log_ratio`]) and judges; `None` means go on.
    ///
    /// Once the trial is over, later blocks are not read and the decision stands. An infinite `x`
    /// is a block that one side never finished; a NaN proves nothing, then or later.
    pub fn push(&mut self, x: f64) -> Option<Decision> {
        self.push_both(x, x, [0.0; 2])
    }

    /// Adds a block by its pairs.
    ///
    /// # Errors
    /// Those of [`block_log_ratio`].
    pub fn push_block(&mut self, pairs: &[Pair]) -> Result<Option<Decision>, StatsError> {
        let x = block_log_ratio(pairs)?;
        self.push_with_sums(x, pairs)
    }

    /// Adds a block whose log ratio is not that of its median pair.
    pub(crate) fn push_with_sums(
        &mut self,
        x: f64,
        pairs: &[Pair],
    ) -> Result<Option<Decision>, StatsError> {
        let sum = block_sum_log_ratio(pairs)?;
        Ok(self.push_both(x, sum, sums(pairs)))
    }

    fn push_both(&mut self, x: f64, sum: f64, totals: [f64; 2]) -> Option<Decision> {
        if self.is_over() {
            return self.decision;
        }
        self.log_ratios.push(x);
        self.sum_log_ratios.push(sum);
        if self.decision.is_none() {
            self.bet(x, sum, totals);
            self.decision = self
                .reason()
                .filter(|_| self.may_decide())
                .map(Decision::from);
        }
        self.decision.filter(|_| self.is_over())
    }

    /// After blocks of an earlier trial there have to be some new ones, for what is watched beside
    /// the evidence.
    fn may_decide(&self) -> bool {
        match self.rule.earlier_blocks {
            0 => true,
            earlier => self.n_blocks() >= earlier + FEWEST_NEW_BLOCKS,
        }
    }

    fn bet(&mut self, x: f64, sum: f64, totals: [f64; 2]) {
        for (total, turns_s) in self.totals.iter_mut().zip(totals) {
            *total += turns_s;
        }
        let m = self.rule.min_log_ratio();
        self.gain.bet(x - m);
        self.loss.bet(-x);
        self.above.bet(x + m);
        self.below.bet(m - x);
        self.sums.bet(sum);
        if let Some(margin) = self.rule.log_margin() {
            self.kept[0].bet(x + margin);
            self.kept[1].bet(sum + margin);
        }
    }

    /// Whether no more blocks are read: it is decided, and a gain has the blocks that its bounds
    /// ask for.
    fn is_over(&self) -> bool {
        let needed = self.rule.bound_blocks.min(self.rule.max_blocks);
        self.decision.is_some_and(|decision| {
            let needs = decision.outcome == Outcome::Faster || self.rule.bounds_always;
            !needs || self.n_blocks() >= needed
        })
    }

    /// The decision, once there is one.
    pub fn decision(&self) -> Option<Decision> {
        self.decision
    }

    /// ln of the e-value against "the gain is at most `min_speedup`", at the decision where there
    /// is one.
    pub fn log_e(&self) -> f64 {
        self.gain.log_e()
    }

    /// Blocks so far.
    pub fn n_blocks(&self) -> usize {
        self.log_ratios.len()
    }

    /// The blocks' log ratios so far, in order.
    pub fn log_ratios(&self) -> &[f64] {
        &self.log_ratios
    }

    /// ln of the e-value against "the sums of turns are no shorter".
    pub fn sum_log_e(&self) -> f64 {
        self.sums.log_e()
    }

    /// The median gain of the sums.
    pub fn sum_speedup(&self) -> f64 {
        median(&self.sum_log_ratios).exp_m1()
    }

    /// Whether the sums are proven to be shorter as far as the rule asks for it, and all blocks
    /// together are.
    fn sums_hold(&self) -> bool {
        let [base, candidate] = self.totals;
        let proven = |needed: f64| self.sum_log_e() >= needed.ln() && candidate <= base;
        self.rule.sum_threshold.is_none_or(proven)
    }

    /// Whether the gain alone is proven, whatever the sums say.
    pub fn gain_is_proven(&self) -> bool {
        self.log_e() >= self.rule.threshold_value().ln()
    }

    /// The figures so far. Inverts the e-value for the bounds, so it costs more than
    /// [`Evidence::push`].
    pub fn summary(&self) -> Summary {
        let x = &self.log_ratios;
        Summary {
            speedup: median(x).exp_m1(),
            at_least: lower_bound(x, self.rule.alpha).map(f64::exp_m1),
            at_most: upper_bound(x, self.rule.alpha).map(f64::exp_m1),
            log_e: self.log_e(),
            n_blocks: x.len(),
        }
    }

    fn reason(&self) -> Option<Reason> {
        let need = -self.rule.alpha.ln();
        if self.gain_is_proven() && self.sums_hold() {
            Some(Reason::GainProven)
        } else if self.loss.log_e() >= need {
            Some(Reason::SlowerProven)
        } else if self.rule.margin.is_some() {
            let proven = self.kept.iter().all(|wealth| wealth.log_e() >= need);
            proven
                .then_some(Reason::NotSlowerProven)
                .or(self.exhausted())
        } else if self.below.log_e() >= need && self.above.log_e() >= need {
            Some(Reason::DifferenceBelowMinimum)
        } else if self.rule.screen && self.is_hopeless() {
            Some(Reason::ScreenedOut)
        } else {
            self.exhausted()
        }
    }

    fn exhausted(&self) -> Option<Reason> {
        let reason = match self.gain_is_proven() {
            true => Reason::SumsUnproven,
            false => Reason::BlocksExhausted,
        };
        (self.n_blocks() >= self.rule.max_blocks).then_some(reason)
    }

    fn is_hopeless(&self) -> bool {
        self.n_blocks() >= SCREEN_BLOCKS
            && (self.log_e() <= SCREEN_LOG_E || self.below.log_e() >= SCREEN_E_BELOW.ln())
    }
}

/// ln of the e-value after each block of `x`, for the rule's `min_speedup`; it does not stop at a
/// decision.
pub fn trajectory(x: &[f64], rule: &Rule) -> Vec<f64> {
    let m = rule.min_log_ratio();
    let mut wealth = Wealth::new();
    x.iter()
        .map(|v| {
            wealth.bet(v - m);
            wealth.log_e()
        })
        .collect()
}
