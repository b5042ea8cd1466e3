//! Time to loss: every number that data/time_to_loss.py found by brute force, properties, and the
//! share of false verdicts at the boundary.
//!
//! `cargo test --release -p outpace-stats --test stats -- --ignored --nocapture at_the_boundary`

use crate::simulate::{Machine, NOISES, evidence_of};
use outpace_stats::{
    CurvePoint, Outcome, SeedEvidence, SeedRule, StepTime, fixed_log_ratio, least_time_blocks,
    log_e, log_e_time_to_loss, steps_log_ratio, steps_to_loss,
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use std::f64::consts::TAU;

#[test]
fn a_slower_step_and_far_fewer_steps_can_be_proven_at_every_threshold() {
    // 10 % slower steps, 40 % fewer of them; as far into a campaign as thresholds go.
    for threshold in [100.0, 800.0, 5e3, 1e6] {
        let steps = [(1.0_f64 / 0.6).ln(); 32];
        let of = |n: usize| {
            let blocks: Vec<f64> = (0..n).map(|i| -0.1 + 1e-3 * (i % 3) as f64).collect();
            log_e_time_to_loss(&steps, StepTime::Measured(&blocks), 0.005)
        };
        let enough = least_time_blocks(threshold);
        assert!(
            of(enough) >= f64::ln(threshold),
            "{enough} blocks for {threshold}"
        );
        // With some fewer no number of seeds would do.
        assert!(of(enough - 3) < f64::ln(threshold), "{threshold}");
    }
    assert_eq!(least_time_blocks(100.0), 11);
    assert_eq!(least_time_blocks(f64::INFINITY), 64);
}

#[derive(Deserialize)]
struct Vectors {
    crossings: Vec<Crossing>,
    log_e: Vec<LogE>,
    log_e_hard: Vec<LogE>,
    trials: Vec<Trial>,
    fixed: Vec<Fixed>,
}

#[derive(Deserialize)]
struct Crossing {
    name: String,
    /// `null` is an infinite loss.
    curve: Vec<(u64, Option<f64>)>,
    target: f64,
    expect: Option<f64>,
}

#[derive(Deserialize)]
struct LogE {
    steps: Vec<Number>,
    blocks: Option<Vec<Number>>,
    m: f64,
    expect: f64,
}

#[derive(Deserialize)]
struct Trial {
    name: String,
    steps: Vec<Number>,
    blocks: Option<Vec<Number>>,
    min_speedup: f64,
    alpha: f64,
    threshold: f64,
    screen: bool,
    max_seeds: usize,
    bound_seeds: usize,
    expect: Expect,
}

#[derive(Deserialize)]
struct Expect {
    /// `null` where the trial would go on.
    verdict: Option<String>,
    n: usize,
    log_e: f64,
    at_least: Option<f64>,
    at_most: Option<f64>,
}

#[derive(Deserialize)]
struct Fixed {
    lengths: [u64; 2],
    losses: [Number; 2],
    margin: f64,
    kappa: f64,
    expect: Number,
}

/// JSON has no infinity: "inf" and "-inf" stand for them.
#[derive(Deserialize, Clone)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Infinite(String),
}

impl Number {
    fn value(&self) -> f64 {
        match self {
            Self::Finite(value) => *value,
            Self::Infinite(text) => text.parse().expect("inf or -inf"),
        }
    }
}

fn values(numbers: &[Number]) -> Vec<f64> {
    numbers.iter().map(Number::value).collect()
}

fn vectors() -> Vectors {
    let text = include_str!("../data/time_to_loss.json");
    serde_json::from_str(text).expect("the vectors are what time_to_loss.py wrote")
}

/// Within the tolerance, relative above 1.
fn close(what: &str, got: f64, want: f64, tolerance: f64) {
    let within = (got - want).abs() <= tolerance * want.abs().max(1.0);
    assert!(got == want || within, "{what}: got {got}, want {want}");
}

fn close_option(what: &str, got: Option<f64>, want: Option<f64>, tolerance: f64) {
    match (got, want) {
        (Some(got), Some(want)) => close(what, got, want, tolerance),
        _ => assert_eq!(got, want, "{what}"),
    }
}

#[test]
fn crossings() {
    for v in vectors().crossings {
        let point = |&(step, loss): &(u64, Option<f64>)| (step, loss.unwrap_or(f64::INFINITY));
        let curve: Vec<CurvePoint> = v.curve.iter().map(point).collect();
        let got = steps_to_loss(&curve, v.target);
        close_option(&v.name, got, v.expect, 1e-9);
    }
}

#[test]
fn log_e_of_steps_and_step_time() {
    check_log_e(&vectors().log_e);
}

#[test]
fn log_e_whose_infimum_is_hard_to_find() {
    check_log_e(&vectors().log_e_hard);
}

fn check_log_e(all: &[LogE]) {
    for (at, v) in all.iter().enumerate() {
        let blocks = v.blocks.as_deref().map(values);
        let time = blocks
            .as_deref()
            .map_or(StepTime::Equal, StepTime::Measured);
        let got = log_e_time_to_loss(&values(&v.steps), time, v.m);
        close(&format!("log_e {at}"), got, v.expect, 1e-6);
    }
}

#[test]
fn trials() {
    for v in vectors().trials {
        let rule = SeedRule {
            min_speedup: v.min_speedup,
            alpha: v.alpha,
            threshold: v.threshold,
            screen: v.screen,
            max_seeds: v.max_seeds,
            bound_seeds: v.bound_seeds,
            earlier_seeds: 0,
        };
        let blocks = v.blocks.as_deref().map(values);
        let mut evidence = SeedEvidence::new(rule, blocks).expect("the rules are valid");
        for y in values(&v.steps) {
            evidence.push(y);
        }
        let verdict = evidence.decision().map(|d| d.outcome.as_str().to_owned());
        assert_eq!(verdict, v.expect.verdict, "{}", v.name);
        assert_eq!(evidence.log_ratios().len(), v.expect.n, "{}", v.name);
        let got = evidence.summary();
        let what = |field| format!("{} {field}", v.name);
        close(&what("log_e"), got.log_e, v.expect.log_e, 1e-6);
        let bound = |field, got, want| close_option(&what(field), got, want, 1e-6);
        bound("at_least", got.at_least, v.expect.at_least);
        bound("at_most", got.at_most, v.expect.at_most);
    }
}

#[test]
fn fixed_lengths() {
    for (at, v) in vectors().fixed.iter().enumerate() {
        let losses = v.losses.each_ref().map(Number::value);
        let got = fixed_log_ratio(v.lengths, losses, v.margin, v.kappa);
        close(&format!("fixed {at}"), got, v.expect.value(), 1e-9);
    }
}

/// ln of the mean of AB, A and B at one place `c`, by the formula itself.
fn log_e_at(steps: &[f64], blocks: &[f64], m: f64, c: f64) -> f64 {
    let (time, seeds) = (log_e(blocks, c), log_e(steps, m - c));
    let three = [time + seeds, time, seeds];
    let top = three.into_iter().fold(f64::MIN, f64::max);
    let mean = three.into_iter().map(|v| (v - top).exp()).sum::<f64>() / 3.0;
    top + mean.ln()
}

fn log_ratios() -> impl Strategy<Value = Vec<f64>> {
    let scale = prop::sample::select(vec![1e-4, 0.02, 0.3]);
    let all = prop::collection::vec(-1.0..1.0f64, 1..24);
    (scale, -0.1..0.1f64, all)
        .prop_map(|(scale, centre, v)| v.into_iter().map(|u| centre + scale * u).collect())
}

/// Within the samples' places, so far beyond them, and at +-50.
fn assert_below(steps: &[f64], blocks: &[f64], m: f64, beyond: f64) -> Result<(), TestCaseError> {
    let got = log_e_time_to_loss(steps, StepTime::Measured(blocks), m);
    let places = || blocks.iter().copied().chain(steps.iter().map(|y| m - y));
    let low = places().fold(f64::INFINITY, f64::min) - beyond;
    let high = places().fold(f64::NEG_INFINITY, f64::max) + beyond;
    let even = (0..=400).map(|k| low + (high - low) * f64::from(k) / 400.0);
    for c in places().chain(even).chain([-50.0, 50.0]) {
        let there = log_e_at(steps, blocks, m, c);
        prop_assert!(got <= there + 1e-6, "{got} is above {there} at {c}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn swapped_sides_flip_the_sign(
        base in prop::option::of(1.0..1e6f64),
        candidate in prop::option::of(1.0..1e6f64),
    ) {
        let (y, swapped) = (steps_log_ratio(base, candidate), steps_log_ratio(candidate, base));
        prop_assert!(y == -swapped || (y + swapped).abs() < 1e-12, "{y} and {swapped}");
    }

    /// So also at the true `c`: that is what bounds the chance of a false verdict.
    #[test]
    fn infimum_is_below_every_place_among_the_samples(
        steps in log_ratios(),
        blocks in log_ratios(),
        m in -0.1..0.1f64,
    ) {
        assert_below(&steps, &blocks, m, 0.05)?;
    }

    #[test]
    fn infimum_is_below_every_place(
        steps in log_ratios(),
        blocks in log_ratios(),
        m in -0.1..0.1f64,
    ) {
        assert_below(&steps, &blocks, m, 2.0)?;
    }

    /// The bounds are found by bisection, which needs that.
    #[test]
    fn log_e_falls_with_m(steps in log_ratios(), blocks in log_ratios(), m in -0.2..0.2f64) {
        let at = |m| log_e_time_to_loss(&steps, StepTime::Measured(&blocks), m);
        for more in [1e-3, 0.02, 1.0] {
            let (here, there) = (at(m), at(m + more));
            prop_assert!(there <= here + 1e-6, "{here} at {m}, {there} at {more} more");
        }
    }
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v) = (rng.random::<f64>(), rng.random::<f64>());
    (-2.0 * (1.0 - u).ln()).sqrt() * (TAU * v).cos()
}

/// 2 + 6 n^-0.3 at every 20th step, with normal noise of evaluation.
fn noisy_curve(rng: &mut ChaCha8Rng, noise: f64) -> Vec<CurvePoint> {
    (1..=75)
        .map(|k| 20 * k)
        .map(|n| (n, true_loss(n) + noise * normal(rng)))
        .collect()
}

fn true_loss(step: u64) -> f64 {
    2.0 + 6.0 * (step as f64).powf(-0.3)
}

/// Means of the steps to the loss of step 1000: of the first point there, and of the line.
fn mean_crossings(noise: f64) -> [f64; 2] {
    const RUNS: usize = 2000;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let target = true_loss(1000);
    let mut sums = [0.0; 2];
    for _ in 0..RUNS {
        let curve = noisy_curve(&mut rng, noise);
        let first = curve.iter().find(|(_, loss)| *loss <= target);
        sums[0] += first.expect("500 steps below the target").0 as f64;
        sums[1] += steps_to_loss(&curve, target).expect("the same");
    }
    sums.map(|sum| sum / RUNS as f64)
}

#[test]
fn noise_of_evaluation_does_not_move_the_crossing() {
    let [first, line] = mean_crossings(0.005);
    let [first_noisier, line_noisier] = mean_crossings(0.01);
    println!("first {first:.1} to {first_noisier:.1}, line {line:.1} to {line_noisier:.1}");
    assert!((line_noisier / line - 1.0).abs() < 0.01);
    assert!(first_noisier / first - 1.0 < -0.01);
}

/// Noise between seeds, symmetric about 0.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Normal,
    Laplace,
    /// Student's t with three degrees of freedom.
    T3,
    /// One seed in five is ten times as noisy.
    TwoSpeed,
    /// None at all, but for one seed in ten.
    RareOutlier,
    /// Always of the same size: only the sign is random.
    EqualSize,
}

const SHAPES: [Shape; 6] = [
    Shape::Normal,
    Shape::Laplace,
    Shape::T3,
    Shape::TwoSpeed,
    Shape::RareOutlier,
    Shape::EqualSize,
];

impl Shape {
    fn draw(self, rng: &mut ChaCha8Rng) -> f64 {
        const SCALE: f64 = 0.03;
        let sign = if rng.random::<bool>() { SCALE } else { -SCALE };
        let share = rng.random::<f64>();
        match self {
            Self::Normal => sign * normal(rng),
            Self::Laplace => sign * (1.0 - share).ln(),
            Self::T3 => {
                let squares: f64 = (0..3).map(|_| normal(rng).powi(2)).sum();
                sign * normal(rng) / (squares / 3.0).sqrt()
            }
            Self::TwoSpeed if share < 0.2 => sign * 5.0 * normal(rng),
            Self::TwoSpeed => sign * 0.5 * normal(rng),
            Self::RareOutlier if share < 0.1 => sign * 10.0,
            Self::RareOutlier => 0.0,
            Self::EqualSize => sign,
        }
    }
}

const THRESHOLD: f64 = 100.0;
const SEEDS: usize = 40;

/// Whether one gate of seeds, whose true gain is the least one, is called faster.
fn is_called_faster(steps: impl Iterator<Item = f64>, blocks: Option<Vec<f64>>) -> bool {
    let rule = SeedRule {
        min_speedup: 0.005,
        alpha: 0.01,
        threshold: THRESHOLD,
        screen: false,
        max_seeds: SEEDS,
        bound_seeds: 0,
        earlier_seeds: 0,
    };
    let mut evidence = SeedEvidence::new(rule, blocks).expect("the rule is valid");
    let decision = steps.take(SEEDS).find_map(|y| evidence.push(y));
    decision.is_some_and(|decision| decision.outcome == Outcome::Faster)
}

/// At most 1 in 100, plus three standard errors.
fn assert_rare(shape: &str, wrong: usize, gates: usize) {
    let share = 1.0 / THRESHOLD;
    let most = share + 3.0 * (share * (1.0 - share) / gates as f64).sqrt();
    let got = wrong as f64 / gates as f64;
    println!("{shape}: {wrong} of {gates}, {:.2} %", 100.0 * got);
    assert!(got <= most, "{shape}: {wrong} of {gates}");
}

/// Gates of equal step time, whose seeds are symmetric about the least gain.
fn equal_step_time(gates: usize) {
    let boundary = 0.005f64.ln_1p();
    for (seed, shape) in (1..).zip(SHAPES) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let wrong = (0..gates).filter(|_| {
            let steps = std::iter::repeat_with(|| boundary + shape.draw(&mut rng));
            is_called_faster(steps, None)
        });
        let wrong = wrong.count();
        assert_rare(&format!("{shape:?}"), wrong, gates);
    }
}

/// Gates of steps that are 3 % shorter in time, and of so many more of them that the least gain is
/// left.
///
/// The infimum is slow to find. It is at most the value at the true `c`, so that it is looked for
/// only where that value is near the threshold; `spot_checks` gates of each shape check that.
fn measured_step_time(gates: usize, spot_checks: usize) {
    const STEP_TIME: f64 = 0.03;
    const BLOCKS: usize = 12;
    const NEAR: f64 = 0.1;
    let least = 0.005f64.ln_1p();
    for (seed, shape) in (101..).zip(SHAPES) {
        let noise = NOISES[seed as usize % NOISES.len()];
        let mut machine = Machine::new(noise, seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut wrong, mut wrong_at_true) = (0, 0);
        for gate in 0..gates {
            machine.rest();
            let blocks: Vec<_> = (0..BLOCKS)
                .map(|_| machine.block(STEP_TIME.exp_m1()))
                .collect();
            let [blocks, _] = evidence_of(&blocks);
            let steps: Vec<_> = (0..SEEDS)
                .map(|_| least - STEP_TIME + shape.draw(&mut rng))
                .collect();
            let infimum = |n| log_e_time_to_loss(&steps[..n], StepTime::Measured(&blocks), least);
            let at_true: Vec<_> = (1..=SEEDS)
                .map(|n| log_e_at(&steps[..n], &blocks, least, STEP_TIME))
                .collect();
            let values = &at_true;
            let reach = |need: f64| (1..=SEEDS).filter(move |n| values[n - 1] >= need);
            if gate < spot_checks {
                let n = 1 + (7 * gate) % SEEDS;
                assert!(infimum(n) <= at_true[n - 1] + NEAR, "{shape:?} {gate}");
            }
            let need = THRESHOLD.ln();
            wrong_at_true += usize::from(reach(need).next().is_some());
            wrong += usize::from(reach(need - NEAR).any(|n| infimum(n) >= need));
        }
        println!("at the true c: {wrong_at_true}");
        assert_rare(&format!("{shape:?}, {noise:?}"), wrong, gates);
    }
}

/// A debug build is some ten times slower.
const SLOWER: usize = if cfg!(debug_assertions) { 10 } else { 1 };

#[test]
fn least_gain_in_steps_is_not_above_it() {
    equal_step_time(2000 / SLOWER);
}

#[test]
fn least_gain_in_time_is_not_above_it() {
    measured_step_time(500 / SLOWER, 20 / SLOWER);
}

#[test]
#[ignore = "minutes; part of the nightly checks"]
fn twenty_thousand_at_the_boundary() {
    equal_step_time(20_000);
    measured_step_time(20_000, 20);
}
