//! From the pairs of one block to the one number that counts as evidence.

use crate::StatsError;
use crate::describe::median_in_place;

/// Seconds of one turn of the base and of one turn of the candidate, in this order.
pub type Pair = [f64; 2];

/// Median over the pairs of `ln(t_base / t_candidate)`; positive means that the candidate is
/// faster.
///
/// Swapping base and candidate flips the sign; the unit of time and the order of the pairs do not
/// matter.
///
/// # Errors
/// [`StatsError::EmptyBlock`] without pairs, [`StatsError::BadPair`] with the index of the first
/// pair that has a time that is not finite and above 0.
pub fn block_log_ratio(pairs: &[Pair]) -> Result<f64, StatsError> {
    if pairs.is_empty() {
        return Err(StatsError::EmptyBlock);
    }
    let mut ratios = pairs
        .iter()
        .enumerate()
        .map(|(i, pair)| log_ratio(i, *pair))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(median_in_place(&mut ratios))
}

/// `ln(sum of t_base / sum of t_candidate)`: what the same turns took together. A candidate that
/// does the work of many turns in a few of them has a fast median and a slow sum.
///
/// # Errors
/// As [`block_log_ratio`].
pub fn block_sum_log_ratio(pairs: &[Pair]) -> Result<f64, StatsError> {
    block_log_ratio(pairs)?;
    log_ratio(0, sums(pairs))
}

/// How much more of a block's time the candidate spends outside of its median turn than the base
/// does, as a share of the base's turns:
/// `((sum t_c - P median t_c) - (sum t_b - P median t_b)) / sum t_b`.
///
/// What both do now and then cancels out; work that a candidate gathers in a few turns
/// does not.
///
/// # Errors
/// As [`block_log_ratio`].
pub fn block_excess(pairs: &[Pair]) -> Result<f64, StatsError> {
    block_log_ratio(pairs)?;
    let sums = sums(pairs);
    let excess = |side: usize| {
        let mut times: Vec<f64> = pairs.iter().map(|pair| pair[side]).collect();
        sums[side] - pairs.len() as f64 * median_in_place(&mut times)
    };
    Ok((excess(1) - excess(0)) / sums[0])
}

/// Seconds of all turns of base and candidate.
pub fn sums(pairs: &[Pair]) -> [f64; 2] {
    [0, 1].map(|side| pairs.iter().map(|pair| pair[side]).sum())
}

fn log_ratio(index: usize, [base_s, candidate_s]: Pair) -> Result<f64, StatsError> {
    let ratio = (base_s / candidate_s).ln();
    // One check for infinities, NaN and ratios beyond f64; the signs need their own, as two
    // negative times cancel.
    if base_s > 0.0 && candidate_s > 0.0 && ratio.is_finite() {
        return Ok(ratio);
    }
    Err(StatsError::BadPair {
        pair: index,
        base_s,
        candidate_s,
    })
}
