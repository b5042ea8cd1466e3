//! Real gains are found, in about the blocks that the forecast says.

use crate::simulate::{Machine, Noise};
use outpace_stats::{Outcome, Rule, forecast, log_e_limit};

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

#[test]
fn forecast_is_ordered() {
    let rule = Rule::default();
    let blocks = |sd, speedup| forecast(sd, speedup, &rule).unwrap_or(usize::MAX);
    assert!(blocks(0.02, 0.05) < blocks(0.02, 0.02));
    assert!(blocks(0.01, 0.02) < blocks(0.04, 0.02));
    assert_eq!(forecast(0.02, 0.02, &rule), forecast(0.02, 0.02, &rule));
}

/// Counted once with this generator. Whatever changes the deviates changes some of them.
#[test]
fn forecasts_can_be_recomputed() {
    for (sd, speedup, blocks) in [
        (0.01, 0.02, 10),
        (0.02, 0.02, 25),
        (0.03, 0.02, 46),
        (0.05, 0.05, 19),
        (0.06, 0.05, 24),
        (0.1, 0.1, 18),
        (0.1, 0.08, 24),
    ] {
        let got = forecast(sd, speedup, &Rule::default());
        assert_eq!(got, Some(blocks), "{sd} {speedup}");
    }
}

#[test]
fn forecast_knows_its_limits() {
    let rule = Rule::default();
    // A gain far above the noise takes as many blocks as the e-value itself needs.
    assert!(log_e_limit(7) < 100f64.ln() && 100f64.ln() < log_e_limit(8));
    assert_eq!(forecast(1e-4, 0.9, &rule), Some(8));
    assert_eq!(forecast(0.0, 0.9, &rule), Some(8));
    // A gain below the minimum, no gain, or one lost in the noise is never found.
    assert_eq!(forecast(0.01, 0.004, &rule), None);
    assert_eq!(forecast(0.01, 0.0, &rule), None);
    assert_eq!(forecast(0.5, 0.02, &rule), None);
    for (sd, speedup) in [(-0.1, 0.1), (f64::NAN, 0.1), (0.1, -1.0), (0.1, f64::NAN)] {
        assert_eq!(forecast(sd, speedup, &rule), None);
    }
    assert_eq!(forecast(0.01, 0.1, &Rule { alpha: 0.0, ..rule }), None);
}

#[test]
fn forecast_agrees_with_the_machine() {
    // Launch noise of 2 % in each process, turns of 1 %: the median of 3 pairs adds a little.
    let sd = (2.0 * 0.02f64.powi(2) + 0.45 * 2.0 * 0.01f64.powi(2)).sqrt();
    let rule = Rule {
        max_blocks: forecast(sd, 0.04, &Rule::default()).expect("within 100 blocks"),
        ..Rule::default()
    };
    let mut machine = Machine::new(Noise::Gaussian, 5);
    let hits = (0..400).filter(|_| machine.trial(0.04, &rule) == Outcome::Faster);
    let found = hits.count() as f64 / 400.0;
    assert!((0.4..0.65).contains(&found), "{found} is not about a half");
}
