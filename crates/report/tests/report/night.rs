//! A made-up night: series with every kind of change, the same on every machine.

use outpace_record::{Block, Change, ChangeState, Document, Failure, Machine, Stage, Timestamp};
use outpace_report::{CampaignLink, Night, SeriesOfNight};
use outpace_track::{Finding, Point, Series, Standing};

/// 2026-05-19 03:00 UTC.
pub(crate) const NOW: i64 = 1_779_159_600;

const DAY_S: i64 = 86_400;

/// Noise of a made-up series, as a log ratio.
const SD: f64 = 0.004;

/// Numbers that look random and are the same everywhere (SplitMix64).
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The sum of twelve uniform draws.
    fn normal(&mut self) -> f64 {
        let uniform = |z: u64| (z >> 11) as f64 / (1_u64 << 53) as f64;
        (0..12).map(|_| uniform(self.next())).sum::<f64>() - 6.0
    }
}

pub(crate) fn commit(n: usize) -> String {
    let mut draws = Draws(n as u64 + 1);
    let text = format!(
        "{:016x}{:016x}{:016x}",
        draws.next(),
        draws.next(),
        draws.next()
    );
    text[..40].to_owned()
}

/// A step of the level: at which point, and by how much.
pub(crate) type Step = (usize, f64);

pub(crate) fn point(workload: &str, class: &str, n: usize, of: usize, value: f64) -> Point {
    let committed = NOW - DAY_S / 3 * (of - n) as i64;
    Point {
        workload: workload.into(),
        machine_class: class.into(),
        series: commit(0),
        anchor: commit(0),
        commit: commit(n),
        summary: format!("kernels: change number {n} of the inner loop"),
        committed: Some(Timestamp::from_unix_seconds(committed)),
        measured: Timestamp::from_unix_seconds(committed + 3600),
        value,
        sd: SD,
        bounds: [Some(value - 2.5 * SD), Some(value + 2.5 * SD)],
        tokens_per_s: Some(41_210.0 * value.exp()),
        step_time_s: 0.0248 / value.exp(),
        same_as: None,
        artefact: format!("a{n}"),
        environment: "Linux 6.1".into(),
        id: format!("{n:064x}"),
    }
}

/// A series of `n` commits with steps, which are its findings.
pub(crate) fn series(
    (workload, class): (&str, &str),
    n: usize,
    steps: &[(Step, Standing)],
) -> SeriesOfNight {
    let mut draws = Draws((workload.len() + 31 * class.len()) as u64);
    let level = |i: usize| {
        steps
            .iter()
            .filter(|s| s.0.0 <= i)
            .map(|s| s.0.1)
            .sum::<f64>()
    };
    let points: Vec<Point> = (0..n)
        .map(|i| point(workload, class, i, n, level(i) + SD * draws.normal()))
        .collect();
    let findings = steps.iter().map(|&((at, change), standing)| Finding {
        before: at - 1,
        after: at,
        change,
        standing,
        proof: proof(standing, &points, at, change),
    });
    let findings = findings.collect();
    let (first, anchor) = (commit(0), commit(0));
    let (workload, machine_class) = (workload.into(), class.into());
    let series = Series {
        workload,
        machine_class,
        first,
        anchor,
        points,
    };
    SeriesOfNight { series, findings }
}

/// The record of a fresh trial, where a change of this standing has one.
pub(crate) fn proof(standing: Standing, points: &[Point], at: usize, found: f64) -> Option<Change> {
    let state = match standing {
        Standing::Regression | Standing::Unconfirmed => ChangeState::Proven,
        Standing::NotProven => ChangeState::NotProven,
        Standing::Unmeasurable => ChangeState::Unmeasurable,
        _ => return None,
    };
    let measured = state != ChangeState::Unmeasurable;
    Some(Change {
        schema: Change::SCHEMA.into(),
        workload: points[at].workload.clone(),
        machine_class: points[at].machine_class.clone(),
        series: commit(0),
        before: points[at - 1].commit.clone(),
        after: points[at].commit.clone(),
        summary: points[at].summary.clone(),
        state,
        test_index: 3,
        alpha: 0.0025,
        found: found.exp_m1(),
        speedup: measured.then(|| found.exp_m1() + 0.002),
        at_least: measured.then(|| found.exp_m1() - 0.011),
        at_most: measured.then(|| found.exp_m1() + 0.012),
        blocks: vec![Block::default(); if measured { 14 } else { 0 }],
        reason: if measured {
            String::new()
        } else {
            "the commit before does not build".into()
        },
        seed: 7,
        machine: Machine::default(),
        outpace_version: "0.1.0".into(),
        finished: Timestamp::from_unix_seconds(NOW - 3600),
    })
}

pub(crate) fn failure(workload: &str, class: &str, n: usize, finished: i64) -> Failure {
    Failure {
        schema: Failure::SCHEMA.into(),
        workload: workload.into(),
        commit: commit(n),
        summary: format!("model: half a change, number {n}"),
        committed: Some(Timestamp::from_unix_seconds(finished - 7200)),
        machine_class: class.into(),
        stage: Stage::Build,
        reason: "error[E0432]: unresolved import `crate::attention::tile`".into(),
        outpace_version: "0.1.0".into(),
        finished: Timestamp::from_unix_seconds(finished),
    }
}

/// Nothing at all.
pub(crate) fn empty() -> Night {
    Night {
        title: "Nightly".into(),
        generated: Timestamp::from_unix_seconds(NOW),
        commit_base: None,
        series: vec![],
        campaigns: vec![],
        failures: vec![],
    }
}

/// Another environment and another anchor on the way.
fn moved(class: &str) -> SeriesOfNight {
    let mut item = series(
        ("gpt-nano", class),
        140,
        &[
            ((40, -0.021), Standing::Accepted),
            ((90, 0.008), Standing::Faster),
        ],
    );
    for point in &mut item.series.points[60..] {
        point.environment = "Linux 6.6".into();
    }
    for point in &mut item.series.points[110..] {
        point.anchor = commit(60);
    }
    item.series.anchor = commit(60);
    item
}

/// A slowdown somewhere between two commits; some have the artefact of another.
fn between(class: &str) -> SeriesOfNight {
    let mut item = series(
        ("gpt-small", class),
        120,
        &[((100, -0.031), Standing::Found)],
    );
    item.findings[0].before = 96;
    for i in [97, 98, 99, 30, 31, 50] {
        item.series.points[i].same_as = Some(commit(i - 1));
    }
    item
}

/// A regression that was brought back, and no commit in three weeks.
fn old(class: &str) -> SeriesOfNight {
    let mut item = series(
        ("rotary, alone", class),
        90,
        &[
            ((20, -0.03), Standing::Mended),
            ((50, 0.03), Standing::Faster),
        ],
    );
    for point in &mut item.series.points {
        let earlier = point.measured.unix_seconds() - 20 * DAY_S;
        point.measured = Timestamp::from_unix_seconds(earlier);
        point.committed = Some(point.measured);
    }
    item
}

/// Seven series: one of each state, one of ten thousand commits, one of a single commit.
pub(crate) fn night() -> Night {
    let (epyc, xeon, h100) = (
        "epyc-7b13-x2-9ac41d20",
        "xeon-8481c-x8-77aa01bc",
        "h100-x1-5e5e0011",
    );
    Night {
        title: "Nightly, main".into(),
        commit_base: Some("https://git.example/outpace-dev/outpace".into()),
        series: vec![
            moved(xeon),
            series(
                ("gpt-nano", h100),
                10_000,
                &[
                    ((2500, 0.08), Standing::Faster),
                    ((6000, -0.006), Standing::Small),
                    ((9000, -0.01), Standing::NotProven),
                ],
            ),
            series(
                ("gpt-nano", epyc),
                260,
                &[
                    ((80, 0.041), Standing::Faster),
                    ((180, -0.051), Standing::Regression),
                    ((240, -0.022), Standing::Unconfirmed),
                ],
            ),
            between(epyc),
            series(("gpt-small", xeon), 1, &[]),
            series(
                ("gpt-small", h100),
                45,
                &[((30, -0.04), Standing::Unmeasurable)],
            ),
            old(epyc),
        ],
        campaigns: vec![CampaignLink {
            title: "gpt-nano, tuned for ten minutes".into(),
            href: "../2026-05-18/index.html".into(),
            line: "38 tried, 3 merged, proven at least +11.2 % since the start".into(),
        }],
        failures: vec![
            failure("gpt-small", epyc, 900, NOW - 1800),
            failure("gpt-nano", epyc, 70, NOW - 40 * DAY_S),
        ],
        ..empty()
    }
}
