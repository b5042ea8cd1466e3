//! Every number of proof/vectors.json, to 1e-9.

use outpace_stats::{
    GAMMA_SUM, Pair, Rule, SCALES, STAKES, e_lond_threshold, gamma, judge, log_e, lower_bound,
    upper_bound,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    grid: Vec<(f64, f64)>,
    gamma_sum: f64,
    e_values: Vec<EValue>,
    bounds: Vec<Bounds>,
    thresholds: Vec<Threshold>,
    trials: Vec<Trial>,
}

#[derive(Deserialize)]
struct EValue {
    x: Vec<f64>,
    m: f64,
    log_e: f64,
}

#[derive(Deserialize)]
struct Bounds {
    x: Vec<f64>,
    alpha: f64,
    at_least: Option<f64>,
    at_most: Option<f64>,
}

#[derive(Deserialize)]
struct Threshold {
    t: usize,
    discoveries: usize,
    fdr: f64,
    threshold: f64,
}

#[derive(Deserialize)]
struct Trial {
    name: String,
    min_speedup: f64,
    alpha: f64,
    screen: bool,
    blocks: Vec<Vec<Pair>>,
    expect: Expect,
}

#[derive(Deserialize)]
struct Expect {
    verdict: String,
    reason: String,
    blocks: usize,
    log_e: f64,
    speedup: f64,
    at_least: Option<f64>,
    at_most: Option<f64>,
}

fn vectors() -> Vectors {
    let text = include_str!("../data/vectors.json");
    serde_json::from_str(text).expect("the vectors are what reference.py wrote")
}

/// Within 1e-9, relative above 1.
fn close(what: &str, got: f64, want: f64) {
    let tolerance = 1e-9 * want.abs().max(1.0);
    assert!(
        (got - want).abs() <= tolerance,
        "{what}: got {got}, want {want}"
    );
}

fn close_option(what: &str, got: Option<f64>, want: Option<f64>) {
    match (got, want) {
        (Some(got), Some(want)) => close(what, got, want),
        _ => assert_eq!(got, want, "{what}"),
    }
}

#[test]
fn grid() {
    let want = vectors().grid;
    assert_eq!(want.len(), SCALES.len() * STAKES.len());
    let bets = STAKES
        .iter()
        .flat_map(|b| SCALES.iter().map(move |a| (*a, *b)));
    for ((a, b), (want_a, want_b)) in bets.zip(want) {
        close("a", a, want_a);
        close("b", b, want_b);
    }
    for (k, a) in SCALES.iter().enumerate() {
        close("formula", *a, 3.0 * 10f64.powf(k as f64 / 4.0));
    }
}

#[test]
fn gamma_weights() {
    assert_eq!(GAMMA_SUM, vectors().gamma_sum);
    // The sum over n > N lies between the integrals from N + 1 and from N: 1 / ln.
    let n = 200_000;
    let head: f64 = (1..n).map(gamma).sum();
    let tail = |n: f64| 1.0 / (GAMMA_SUM * n.ln());
    assert!(head + tail(n as f64 + 1.0) <= 1.0 && 1.0 <= head + tail(n as f64));
}

#[test]
fn e_values() {
    for v in vectors().e_values {
        close("log_e", log_e(&v.x, v.m), v.log_e);
    }
}

#[test]
fn bounds() {
    for v in vectors().bounds {
        close_option("at_least", lower_bound(&v.x, v.alpha), v.at_least);
        close_option("at_most", upper_bound(&v.x, v.alpha), v.at_most);
    }
}

#[test]
fn thresholds() {
    for v in vectors().thresholds {
        let got = e_lond_threshold(v.t, v.discoveries, v.fdr);
        close("threshold", got, v.threshold);
    }
    assert_eq!(e_lond_threshold(0, 0, 0.05), f64::INFINITY);
    assert_eq!(e_lond_threshold(1, 0, -0.05), f64::INFINITY);
    assert_eq!(e_lond_threshold(1, 0, f64::NAN), f64::INFINITY);
}

#[test]
fn trials() {
    for v in vectors().trials {
        let rule = Rule {
            min_speedup: v.min_speedup,
            alpha: v.alpha,
            screen: v.screen,
            ..Rule::default()
        };
        let got = judge(&v.blocks, &rule).expect("the vectors are valid");
        let what = format!("{} (screen {})", v.name, v.screen);
        assert_eq!(got.outcome.as_str(), v.expect.verdict, "{what}");
        assert_eq!(got.reason.as_str(), v.expect.reason, "{what}");
        assert_eq!(got.summary.n_blocks, v.expect.blocks, "{what}");
        close(&what, got.summary.log_e, v.expect.log_e);
        close(&what, got.summary.speedup, v.expect.speedup);
        close_option(&what, got.summary.at_least, v.expect.at_least);
        close_option(&what, got.summary.at_most, v.expect.at_most);
    }
}
