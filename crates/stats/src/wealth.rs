//! The e-value: bets on the sign and size of each block's log ratio.
//!
//! `E_n(m) = mean over (a, b) of prod_j (1 + b tanh(a (x_j - m)))`, with `a` from [`SCALES`] and
//! `b` from [`STAKES`]. `y -> b tanh(a y)` is odd, non-decreasing and above -1, so that for `x_j`
//! symmetric about a centre of at most `m` each product, and with them their mean, is a
//! supermartingale of mean at most 1.

use std::f64::consts::LN_2;

/// Scales `a` of the bets: `3 * 10^(k/4)`, k = 0..12. They cover noise from 30 % to 0.03 % without
/// being told it (proof rule).
// Written out, because powf is not const; a test holds them to the formula.
pub const SCALES: [f64; 13] = [
    3.0,
    5.334_838_230_116_768,
    9.486_832_980_505_138,
    16.870_239_755_710_47,
    30.0,
    53.348_382_301_167_68,
    94.868_329_805_051_37,
    168.702_397_557_104_72,
    300.0,
    533.483_823_011_676_8,
    948.683_298_050_513_9,
    1_687.023_975_571_047_3,
    3_000.0,
];

/// Stakes `b` of the bets: the most of its wealth that one block can cost. 0.6 keeps one outlier
/// from costing all of it: on a two-speed machine it raises the power for +5 % from 27 % to 97 % in
/// 48 blocks (proof rule).
pub const STAKES: [f64; 2] = [1.0, 0.6];

const N_SCALES: usize = SCALES.len();
const N_BETS: usize = N_SCALES * STAKES.len();

/// A product outside these is folded into its logarithm: wide enough to be rare, and a factor down
/// to [`TINY`] cannot underflow.
const FOLD_BELOW: f64 = 1e-100;
const FOLD_ABOVE: f64 = 1e100;
const TINY: f64 = 1e-200;

/// ln of the e-value against "the centre of `x` is at most `m`", both as log ratios.
///
/// Non-increasing in `m`; 0 for an empty slice; at most [`log_e_limit`]. Infinite values of `x` are
/// allowed (a run that never reached its target); NaN gives NaN, which proves nothing.
pub fn log_e(x: &[f64], m: f64) -> f64 {
    Wealth::against(x, m).log_e()
}

/// The most that [`log_e`] can be after `n` blocks: `ln((2^n + 1.6^n) / 2)`, all blocks clear.
pub fn log_e_limit(n: usize) -> f64 {
    let n = n as f64;
    n * LN_2 + (0.5 * (1.0 + (0.5 * (1.0 + STAKES[1])).powf(n))).ln()
}

/// What one unit of money has become under every bet, each with its derivative, so that a block
/// costs the same at any n.
#[derive(Debug, Clone)]
pub(crate) struct Wealth {
    bets: [Bet; N_BETS],
}

impl Wealth {
    pub(crate) fn new() -> Self {
        Self {
            bets: [Bet::START; N_BETS],
        }
    }

    /// The wealth after all of `x`, bet against "the centre is at most `m`".
    pub(crate) fn against(x: &[f64], m: f64) -> Self {
        let mut wealth = Self::new();
        for v in x {
            wealth.bet(v - m);
        }
        wealth
    }

    /// Bets on one more block; `y` is its log ratio less `m`.
    pub(crate) fn bet(&mut self, y: f64) {
        let (full, part) = self.bets.split_at_mut(N_SCALES);
        for ((full, part), a) in full.iter_mut().zip(part).zip(SCALES) {
            let z = 2.0 * a * y;
            // tanh(a y) without cancellation in 1 + tanh: 1 +- tanh(|a y|) = 2 / (1 + e)
            // and 2 e / (1 + e).
            let e = (-z.abs()).exp();
            let big = 2.0 / (1.0 + e);
            let small = e * big;
            let (up, down) = if z > 0.0 { (big, small) } else { (small, big) };
            if up >= TINY {
                full.multiply(up);
            } else {
                full.log += LN_2 + z; // 2 e / (1 + e), e below f64
            }
            full.slope -= a * down;
            let b = STAKES[1];
            let factor = 1.0 + b * 0.5 * (up - down);
            part.multiply(factor);
            part.slope -= a * b * up * down / factor;
        }
    }

    /// ln of the e-value.
    pub(crate) fn log_e(&self) -> f64 {
        let scale = self.scale();
        let total: f64 = self.bets.iter().map(|bet| bet.relative(scale)).sum();
        scale + (total / N_BETS as f64).ln()
    }

    /// Derivative of [`Wealth::log_e`] with respect to `m`; never positive.
    pub(crate) fn slope(&self) -> f64 {
        let scale = self.scale();
        let (mut total, mut slope) = (0.0, 0.0);
        for bet in &self.bets {
            let weight = bet.relative(scale);
            total += weight;
            slope += weight * bet.slope;
        }
        slope / total
    }

    fn scale(&self) -> f64 {
        self.bets
            .iter()
            .map(|bet| bet.log)
            .fold(f64::NEG_INFINITY, f64::max)
    }
}

/// One bet: its wealth is `product * exp(log)`; `slope` is d ln(wealth) / dm.
#[derive(Debug, Clone, Copy)]
struct Bet {
    product: f64,
    log: f64,
    slope: f64,
}

impl Bet {
    const START: Self = Self {
        product: 1.0,
        log: 0.0,
        slope: 0.0,
    };

    fn multiply(&mut self, factor: f64) {
        self.product *= factor;
        // Also true of NaN, which then stays in the logarithm.
        if !(FOLD_BELOW..=FOLD_ABOVE).contains(&self.product) {
            self.log += self.product.ln();
            self.product = 1.0;
        }
    }

    /// Wealth over `exp(scale)`; the exponential is needed only once something was folded.
    fn relative(&self, scale: f64) -> f64 {
        if self.log == scale {
            self.product
        } else {
            self.product * (self.log - scale).exp()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_the_derivative() {
        const STEP: f64 = 1e-6;
        for x in [
            vec![0.03, -0.01, 0.02],
            vec![0.4; 400],
            vec![-2.0, 0.001, 5.0],
        ] {
            for m in [-0.02, 0.0, 0.013] {
                let log_e = |m: f64| Wealth::against(&x, m).log_e();
                let want = (log_e(m + STEP) - log_e(m - STEP)) / (2.0 * STEP);
                let got = Wealth::against(&x, m).slope();
                let error = (got - want).abs();
                assert!(
                    error < 1e-4 * want.abs().max(1.0),
                    "{x:?} at {m}: {got}, {want}"
                );
            }
        }
    }
}
