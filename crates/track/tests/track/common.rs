//! Points, records and noise for the tests.

use outpace_record::{Blessing, Block, Change, ChangeState, Document, Machine, Timestamp};
use outpace_track::Point;

/// Noise without a library: a fixed sequence that looks normal enough.
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The sum of twelve uniform draws.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_800_000_000 + second)
}

/// The name of the n-th commit.
pub(crate) fn commit(n: usize) -> String {
    format!("{n:040x}")
}

pub(crate) fn point(n: usize, value: f64) -> Point {
    Point {
        workload: "w".into(),
        machine_class: "m".into(),
        series: commit(0),
        anchor: commit(0),
        commit: commit(n),
        summary: format!("commit {n}"),
        committed: Some(at(n as i64)),
        measured: at(n as i64 + 1000),
        value,
        sd: 0.002,
        bounds: [Some(value - 0.01), Some(value + 0.01)],
        tokens_per_s: Some(1000.0 * value.exp()),
        step_time_s: 0.1 / value.exp(),
        same_as: None,
        artefact: format!("a{n}"),
        environment: "linux 6".into(),
        id: format!("r{n}"),
    }
}

/// A series that is slower by `change` (a log ratio) from commit `from` on.
pub(crate) fn stepped(n: usize, from: usize, change: f64, seed: u64) -> Vec<Point> {
    let mut draws = Draws::new(seed);
    let level = |n: usize| if n < from { 0.0 } else { change };
    let points = (0..n).map(|n| point(n, level(n) + 0.002 * draws.normal()));
    points.collect()
}

pub(crate) fn change(after: usize, state: ChangeState) -> Change {
    Change {
        schema: Change::SCHEMA.into(),
        workload: "w".into(),
        machine_class: "m".into(),
        series: commit(0),
        before: commit(after - 1),
        after: commit(after),
        summary: String::new(),
        state,
        test_index: 1,
        alpha: 0.01,
        found: -0.05,
        speedup: None,
        at_least: None,
        at_most: None,
        blocks: Vec::new(),
        reason: String::new(),
        seed: 1,
        machine: Machine::default(),
        outpace_version: "0.1.0".into(),
        finished: at(5000),
    }
}

pub(crate) fn blessing(n: usize, accepted: bool) -> Blessing {
    Blessing {
        schema: Blessing::SCHEMA.into(),
        commit: commit(n),
        workload: None,
        accepted,
        number: 0,
        reason: String::new(),
        by: String::new(),
        finished: at(6000),
    }
}

/// Blocks of two commits, the second slower by `change` (a log ratio, negative).
pub(crate) fn blocks(n: usize, change: f64, noise: f64, seed: u64) -> Vec<Block> {
    let mut draws = Draws::new(seed);
    let block = |_| {
        let shift = noise * draws.normal();
        let pairs = (0..10).map(|_| {
            let before = 0.1 * (0.002 * draws.normal()).exp();
            let after = 0.1 * (-change + shift + 0.002 * draws.normal()).exp();
            [before, after]
        });
        Block {
            pairs: pairs.collect(),
            ..Block::default()
        }
    };
    (0..n).map(block).collect()
}
