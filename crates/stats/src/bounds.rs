//! One-sided bounds on the centre of the log ratios: the e-value inverted in `m`.

use crate::wealth::Wealth;
use crate::{log_e_limit, median};

/// Log ratios beyond this are not searched: no program becomes faster by a factor of e^50.
const RANGE: f64 = 50.0;

/// Bounds are exact to this, far below the 1e-9 that the proof rule asks for.
const TOLERANCE: f64 = 1e-12;

/// First step of the search for a bracket, at most and at least.
const STEP: (f64, f64) = (1e-6, 1.0);

/// More than bisection alone needs from `RANGE` to `TOLERANCE`.
const MAX_ITERATIONS: usize = 100;

/// Largest `m` (a log ratio) with an e-value against "the centre of `x` is at most `m`" of at least
/// `1 / alpha`.
///
/// The centre lies above it with confidence `1 - alpha`, also when `x` was looked at after every
/// block. Speed-up: `exp_m1` of it. `None` where no `m` in +-50 has such an e-value (at alpha 0.01,
/// fewer than 8 blocks), or `alpha` is not in (0, 1).
pub fn lower_bound(x: &[f64], alpha: f64) -> Option<f64> {
    let need = -alpha.ln();
    if !(need > 0.0 && log_e_limit(x.len()) >= need) {
        return None;
    }
    let excess = |m: f64| {
        let wealth = Wealth::against(x, m);
        (wealth.log_e() - need, wealth.slope())
    };
    let (lo, hi) = bracket(&excess, x)?;
    Some(root(&excess, lo, hi))
}

/// Smallest `m` that the mirror image of [`lower_bound`] gives: the centre of `x` lies below it
/// with confidence `1 - alpha`.
pub fn upper_bound(x: &[f64], alpha: f64) -> Option<f64> {
    let mirrored: Vec<f64> = x.iter().map(|v| -v).collect();
    lower_bound(&mirrored, alpha).map(|m| -m)
}

/// Two points with the bound between them, found by walking down from the median; equal ones where
/// the bound is beyond `RANGE`.
fn bracket(excess: &impl Fn(f64) -> (f64, f64), x: &[f64]) -> Option<(f64, f64)> {
    let middle = median(x);
    let start = if middle.is_nan() { 0.0 } else { middle };
    let mut hi = start.clamp(-RANGE, RANGE);
    let (value, slope) = excess(hi);
    if value >= 0.0 {
        return Some((hi, ceiling(x)));
    }
    let mut step = (2.0 * value / slope).clamp(STEP.0, STEP.1);
    while hi > -RANGE {
        let lo = (hi - step).max(-RANGE);
        if excess(lo).0 >= 0.0 {
            return Some((lo, hi));
        }
        hi = lo;
        step *= 4.0;
    }
    None
}

/// A point that the bound does not exceed: at the largest value no bet has won, so that the e-value
/// is at most 1.
fn ceiling(x: &[f64]) -> f64 {
    x.iter().copied().fold(-RANGE, f64::max).min(RANGE)
}

/// Newton's method, kept inside the bracket by bisection; `excess(lo) >= 0 > excess(hi)`.
fn root(excess: &impl Fn(f64) -> (f64, f64), mut lo: f64, mut hi: f64) -> f64 {
    let mut m = 0.5 * (lo + hi);
    let mut last_step = hi - lo;
    for _ in 0..MAX_ITERATIONS {
        let (value, slope) = excess(m);
        if value >= 0.0 {
            lo = m;
        } else {
            hi = m;
        }
        let newton = m - value / slope;
        let shrinks = (newton - m).abs() < 0.5 * last_step;
        let next = if lo <= newton && newton <= hi && shrinks {
            newton
        } else {
            0.5 * (lo + hi)
        };
        last_step = (next - m).abs();
        m = next;
        if last_step <= TOLERANCE {
            break;
        }
    }
    m
}
