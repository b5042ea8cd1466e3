//! How many blocks a gain will take on a machine of known noise: what `doctor` shows.

use std::f64::consts::TAU;

use crate::{Evidence, Outcome, Rule};

/// Trials simulated for one forecast: the median is then good to about 5 % of itself. Odd, so that
/// there is a middle one.
pub const FORECAST_TRIALS: usize = 501;

/// Trial i of every forecast draws the same deviates: forecasts can be recomputed, and differ by
/// their arguments only.
const SEED: u64 = 0x6f75_7470_6163_6501;

/// Median number of blocks until `faster`, for blocks with a true gain of `speedup` (a share, 0.05
/// is 5 %) and normal log ratios of standard deviation `sd`. By seeded Monte Carlo over
/// [`FORECAST_TRIALS`] trials, so equal arguments give equal answers.
///
/// `None` where half the trials end in something else, `rule.max_blocks` included, or an argument
/// is out of range (`sd` negative or not finite, `speedup` not above -1, an invalid rule).
pub fn forecast(sd: f64, speedup: f64, rule: &Rule) -> Option<usize> {
    let centre = speedup.ln_1p();
    if !(sd.is_finite() && sd >= 0.0 && centre.is_finite()) {
        return None;
    }
    let start = Evidence::new(rule).ok()?;
    let mut blocks: Vec<usize> = (0..FORECAST_TRIALS as u64)
        .map(|trial| {
            let mut normal = Normal::for_trial(trial);
            blocks_until_faster(start.clone(), || centre + sd * normal.draw())
        })
        .collect();
    let (_, middle, _) = blocks.select_nth_unstable(FORECAST_TRIALS / 2);
    (*middle < usize::MAX).then_some(*middle)
}

/// `usize::MAX` where the trial ends otherwise.
fn blocks_until_faster(mut evidence: Evidence, mut draw: impl FnMut() -> f64) -> usize {
    loop {
        match evidence.push(draw()) {
            None => {}
            Some(decision) if decision.outcome == Outcome::Faster => return evidence.n_blocks(),
            Some(_) => return usize::MAX,
        }
    }
}

/// Normal deviates by Box and Muller (1958) over SplitMix64 (Steele, Lea and Flood 2014): for
/// simulation, never for secrets.
struct Normal {
    state: u64,
}

impl Normal {
    fn for_trial(trial: u64) -> Self {
        Self {
            state: SEED.wrapping_add(trial << 32),
        }
    }

    fn draw(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (TAU * self.uniform()).cos()
    }

    /// In [0, 1), 53 bits.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
