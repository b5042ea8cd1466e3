//! Clocks that tick too slowly for what they time.

use crate::simulate::{Machine, Noise};
use outpace_stats::{CoarseClock, Pair, coarse_clock};

const LEAST: f64 = 0.005;

/// A trial of 12 blocks of 3 pairs, turns of about 50 ms with 2 % of noise, by a clock of this
/// tick.
fn recorded(tick_s: f64, gain: f64) -> Vec<[Pair; 3]> {
    let mut machine = Machine::new(Noise::Gaussian, 11);
    let read = |time: f64| ((time / tick_s).round() * tick_s).max(tick_s);
    let block = |_| machine.block(gain).map(|pair| pair.map(read));
    (0..12).map(block).collect()
}

#[test]
fn ticks_that_are_large_beside_the_noise_are_found() {
    for (tick_s, coarse) in [(1e-2, true), (1e-3, true), (1e-4, false), (1e-9, false)] {
        let found = coarse_clock(&recorded(tick_s, 0.05), LEAST);
        assert_eq!(found.is_some(), coarse, "{tick_s}: {found:?}");
        if let Some(clock) = found {
            assert!((clock.tick_s / tick_s - 1.0).abs() < 1e-6, "{clock:?}");
            assert!((clock.share - clock.tick_s / 0.05).abs() < 0.1 * clock.share);
        }
    }
}

#[test]
fn where_the_limits_are() {
    let distinct = |k: usize, repeats: usize| -> Vec<Vec<Pair>> {
        let time = |i: usize| 1.0 + 0.01 * i as f64;
        let pairs = (0..k).map(|i| [time(i), time(i)]).collect::<Vec<_>>();
        vec![pairs; repeats]
    };
    let found = |k, repeats| coarse_clock(&distinct(k, repeats), LEAST).map(|c| c.distinct);
    // Each of the k times occurs twice in `distinct(k, 1)`.
    assert_eq!(
        (found(19, 1), found(20, 1), found(2, 1)),
        (Some(19), None, Some(2))
    );
    // As many times as can be, none of which occurs again.
    assert_eq!(coarse_clock(&[[[1.0, 1.1], [1.2, 1.3]]], LEAST), None);
    assert_eq!(coarse_clock(&[[[1.0, 1.1], [1.1, 1.2]]], LEAST), None);
    assert_eq!(coarse_clock::<Vec<Pair>>(&[], LEAST), None);
}

#[test]
fn ticks_below_a_tenth_of_the_least_gain_are_harmless() {
    let ticks = |tick_s: f64| vec![[[10.0, 10.0 + tick_s]]; 8];
    let found = |tick_s, least| coarse_clock(&ticks(tick_s), least).is_some();
    assert!(found(0.006, LEAST) && !found(0.004, LEAST));
    assert!(found(0.004, 0.0));
}

#[test]
fn rounding_errors_of_a_difference_are_not_ticks() {
    // What `end - start` gives on a clock of seconds since 1970.
    let times = |i: usize| [0.11 + 2e-7 * (i % 5) as f64, 0.1 + 2e-7 * (i % 3) as f64];
    let blocks: Vec<[Pair; 1]> = (0..40).map(|i| [times(i)]).collect();
    let clock = coarse_clock(&blocks, LEAST).expect("two ticks");
    assert_eq!(clock.distinct, 2);
    assert!((clock.tick_s - 0.01).abs() < 1e-6, "{clock:?}");
}

#[test]
fn equal_times_have_no_tick() {
    let clock = coarse_clock(&[[[0.1, 0.1]]; 3], LEAST);
    let want = CoarseClock {
        distinct: 1,
        tick_s: f64::INFINITY,
        share: f64::INFINITY,
    };
    assert_eq!(clock, Some(want));
}
