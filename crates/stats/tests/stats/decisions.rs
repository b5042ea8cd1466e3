//! When a trial ends, and why, against the rule written in the open.

use crate::simulate::evidence_of;
use outpace_stats::{Evidence, Outcome, Pair, Reason, Rule, judge, log_e, sums};
use proptest::prelude::*;

/// The first block that settles a trial, and how. Constants are those of docs/statistics.md.
fn plainly(blocks: &[Vec<Pair>], rule: &Rule) -> Option<(usize, Reason)> {
    let m = (1.0 + rule.min_speedup).ln();
    let [x, y] = evidence_of(blocks);
    let minus: Vec<f64> = x.iter().map(|v| -v).collect();
    (1..=blocks.len()).find_map(|n| {
        let total = |side: usize| blocks[..n].iter().map(|b| sums(b)[side]).sum::<f64>();
        let e = |x: &[f64], m: f64| log_e(&x[..n], m);
        let enough = (1.0 / rule.alpha).ln();
        let faster = e(&x, m) >= rule.threshold.unwrap_or(1.0 / rule.alpha).ln();
        let shorter = rule
            .sum_threshold
            .is_none_or(|needed| e(&y, 0.0) >= needed.ln() && total(1) <= total(0));
        let hopeless = n >= 4 && (e(&x, m) <= -1.0 || e(&minus, -m) >= 5f64.ln());
        let reason = if faster && shorter {
            Reason::GainProven
        } else if e(&minus, 0.0) >= enough {
            Reason::SlowerProven
        } else if rule.margin.is_some_and(|margin| {
            let least = -(1.0 + margin).ln();
            e(&x, least) >= enough && e(&y, least) >= enough
        }) {
            Reason::NotSlowerProven
        } else if rule.margin.is_none() && e(&minus, -m) >= enough && e(&x, -m) >= enough {
            Reason::DifferenceBelowMinimum
        } else if rule.screen && rule.margin.is_none() && hopeless {
            Reason::ScreenedOut
        } else if n >= rule.max_blocks {
            if faster {
                Reason::SumsUnproven
            } else {
                Reason::BlocksExhausted
            }
        } else {
            return None;
        };
        Some((n, reason))
    })
}

/// Trials that end in every way: their gain, their noise, and how much of the candidate's work its
/// last turn does.
fn trials() -> impl Strategy<Value = Vec<Vec<Pair>>> {
    let centre = prop::sample::select(vec![-0.02, -0.004, 0.0, 0.003, 0.02, 0.2]);
    let noise = prop::sample::select(vec![1e-4, 0.005, 0.05]);
    let last = prop::sample::select(vec![1.0, 1.0, 1.05, 1.5]);
    let draws = prop::collection::vec(-1.0..1.0f64, 1..30);
    (centre, noise, last, draws).prop_map(|(centre, noise, last, draws)| {
        let block = |u: &f64| {
            let candidate = (-centre - noise * u).exp();
            vec![[1.0, candidate], [1.0, candidate], [1.0, candidate * last]]
        };
        draws.iter().map(block).collect()
    })
}

fn rules() -> impl Strategy<Value = Rule> {
    let threshold = prop::sample::select(vec![None, Some(20.0), Some(2000.0)]);
    let sum_threshold = prop::sample::select(vec![None, Some(1.0), Some(20.0), Some(500.0)]);
    let alpha = prop::sample::select(vec![0.01, 0.05]);
    let margin = prop::sample::select(vec![None, None, Some(0.01), Some(0.05)]);
    let rest = (any::<bool>(), 1usize..28);
    (threshold, sum_threshold, alpha, margin, rest).prop_map(
        |(threshold, sum_threshold, alpha, margin, (screen, max_blocks))| Rule {
            min_speedup: 0.005,
            alpha,
            threshold,
            screen,
            max_blocks,
            sum_threshold,
            margin,
            bound_blocks: 0,
            bounds_always: false,
            earlier_blocks: 0,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_trial_ends_where_the_rule_says(blocks in trials(), rule in rules()) {
        let mut evidence = Evidence::new(&rule).unwrap();
        let end = blocks.iter().enumerate().find_map(|(n, block)| {
            let decision = evidence.push_block(block).unwrap();
            assert_eq!(decision, evidence.decision());
            decision.map(|decision| (n + 1, decision.reason))
        });
        prop_assert_eq!(end, plainly(&blocks, &rule));
    }
}

/// Blocks of turns of dyadic seconds, so that totals are exact.
fn blocks(first: Pair, others: Pair, n: usize) -> Vec<Vec<Pair>> {
    // Two turns that are twice as fast, and one that makes up the sums.
    let block = |[base, candidate]: Pair| {
        vec![[0.25, 0.125], [0.25, 0.125], [base - 0.5, candidate - 0.25]]
    };
    (0..n)
        .map(|i| block(if i == 0 { first } else { others }))
        .collect()
}

#[test]
fn all_blocks_together_may_be_equal_but_not_longer() {
    let rule = Rule {
        sum_threshold: Some(20.0),
        ..Rule::default()
    };
    let ended = |blocks: &[Vec<Pair>]| {
        let judged = judge(blocks, &rule).unwrap();
        (judged.summary.n_blocks, judged.reason)
    };
    // The first block loses 4 s, each other one wins 0.25 s: after 16 of them both took the same.
    let even = blocks([1.0, 5.0], [1.0, 0.75], 40);
    assert_eq!(ended(&even), (17, Reason::GainProven));
    assert_eq!(ended(&even[..16]), (16, Reason::BlocksExhausted));
    // Without a threshold the sums do not count, and 8 clear blocks are enough.
    let judged = judge(&even, &Rule::default()).unwrap();
    assert_eq!(
        (judged.summary.n_blocks, judged.outcome),
        (8, Outcome::Faster)
    );
    // Where the blocks run out first, that is said.
    let short = Rule {
        max_blocks: 16,
        ..rule
    };
    let judged = judge(&even, &short).unwrap();
    assert_eq!(
        (judged.outcome, judged.reason),
        (Outcome::NotProven, Reason::SumsUnproven)
    );
}

#[test]
fn evidence_of_the_sums_is_kept_apart() {
    let rule = Rule {
        threshold: Some(1e9),
        ..Rule::default()
    };
    let blocks = blocks([1.0, 0.75], [1.0, 0.5], 5);
    let mut evidence = Evidence::new(&rule).unwrap();
    for block in &blocks {
        evidence.push_block(block).unwrap();
    }
    let [_, y] = evidence_of(&blocks);
    assert_eq!(evidence.sum_log_e(), log_e(&y, 0.0));
    assert!((evidence.sum_speedup() - 1.0).abs() < 1e-12);
    assert_eq!(evidence.n_blocks(), 5);
    assert!(!evidence.gain_is_proven());
    // A block that is a number alone counts as its own sum.
    let mut numbers = Evidence::new(&rule).unwrap();
    numbers.push(0.3);
    assert_eq!(numbers.sum_log_e(), log_e(&[0.3], 0.0));
    assert!((numbers.sum_speedup() - 0.3f64.exp_m1()).abs() < 1e-15);
    let bad = numbers.push_block(&[[1.0, 0.0]]);
    assert!(bad.is_err() && numbers.n_blocks() == 1);
}

#[test]
fn a_proven_gain_goes_on_for_its_bounds_and_the_verdict_stays() {
    let rule = Rule {
        bound_blocks: 12,
        bounds_always: false,
        earlier_blocks: 0,
        ..Rule::default()
    };
    let mut evidence = Evidence::new(&rule).unwrap();
    let mut ends = Vec::new();
    for n in 1..=14 {
        // Nothing is left of the gain after the proof.
        let x = if n <= 8 { 0.05 } else { -0.05 };
        ends.push(evidence.push(x).map(|decision| decision.reason));
    }
    assert_eq!(ends[10], None);
    assert_eq!(ends[11..], [Some(Reason::GainProven); 3]);
    let summary = evidence.summary();
    assert_eq!(summary.n_blocks, 12);
    assert!(summary.log_e >= 100f64.ln(), "that of the proof");
    assert!(summary.at_least.unwrap() < 0.0, "that of all blocks");
    let fewer = Rule {
        max_blocks: 9,
        ..rule
    };
    let mut evidence = Evidence::new(&fewer).unwrap();
    let n = (1..20).find(|_| evidence.push(0.05).is_some());
    assert_eq!(n, Some(9), "no more than the rule allows");
}

#[test]
fn blocks_of_an_earlier_trial_are_evidence_and_decide_nothing() {
    let blocks = vec![vec![[1.1, 1.0]; 3]; 9];
    let rule = Rule {
        earlier_blocks: 20,
        ..Rule::default()
    };
    let mut evidence = Evidence::new(&rule).unwrap();
    for block in blocks.iter().cycle().take(20) {
        assert_eq!(evidence.push_block(block).unwrap(), None);
    }
    for block in &blocks[..4] {
        assert_eq!(evidence.push_block(block).unwrap(), None);
    }
    let decided = evidence.push_block(&blocks[0]).unwrap().unwrap();
    assert_eq!(decided.outcome, Outcome::Faster);
    assert_eq!(evidence.n_blocks(), 25, "five of them are new");
}
