//! Error control over a campaign: e-LOND (Z. Xu and A. Ramdas, *Online multiple testing with
//! e-values*, AISTATS 2024).

/// Sum over n >= 2 of `1 / (n ln^2 n)`, which makes the weights of [`gamma`] sum to 1 (proof rule).
pub const GAMMA_SUM: f64 = 2.109_742_801_236_892;

/// Spending weight of the test with index t = 1, 2, ...:
/// `1 / (GAMMA_SUM (t + 1) ln^2(t + 1))`.
///
/// 0 for t = 0, which is not a test.
pub fn gamma(t: usize) -> f64 {
    if t == 0 {
        return 0.0;
    }
    let n = t as f64 + 1.0;
    1.0 / (GAMMA_SUM * n * n.ln().powi(2))
}

/// The e-value that the candidate with test index `t` needs after `discoveries` merges:
/// `1 / (fdr gamma_t (discoveries + 1))`.
///
/// With it the expected share of false merges stays at most `fdr` (in (0, 1]), under any dependence
/// between the trials. `t` counts candidates that reached timing, from 1, this one included;
/// `discoveries` only those before it. Infinite, so that nothing merges, for t = 0 or an `fdr` that
/// is not above 0.
pub fn e_lond_threshold(t: usize, discoveries: usize, fdr: f64) -> f64 {
    let share = fdr * gamma(t) * (discoveries as f64 + 1.0);
    if share > 0.0 {
        1.0 / share
    } else {
        f64::INFINITY
    }
}
