//! How many blocks or seeds a gain will take, from noise that was recorded: what `doctor` shows.

use std::f64::consts::TAU;

use crate::{Evidence, Outcome, Pair, Rule, Schedule, SeedEvidence, SeedRule};

/// Trials simulated for one forecast: the median is then good to about 5 % of itself. Odd, so that
/// there is a middle one.
pub const FORECAST_TRIALS: usize = 501;

/// Trial i of every forecast draws the same numbers: forecasts can be recomputed, and differ by
/// their arguments only.
const SEED: u64 = 0x6f75_7470_6163_6501;

/// Median number of blocks until a trial ends with `faster`, for a true gain of `speedup` (a share,
/// 0.05 is 5 %).
///
/// Trials are put together from `recorded`, blocks of the base against itself: each block is a run
/// of as many pairs as `schedule` draws out of one of those blocks, with the sides swapped or not,
/// and its candidate that much faster (B. Efron, *Bootstrap methods*, 1979). So medians, sums,
/// heavy tails and noise that lasts for a whole block are what they were. [`FORECAST_TRIALS`]
/// trials, seeded: equal arguments give equal answers.
///
/// `None` where half the trials end in something else, `rule.max_blocks` included, or an argument
/// is out of range (no pairs, an impossible time, `speedup` not above -1, an invalid rule).
pub fn forecast<B: AsRef<[Pair]>>(
    recorded: &[B],
    speedup: f64,
    rule: &Rule,
    schedule: &Schedule,
) -> Option<usize> {
    let faster = 1.0 + speedup;
    let recorded: Vec<&[Pair]> = recorded.iter().map(AsRef::as_ref).collect();
    let usable = !recorded.is_empty() && recorded.iter().all(|pairs| !pairs.is_empty());
    if !(usable && faster.is_finite() && faster > 0.0) {
        return None;
    }
    let start = Evidence::new(rule).ok()?;
    let trial = |trial: usize| {
        let mut draws = Draws::for_trial(trial as u64);
        let mut evidence = start.clone();
        let mut pairs = Vec::new();
        loop {
            let range = schedule.pairs(evidence.n_blocks());
            let length = range.start() + draws.below(range.end() - range.start() + 1);
            block(&recorded, length, faster, &mut draws, &mut pairs);
            match evidence.push_block(&pairs).ok()? {
                None => {}
                Some(decision) if decision.outcome == Outcome::Faster => {
                    return Some(evidence.n_blocks());
                }
                Some(_) => return Some(usize::MAX),
            }
        }
    };
    middle((0..FORECAST_TRIALS).map(trial).collect::<Option<_>>()?)
}

/// Median number of seeds until a trial on the time-to-loss track ends with `faster`, for a true
/// gain of `speedup` in time, where a step takes the same time on both sides.
///
/// The log ratios of seeds are drawn from a normal distribution of standard deviation `sd`. As with
/// [`forecast`] there are [`FORECAST_TRIALS`] trials, and equal arguments give equal answers.
///
/// `None` where half the trials end in something else, or an argument is out of range.
pub fn forecast_seeds(sd: f64, speedup: f64, rule: &SeedRule) -> Option<usize> {
    let gain = speedup.ln_1p();
    if !(sd.is_finite() && sd >= 0.0 && gain.is_finite()) {
        return None;
    }
    let start = SeedEvidence::new(*rule, None).ok()?;
    let trial = |trial: usize| {
        let mut draws = Draws::for_trial(trial as u64);
        let mut evidence = start.clone();
        loop {
            match evidence.push(gain + sd * draws.normal()) {
                None => {}
                Some(decision) if decision.outcome == Outcome::Faster => {
                    return evidence.log_ratios().len();
                }
                Some(_) => return usize::MAX,
            }
        }
    };
    middle((0..FORECAST_TRIALS).map(trial).collect())
}

/// The median of [`FORECAST_TRIALS`] lengths, if that many trials end at all.
fn middle(mut lengths: Vec<usize>) -> Option<usize> {
    let (_, middle, _) = lengths.select_nth_unstable(FORECAST_TRIALS / 2);
    (*middle < usize::MAX).then_some(*middle)
}

/// Fills `pairs` with a run of pairs out of one recorded block, which begins anew at its end.
fn block(
    recorded: &[&[Pair]],
    length: usize,
    faster: f64,
    draws: &mut Draws,
    pairs: &mut Vec<Pair>,
) {
    let from = recorded[draws.below(recorded.len())];
    let (first, swap) = (draws.below(from.len()), draws.below(2) == 1);
    let run = from.iter().cycle().skip(first).take(length);
    pairs.clear();
    pairs.extend(run.map(|&[base, candidate]| match swap {
        true => [candidate, base / faster],
        false => [base, candidate / faster],
    }));
}

/// SplitMix64 (Steele, Lea and Flood 2014): for simulation, never for secrets.
struct Draws {
    state: u64,
}

impl Draws {
    fn for_trial(trial: u64) -> Self {
        Self {
            state: SEED.wrapping_add(trial << 32),
        }
    }

    /// Below `n`, which is far below 2^53.
    fn below(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }

    /// From 0 to below 1.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal (Box and Muller 1958).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (TAU * self.uniform()).cos()
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
