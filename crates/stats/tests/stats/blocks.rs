//! The figures of a block, by hand.

use outpace_stats::{
    Pair, StatsError, block_excess, block_log_ratio, block_sum_log_ratio, median,
    standard_deviation, sums,
};

/// Three turns; the candidate does most of its work in the last one.
const BLOCK: [Pair; 3] = [[2.0, 1.0], [4.0, 1.0], [3.0, 8.0]];

fn close(got: f64, want: f64) {
    assert!((got - want).abs() < 1e-15, "{got} is not {want}");
}

#[test]
fn the_median_turn_and_the_sum_can_disagree() {
    close(block_log_ratio(&BLOCK).unwrap(), 2f64.ln());
    close(block_sum_log_ratio(&BLOCK).unwrap(), (9f64 / 10.0).ln());
    assert_eq!(sums(&BLOCK), [9.0, 10.0]);
    // Outside of its median turn: the base 9 - 3 * 3, the candidate 10 - 3 * 1.
    close(block_excess(&BLOCK).unwrap(), 7.0 / 9.0);
    let swapped = BLOCK.map(|[base, candidate]| [candidate, base]);
    close(block_excess(&swapped).unwrap(), -7.0 / 10.0);
}

#[test]
fn every_figure_refuses_a_bad_pair_even_if_the_sums_are_fine() {
    let bad = [[5.0, 5.0], [-1.0, 1.0]];
    for figure in [block_log_ratio, block_sum_log_ratio, block_excess] {
        assert!(matches!(
            figure(&bad),
            Err(StatsError::BadPair { pair: 1, .. })
        ));
        assert_eq!(figure(&[]), Err(StatsError::EmptyBlock));
    }
    // Each time is fine, their ratio is beyond f64.
    assert!(block_log_ratio(&[[1e300, 1e-300]]).is_err());
}

#[test]
fn descriptions_of_few_values() {
    assert!(median(&[]).is_nan());
    assert_eq!((median(&[3.0]), median(&[5.0, 1.0])), (3.0, 3.0));
    close(standard_deviation(&[1.0, 3.0]), 2f64.sqrt());
    assert!(standard_deviation(&[]).is_nan());
}
