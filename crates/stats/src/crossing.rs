//! When a training run reaches a loss.

use crate::median;

/// A point of a loss curve: steps trained, and the validation loss after them.
pub type CurvePoint = (u64, f64);

/// Points within this factor of the crossing are fitted. The first point below the target is no
/// measure: noise moves it early, and more noise moves it earlier.
const WINDOW: f64 = 1.15;
/// Fewer points make no line.
const FEWEST_POINTS: usize = 3;
/// The window follows the line, and the line the window.
const ROUNDS: usize = 50;
const SETTLED: f64 = 1e-9;

/// Steps after which a loss curve meets `target`; `None` where it does not, as far as it goes.
///
/// That is where the least-squares line of loss over ln(step) meets it, over the points within
/// +-15 % of that place. The search begins at the first three points whose median is at the target
/// or below, in their middle: a single low point is noise. Where the window has fewer than three
/// points, or its line does not fall, that place stands.
///
/// `curve` is in order of its steps, which begin at 1 or above. Losses that are not finite are
/// above every target.
pub fn steps_to_loss(curve: &[CurvePoint], target: f64) -> Option<f64> {
    let low = |three: &&[CurvePoint]| median(&[three[0].1, three[1].1, three[2].1]) <= target;
    let first = curve.windows(3).find(low)?;
    let last = curve.last()?.0 as f64;
    let mut n = first[1].0 as f64;
    for _ in 0..ROUNDS {
        let Some(met) = line_meets(curve, n, target) else {
            break;
        };
        let next = met.clamp(n / WINDOW, n * WINDOW);
        let moved = (next / n).ln().abs();
        n = next;
        // A dip that the line does not confirm: the curve has not come so far yet.
        if n > last {
            return None;
        }
        if moved < SETTLED {
            break;
        }
    }
    Some(n)
}

/// Whether the run may end: it reached `target`, and the points that the crossing is fitted to are
/// all there.
pub fn is_reached(curve: &[CurvePoint], target: f64) -> bool {
    let last = curve.last().map_or(0.0, |point| point.0 as f64);
    steps_to_loss(curve, target).is_some_and(|n| last >= n * WINDOW)
}

/// Where the line around step `n` meets `target`.
fn line_meets(curve: &[CurvePoint], n: f64, target: f64) -> Option<f64> {
    let near = |&&(step, loss): &&CurvePoint| {
        let step = step as f64;
        step >= n / WINDOW && step <= n * WINDOW && loss.is_finite()
    };
    // Relative to the window's middle, so that nothing cancels.
    let points: Vec<[f64; 2]> = curve
        .iter()
        .filter(near)
        .map(|&(step, loss)| [(step as f64 / n).ln(), loss])
        .collect();
    if points.len() < FEWEST_POINTS {
        return None;
    }
    let count = points.len() as f64;
    let [mean_x, mean_y] = [0, 1].map(|i| points.iter().map(|p| p[i]).sum::<f64>() / count);
    let (mut square, mut product) = (0.0, 0.0);
    for [x, y] in points {
        square += (x - mean_x) * (x - mean_x);
        product += (x - mean_x) * (y - mean_y);
    }
    let slope = product / square;
    if slope.is_nan() || slope >= 0.0 {
        return None;
    }
    Some(n * (mean_x + (target - mean_y) / slope).exp())
}

/// ln of the ratio of the steps that base and candidate took: positive where the candidate needs
/// fewer. A side that never came there took infinitely many; if neither did, nothing is known and
/// the ratio is 0.
pub fn steps_log_ratio(base: Option<f64>, candidate: Option<f64>) -> f64 {
    match (base, candidate) {
        (Some(base), Some(candidate)) => (base / candidate).ln(),
        (Some(_), None) => f64::NEG_INFINITY,
        (None, Some(_)) => f64::INFINITY,
        (None, None) => 0.0,
    }
}

/// The same for a run whose schedule decays to its end, where a curve says nothing of a shorter
/// run: ln of the ratio of the declared lengths, less what the candidate's final loss is above the
/// base's (plus `margin`, in nats) over `kappa`, the nats that a run loses per unit of ln(length).
///
/// `length` and `loss` are base first.
pub fn fixed_log_ratio(length: [u64; 2], loss: [f64; 2], margin: f64, kappa: f64) -> f64 {
    let [base, candidate] = length.map(|n| n as f64);
    // A curve that does not fall says nothing either.
    if !loss[1].is_finite() || kappa.is_nan() || kappa <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let above = (loss[1] - loss[0] + margin).max(0.0);
    (base / candidate).ln() - above / kappa
}
