//! What must hold for any numbers.

use outpace_stats::{
    Evidence, Pair, Rule, block_log_ratio, judge, log_e, log_e_limit, lower_bound, median,
    robust_deviation, standard_deviation, trajectory, upper_bound,
};
use proptest::prelude::*;

fn pairs() -> impl Strategy<Value = Vec<Pair>> {
    prop::collection::vec([1e-6..1e3f64, 1e-6..1e3f64], 1..12)
}

/// Log ratios from tight to wild, with ties.
fn log_ratios() -> impl Strategy<Value = Vec<f64>> {
    let value = (
        -1.0..1.0f64,
        prop::sample::select(vec![0.0, 1e-4, 0.02, 0.5]),
    );
    let centre = prop::sample::select(vec![0.0, 0.03, -0.4]);
    (centre, prop::collection::vec(value, 1..40))
        .prop_map(|(centre, v)| v.into_iter().map(|(u, s)| centre + u * s).collect())
}

/// E-value by the formula itself, in the open.
fn log_e_plainly(x: &[f64], m: f64) -> f64 {
    let mean = outpace_stats::STAKES.iter().flat_map(|b| {
        outpace_stats::SCALES.iter().map(move |a| {
            x.iter()
                .map(|v| 1.0 + b * (a * (v - m)).tanh())
                .product::<f64>()
        })
    });
    (mean.sum::<f64>() / 26.0).ln()
}

/// The bisection of proof/reference.py.
fn lower_bound_by_bisection(x: &[f64], alpha: f64) -> Option<f64> {
    let need = (1.0 / alpha).ln();
    let (mut lo, mut hi) = (-50.0, 50.0);
    if log_e(x, lo) < need {
        return None;
    }
    for _ in 0..200 {
        let mid = 0.5 * (lo + hi);
        if log_e(x, mid) >= need {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    Some(lo)
}

fn assert_close(got: f64, want: f64, tolerance: f64) -> Result<(), TestCaseError> {
    prop_assert!((got - want).abs() <= tolerance, "{got} is not {want}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn label_swap_flips_the_sign(pairs in pairs()) {
        let swapped: Vec<Pair> = pairs.iter().map(|[b, c]| [*c, *b]).collect();
        let (x, y) = (block_log_ratio(&pairs).unwrap(), block_log_ratio(&swapped).unwrap());
        assert_close(x, -y, 1e-14 * x.abs().max(1.0))?;
    }

    #[test]
    fn order_of_pairs_does_not_matter(mut pairs in pairs(), turn in 0usize..12) {
        let x = block_log_ratio(&pairs).unwrap();
        let turn = turn % pairs.len();
        pairs.rotate_left(turn);
        prop_assert_eq!(x, block_log_ratio(&pairs).unwrap());
        pairs.reverse();
        prop_assert_eq!(x, block_log_ratio(&pairs).unwrap());
    }

    #[test]
    fn unit_of_time_does_not_matter(pairs in pairs(), unit in 1e-6..1e9f64) {
        let scaled: Vec<Pair> = pairs.iter().map(|[b, c]| [b * unit, c * unit]).collect();
        assert_close(block_log_ratio(&scaled).unwrap(), block_log_ratio(&pairs).unwrap(), 1e-12)?;
    }

    #[test]
    fn log_e_is_the_formula(x in log_ratios(), m in -0.1..0.1f64) {
        assert_close(log_e(&x, m), log_e_plainly(&x, m), 1e-9)?;
        prop_assert!(log_e(&x, m) <= log_e_limit(x.len()) + 1e-12);
    }

    #[test]
    fn log_e_falls_with_m(x in log_ratios(), m in -1.0..1.0f64, gap in 0.0..0.1f64) {
        prop_assert!(log_e(&x, m) + 1e-9 >= log_e(&x, m + gap));
    }

    #[test]
    fn bounds_are_those_of_bisection(x in log_ratios(), alpha in 0.001..0.5f64) {
        match (lower_bound(&x, alpha), lower_bound_by_bisection(&x, alpha)) {
            (Some(got), Some(want)) => assert_close(got, want, 1e-9)?,
            (got, want) => prop_assert_eq!(got, want),
        }
    }

    #[test]
    fn bounds_mirror(x in log_ratios(), alpha in 0.001..0.5f64) {
        let minus: Vec<f64> = x.iter().map(|v| -v).collect();
        prop_assert_eq!(lower_bound(&x, alpha).map(|m| -m), upper_bound(&minus, alpha));
    }

    #[test]
    fn bounds_move_with_the_data(x in log_ratios(), shift in -0.5..0.5f64) {
        let moved: Vec<f64> = x.iter().map(|v| v + shift).collect();
        match (lower_bound(&x, 0.01), lower_bound(&moved, 0.01)) {
            (Some(a), Some(b)) => assert_close(a + shift, b, 1e-9)?,
            (a, b) => prop_assert_eq!(a, b),
        }
    }

    #[test]
    fn evidence_is_log_e_step_by_step(x in log_ratios()) {
        let rule = Rule { threshold: Some(1e300), alpha: 1e-300, ..Rule::default() };
        let mut evidence = Evidence::new(&rule).unwrap();
        for (i, e) in trajectory(&x, &rule).into_iter().enumerate() {
            prop_assert_eq!(evidence.push(x[i]), None);
            prop_assert_eq!(evidence.log_e(), e);
            prop_assert_eq!(evidence.log_e(), log_e(&x[..=i], 0.005f64.ln_1p()));
        }
        prop_assert_eq!(evidence.log_ratios(), &x[..]);
    }

    #[test]
    fn verdict_does_not_read_on(x in log_ratios(), tail in -1.0..1.0f64) {
        let rule = Rule { screen: true, ..Rule::default() };
        let mut blocks: Vec<[Pair; 1]> = x.iter().map(|v| [[v.exp(), 1.0]]).collect();
        let before = judge(&blocks, &rule).unwrap();
        blocks.push([[tail.exp(), 1.0]]);
        if before.summary.n_blocks < x.len() {
            blocks.push([[f64::NAN, 1.0]]);
            prop_assert_eq!(judge(&blocks, &rule).unwrap(), before);
        }
    }

    #[test]
    fn median_is_the_middle(mut x in log_ratios()) {
        let got = median(&x);
        x.sort_by(f64::total_cmp);
        prop_assert_eq!(got, 0.5 * (x[(x.len() - 1) / 2] + x[x.len() / 2]));
    }
}

#[test]
fn deviations() {
    assert_eq!(standard_deviation(&[1.0, 3.0, 5.0]), 2.0);
    assert!(standard_deviation(&[1.0]).is_nan());
    assert!(robust_deviation(&[]).is_nan());
    let robust = robust_deviation(&[1.0, 2.0, 3.0, 4.0, 1e9]);
    assert!((robust - 1.482_602_218_505_602).abs() < 1e-12);
}

#[test]
fn long_and_wild_trials_stay_finite() {
    // 3,000 blocks neither overflow (2^3000) nor underflow, and wealth lost by underflow of one
    // factor is found again.
    let x = vec![0.3; 3000];
    assert!((log_e(&x, 0.0) - (log_e_limit(3000))).abs() < 50.0);
    assert!((log_e(&x, -50.0) - log_e_limit(3000)).abs() < 1e-6);
    assert!((log_e(&x, 5.0) - -3000.0 * 2.5f64.ln()).abs() < 2.0);
    let x = [vec![-0.5], vec![0.5; 6000]].concat();
    let want = 6001.0 * 2f64.ln() - (1.0 + 3f64.exp()).ln(); // a = 3, b = 1, but for the mean over the bets
    assert!((log_e(&x, 0.0) - want).abs() < 20.0);
}

#[test]
fn infinite_blocks_are_evidence_and_nan_is_none() {
    let mut x = vec![0.2; 15];
    x.push(f64::NEG_INFINITY);
    assert!(log_e(&x, 0.0).is_finite());
    assert!(lower_bound(&x, 0.01).expect("15 clear blocks outweigh one") < 0.2);
    assert!(upper_bound(&x, 0.01).expect("all below some value") > 0.2);
    assert_eq!(lower_bound(&[f64::NEG_INFINITY; 20], 0.01), None);
    assert_eq!(lower_bound(&[f64::INFINITY; 20], 0.01), Some(50.0));

    x[0] = f64::NAN;
    assert!(log_e(&x, 0.0).is_nan());
    assert_eq!((lower_bound(&x, 0.01), upper_bound(&x, 0.01)), (None, None));
    let mut evidence = Evidence::new(&Rule::default()).unwrap();
    evidence.push(f64::NAN);
    let last = (0..99).filter_map(|_| evidence.push(0.5)).last();
    assert_eq!(last.map(|d| d.reason.as_str()), Some("blocks exhausted"));
}
