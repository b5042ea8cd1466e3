//! Real gains are found, in about the blocks that the forecast says.

use crate::simulate::{Machine, Noise};
use outpace_stats::{
    Outcome, Pair, Rule, Schedule, SeedRule, forecast, forecast_seeds, log_e_limit,
};

/// Share of 200 trials that are `outcome` within 48 blocks.
fn share(noise: Noise, speedup: f64, outcome: Outcome) -> f64 {
    let rule = Rule {
        max_blocks: 48,
        ..Rule::default()
    };
    let mut machine = Machine::new(noise, 99);
    let hits = (0..200).filter(|_| machine.trial(speedup, &rule) == outcome);
    hits.count() as f64 / 200.0
}

#[test]
fn gains_and_losses_are_found() {
    assert!(share(Noise::Gaussian, 0.05, Outcome::Faster) > 0.95);
    assert!(share(Noise::Gaussian, -0.05, Outcome::Slower) > 0.95);
    assert!(share(Noise::TwoSpeed, 0.05, Outcome::Faster) > 0.9);
    assert!(share(Noise::HeavyTail, 0.10, Outcome::Faster) > 0.9);
}

/// Blocks of a program against itself, `pairs` pairs each.
fn recorded(noise: Noise, seed: u64) -> Vec<Vec<Pair>> {
    let mut machine = Machine::new(noise, seed);
    (0..40).map(|_| machine.block(0.0).to_vec()).collect()
}

/// As many pairs as the simulated machine has in a block.
const SCHEDULE: Schedule = Schedule {
    pairs: 3,
    worth_starting: None,
};

/// Normal log ratios of this deviation, single pairs.
fn normal(sd: f64) -> Vec<Vec<Pair>> {
    // 99 quantiles of the normal distribution, by its logistic approximation.
    let quantile = |k: usize| {
        let p = k as f64 / 100.0;
        (p / (1.0 - p)).ln() / 1.702
    };
    let pair = |k: usize| vec![[(sd * quantile(k)).exp(), 1.0]];
    (1..100).map(pair).collect()
}

fn blocks_for(sd: f64, speedup: f64, rule: &Rule) -> Option<usize> {
    forecast(&normal(sd), speedup, rule, &Schedule::constant(1))
}

#[test]
fn forecast_is_ordered() {
    let rule = Rule::default();
    let blocks = |sd, speedup| blocks_for(sd, speedup, &rule).unwrap_or(usize::MAX);
    assert!(blocks(0.02, 0.05) < blocks(0.02, 0.02));
    assert!(blocks(0.01, 0.02) < blocks(0.04, 0.02));
    assert_eq!(blocks(0.02, 0.02), blocks(0.02, 0.02));
}

#[test]
fn forecast_counts_what_the_documents_say() {
    // docs/statistics.md, table of blocks needed; the medians of 501 trials, good to 5 %.
    for (sd, speedup, about) in [
        (0.01, 0.02, 10),
        (0.02, 0.02, 25),
        (0.05, 0.05, 19),
        (0.1, 0.1, 18),
    ] {
        let got = blocks_for(sd, speedup, &Rule::default()).unwrap();
        assert!(got.abs_diff(about) <= 2, "{sd} {speedup}: {got}");
    }
}

#[test]
fn forecast_of_seeds_grows_with_their_spread() {
    let rule = SeedRule {
        max_seeds: 60,
        bound_seeds: 0,
        ..SeedRule::from(&Rule {
            threshold: Some(100.0),
            ..Rule::default()
        })
    };
    // Less time by 10, 5 and 2 %, at three standard deviations of a seed's log ratio. Where the
    // time of a step is measured too, the design had 9, 10 and 46 for the first.
    for (sd, expected) in [
        (0.02, [Some(8), Some(9), Some(24)]),
        (0.04, [Some(8), Some(13), None]),
        (0.057, [Some(8), Some(21), None]),
    ] {
        let of = |less: f64| forecast_seeds(sd, 1.0 / (1.0 - less) - 1.0, &rule);
        assert_eq!([0.1, 0.05, 0.02].map(of), expected, "sd {sd}");
    }
    assert_eq!(forecast_seeds(f64::NAN, 0.1, &rule), None);
    assert_eq!(forecast_seeds(0.02, -1.0, &rule), None);
    assert_eq!(forecast_seeds(0.02, -0.1, &rule), None);
}

#[test]
fn forecast_knows_its_limits() {
    let rule = Rule::default();
    // A gain far above the noise takes as many blocks as the e-value itself needs, and for
    // programs as many as make its bound worth quoting.
    assert!(log_e_limit(7) < 100f64.ln() && 100f64.ln() < log_e_limit(8));
    assert_eq!(blocks_for(1e-4, 0.9, &rule), Some(8));
    assert_eq!(blocks_for(1e-4, 0.9, &rule.of_programs()), Some(12));
    // A gain below the minimum, no gain, or one lost in the noise is never found.
    assert_eq!(blocks_for(0.01, 0.004, &rule), None);
    assert_eq!(blocks_for(0.01, 0.0, &rule), None);
    assert_eq!(blocks_for(0.5, 0.02, &rule), None);
    for speedup in [-1.0, -2.0, f64::NAN, f64::INFINITY] {
        assert_eq!(blocks_for(0.01, speedup, &rule), None);
    }
    assert_eq!(blocks_for(0.01, 0.1, &Rule { alpha: 0.0, ..rule }), None);
    let one = Schedule::constant(1);
    assert_eq!(forecast::<Vec<Pair>>(&[], 0.1, &rule, &one), None);
    assert_eq!(forecast(&[Vec::<Pair>::new()], 0.1, &rule, &one), None);
    assert_eq!(forecast(&[[[0.0, 1.0]]], 0.1, &rule, &one), None);
}

#[test]
fn shorter_blocks_find_large_gains_sooner() {
    // Turns of 1 % noise in processes that differ by 2 %.
    let mut machine = Machine::new(Noise::Gaussian, 3);
    let blocks: Vec<Vec<Pair>> = (0..40)
        .map(|_| (0..14).flat_map(|_| machine.block(0.0)).take(40).collect())
        .collect();
    let rule = Rule::default().of_programs();
    let grows = Schedule {
        pairs: 40,
        worth_starting: Some(1),
    };
    let long = Schedule::constant(40);
    let pairs = |schedule: &Schedule| {
        let blocks = forecast(&blocks, 0.08, &rule, schedule).unwrap();
        schedule.expected_pairs(blocks)
    };
    let (short, full) = (pairs(&grows), pairs(&long));
    assert!(short < 0.4 * full, "{short} pairs instead of {full}");
}

#[test]
fn forecast_agrees_with_the_machine() {
    let blocks = forecast(
        &recorded(Noise::Gaussian, 8),
        0.04,
        &Rule::default(),
        &SCHEDULE,
    );
    let rule = Rule {
        max_blocks: blocks.expect("within 100 blocks"),
        ..Rule::default()
    };
    let mut machine = Machine::new(Noise::Gaussian, 5);
    let hits = (0..400).filter(|_| machine.trial(0.04, &rule) == Outcome::Faster);
    let found = hits.count() as f64 / 400.0;
    assert!((0.35..0.7).contains(&found), "{found} is not about a half");
}
