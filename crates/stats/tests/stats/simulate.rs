//! Seeded trials on simulated machines, with labels drawn at random as the real trial draws them.

use outpace_stats::{Outcome, Pair, Rule, block_log_ratio, block_sum_log_ratio, judge};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f64::consts::{PI, TAU};

/// What a machine does to times; all of it breaks some textbook assumption but the first.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Noise {
    /// Normal in each process and each turn.
    Gaussian,
    /// Cauchy in each process and each turn: no mean.
    HeavyTail,
    /// One process in five runs 45 % slower (facts of a small VM).
    TwoSpeed,
    /// The machine slows down by 2 % a turn.
    Drift,
    /// Log-normal turns that remember the one before (AR(1) at 0.95).
    Autocorrelated,
}

pub(crate) const NOISES: [Noise; 5] = [
    Noise::Gaussian,
    Noise::HeavyTail,
    Noise::TwoSpeed,
    Noise::Drift,
    Noise::Autocorrelated,
];

/// What blocks are evidence by: their log ratios, and those of their sums.
pub(crate) fn evidence_of<B: AsRef<[Pair]>>(blocks: &[B]) -> [Vec<f64>; 2] {
    [block_log_ratio, block_sum_log_ratio].map(|ratio| {
        let all = blocks
            .iter()
            .map(|block| ratio(block.as_ref()).expect("positive times"));
        all.collect()
    })
}

const PAIRS: usize = 3;

/// A machine and the noise that it is in.
pub(crate) struct Machine {
    rng: ChaCha8Rng,
    noise: Noise,
    /// Log of the machine's slowness in this turn.
    state: f64,
}

impl Machine {
    pub(crate) fn new(noise: Noise, seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            noise,
            state: 0.0,
        }
    }

    /// Outcome of one trial of a candidate with the given gain.
    pub(crate) fn trial(&mut self, speedup: f64, rule: &Rule) -> Outcome {
        self.rest();
        let blocks: Vec<_> = (0..rule.max_blocks).map(|_| self.block(speedup)).collect();
        judge(&blocks, rule).expect("times are positive").outcome
    }

    /// The machine is as it was at the beginning.
    pub(crate) fn rest(&mut self) {
        self.state = 0.0;
    }

    /// Two fresh processes, either of which may be the base, then pairs in random order.
    pub(crate) fn block(&mut self, speedup: f64) -> [Pair; PAIRS] {
        let launch = [self.launch(), self.launch() - speedup.ln_1p()];
        std::array::from_fn(|_| {
            let mut pair = [0.0; 2];
            let first = usize::from(self.rng.random::<bool>());
            for side in [first, 1 - first] {
                pair[side] = 0.05 * (launch[side] + self.turn()).exp();
            }
            pair
        })
    }

    fn launch(&mut self) -> f64 {
        match self.noise {
            Noise::Gaussian => 0.02 * self.normal(),
            Noise::HeavyTail => self.cauchy(0.01),
            Noise::TwoSpeed if self.rng.random::<f64>() < 0.2 => 0.45,
            Noise::TwoSpeed | Noise::Drift => 0.005 * self.normal(),
            Noise::Autocorrelated => 0.0,
        }
    }

    fn turn(&mut self) -> f64 {
        match self.noise {
            Noise::Gaussian | Noise::TwoSpeed => 0.01 * self.normal(),
            Noise::HeavyTail => self.cauchy(0.01),
            Noise::Drift => {
                self.state += 0.02;
                self.state + 0.002 * self.normal()
            }
            Noise::Autocorrelated => {
                self.state = 0.95 * self.state + 0.05 * self.normal();
                self.state
            }
        }
    }

    fn normal(&mut self) -> f64 {
        let (u, v) = (self.rng.random::<f64>(), self.rng.random::<f64>());
        (-2.0 * (1.0 - u).ln()).sqrt() * (TAU * v).cos()
    }

    /// Cut at +-20, where times would leave f64.
    fn cauchy(&mut self, scale: f64) -> f64 {
        let u = self.rng.random::<f64>();
        (scale * (PI * (u - 0.5)).tan()).clamp(-20.0, 20.0)
    }
}
