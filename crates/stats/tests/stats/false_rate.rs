//! A candidate that is no better must not win more often than alpha, whatever the noise, though
//! every block is looked at.

use crate::simulate::{Machine, NOISES};
use outpace_stats::{Outcome, Rule};

/// Seconds in either profile.
const TRIALS: usize = if cfg!(debug_assertions) { 1000 } else { 5000 };

/// Binomial margin: 4 standard deviations above alpha, so that a right rule fails here once in
/// 30,000 seeds; the seeds are fixed.
fn most_allowed(alpha: f64) -> usize {
    let n = TRIALS as f64;
    (n * alpha + 4.0 * (n * alpha * (1.0 - alpha)).sqrt()) as usize
}

fn check(speedup: f64, rule: &Rule) {
    for (seed, noise) in NOISES.into_iter().enumerate() {
        let mut machine = Machine::new(noise, seed as u64 + 1);
        let outcomes: Vec<_> = (0..TRIALS).map(|_| machine.trial(speedup, rule)).collect();
        for outcome in [Outcome::Faster, Outcome::Slower] {
            let wrong = outcomes.iter().filter(|o| **o == outcome).count();
            let most = most_allowed(rule.alpha);
            assert!(wrong <= most, "{noise:?}: {wrong} of {TRIALS} {outcome}");
        }
    }
}

#[test]
fn a_a_without_a_margin() {
    // The sharpest case: no minimum to hide behind, and an alpha that a thousand trials can see.
    check(
        0.0,
        &Rule {
            min_speedup: 0.0,
            alpha: 0.1,
            max_blocks: 30,
            ..Rule::default()
        },
    );
}

#[test]
fn gain_of_just_the_minimum_is_not_above_it() {
    check(
        0.02,
        &Rule {
            min_speedup: 0.02,
            alpha: 0.05,
            max_blocks: 30,
            screen: true,
            ..Rule::default()
        },
    );
}

#[test]
fn a_a_at_the_default() {
    check(
        0.0,
        &Rule {
            max_blocks: 40,
            ..Rule::default()
        },
    );
}

#[test]
fn slower_by_just_the_margin_is_not_called_not_slower() {
    let rule = Rule {
        margin: Some(0.01),
        alpha: 0.05,
        max_blocks: 30,
        ..Rule::default()
    };
    let just = 1.0 / 1.01 - 1.0;
    for (seed, noise) in NOISES.into_iter().enumerate() {
        let mut machine = Machine::new(noise, seed as u64 + 1);
        let wrong = (0..TRIALS).filter(|_| machine.trial(just, &rule) == Outcome::NotSlower);
        let (wrong, most) = (wrong.count(), most_allowed(rule.alpha));
        assert!(wrong <= most, "{noise:?}: {wrong} of {TRIALS}");
    }
}

#[test]
fn equal_programs_are_proven_not_slower() {
    let rule = Rule {
        margin: Some(0.03),
        max_blocks: 60,
        ..Rule::default()
    };
    let mut machine = Machine::new(NOISES[0], 3);
    let outcomes: Vec<Outcome> = (0..300).map(|_| machine.trial(0.0, &rule)).collect();
    let proven = outcomes
        .iter()
        .filter(|o| **o == Outcome::NotSlower)
        .count();
    assert!(proven > 270, "{proven} of 300");
    assert!(
        !outcomes.contains(&Outcome::Same),
        "`same` does not end such a trial"
    );
}
