//! Which commit made it slower: the search, and the question that is put to each commit.

use std::collections::BTreeMap;

use outpace_stats::log_e;

/// The answer of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// As fast as the good end.
    Good,
    /// As slow as the bad end.
    Bad,
    /// It cannot be measured, or stays in between.
    Unknown,
}

/// What follows from the answers so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Measure this one.
    Measure(usize),
    /// This one did it.
    Found(usize),
    /// One of these did it, first and last included; none of those between the ends has an answer.
    OneOf(usize, usize),
}

/// The search between a good and a bad commit, by index: 0 is the good end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bisection {
    good: usize,
    bad: usize,
    answers: BTreeMap<usize, Answer>,
}

impl Bisection {
    /// A search over `n` commits, the ends included. At least 2.
    pub fn new(n: usize) -> Self {
        Self {
            good: 0,
            bad: n.saturating_sub(1).max(1),
            answers: BTreeMap::new(),
        }
    }

    /// Most commits that are measured while each has an answer: the logarithm of the distance.
    pub fn most_steps(&self) -> u32 {
        (self.bad - self.good).next_power_of_two().ilog2()
    }

    /// Last good and first bad commit so far.
    pub fn ends(&self) -> (usize, usize) {
        (self.good, self.bad)
    }

    /// What to do next: the commit without an answer that is nearest to the middle.
    pub fn next(&self) -> Next {
        let middle = (self.good + self.bad) / 2;
        let open = (self.good + 1..self.bad).filter(|index| !self.answers.contains_key(index));
        match open.min_by_key(|index| index.abs_diff(middle)) {
            Some(index) => Next::Measure(index),
            None if self.bad == self.good + 1 => Next::Found(self.bad),
            None => Next::OneOf(self.good + 1, self.bad),
        }
    }

    /// A commit's answer.
    pub fn answer(&mut self, index: usize, answer: Answer) {
        self.answers.insert(index, answer);
        match answer {
            Answer::Good => self.good = self.good.max(index),
            Answer::Bad => self.bad = self.bad.min(index),
            Answer::Unknown => {}
        }
    }
}

/// Whether a commit is nearer to the good or to the bad end, by its blocks beside the good one.
///
/// A block's log ratio of a good commit is centred at 0, that of a bad one at the whole change. One
/// e-value bets that the centre is above the half of it, one that it is below; by Ville's
/// inequality each is wrong with a chance of at most `alpha`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Halves {
    /// ln of the ratio of the bad end to the good end; negative.
    pub change: f64,
    /// Chance of a wrong answer.
    pub alpha: f64,
    /// Blocks after which there is no answer.
    pub max_blocks: usize,
}

impl Halves {
    /// The answer after some blocks; nothing while more are needed.
    pub fn answer(&self, log_ratios: &[f64]) -> Option<Answer> {
        let half = self.change / 2.0;
        let needed = -self.alpha.ln();
        let mirrored: Vec<f64> = log_ratios.iter().map(|x| -x).collect();
        if log_e(log_ratios, half) >= needed {
            Some(Answer::Good)
        } else if log_e(&mirrored, -half) >= needed {
            Some(Answer::Bad)
        } else {
            (log_ratios.len() >= self.max_blocks).then_some(Answer::Unknown)
        }
    }
}
