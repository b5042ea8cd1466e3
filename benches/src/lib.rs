//! What the benchmarks time: kernels, training steps, the verdict, the report. `cargo bench -p
//! outpace-benches` times the full size; the tests run the smoke size of every case and compare
//! what it gives back.
//!
//! Nothing here is evidence: a number of one process says little about the next one
//! (docs/noise.md). `outpace gate` proves.

#[path = "../../crates/report/tests/report/common.rs"]
#[expect(dead_code, reason = "the tests of the report need more of it")]
mod made_up;

use anyhow::Result;
use outpace_gpt::config::Config;
use outpace_gpt::data::Source;
use outpace_gpt::drill::{Drill, Operation};
use outpace_gpt::figures::flops_per_token;
use outpace_gpt::place::Place;
use outpace_gpt::session::{Run as _, Start};
use outpace_gpt::trainer::{Seeds, Trainer};
use outpace_stats::{Pair, Rule, judge};

/// How much work a case does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// What users run.
    Full,
    /// The same in a few milliseconds.
    Smoke,
}

/// Something to time.
pub struct Case {
    /// Group and name, like `kernel/attention`.
    pub name: String,
    /// Floating-point operations by the textbook count; 0 where they are not the point.
    pub flops: f64,
    /// Bytes of inputs and outputs, each counted once; 0 where they are not the point.
    pub bytes: f64,
    /// Does it once and gives back a checksum of the result. The first call is the same in every
    /// process.
    pub run: Box<dyn FnMut() -> Result<f64>>,
}

/// All cases.
///
/// # Errors
/// Only what candle reports.
pub fn cases(size: Size) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for operation in Operation::all() {
        cases.push(kernel(*operation, size)?);
    }
    cases.push(training(size)?);
    cases.push(verdict(size));
    cases.push(report(size));
    Ok(cases)
}

/// Lives as long as the process: cases borrow it.
fn config(size: Size) -> Result<&'static Config> {
    let text = match size {
        Size::Full => include_str!("../../crates/gpt/configs/gpt-nano.toml"),
        Size::Smoke => include_str!("smoke.toml"),
    };
    Ok(Box::leak(Box::new(Config::parse(text)?)))
}

const SEEDS: Seeds = Seeds {
    model_seed: 1,
    data_seed: 1,
};

fn kernel(operation: Operation, size: Size) -> Result<Case> {
    let config = config(size)?;
    let mut drill = Drill::new(config, operation, &Start::fresh(SEEDS), &Place::cpu())?;
    let (flops, bytes) = outpace_gpt::drill::cost(config, operation)?;
    Ok(Case {
        name: format!("kernel/{}", operation.name()),
        flops,
        bytes,
        run: Box::new(move || drill.step()),
    })
}

fn training(size: Size) -> Result<Case> {
    let config = config(size)?;
    let source: &'static Source = Box::leak(Box::new(Source::open(config, None)?));
    let mut trainer = Trainer::new(config, source, SEEDS, &Place::cpu())?;
    Ok(Case {
        name: "training/step".to_owned(),
        flops: flops_per_token(config) * config.tokens_per_step() as f64,
        bytes: 0.0,
        run: Box::new(move || trainer.step()),
    })
}

/// A trial judged block by block, with its bounds.
fn verdict(size: Size) -> Case {
    let (blocks, pairs) = match size {
        Size::Full => (24, 9),
        Size::Smoke => (3, 5),
    };
    let noise = numbers(2 * blocks * pairs);
    let pair = |p: &[f64]| [0.02 * (1.0 + 0.02 * p[0]), 0.02 * (1.0 + 0.02 * p[1])];
    let all: Vec<Pair> = noise.chunks(2).map(pair).collect();
    let blocks: Vec<Vec<Pair>> = all.chunks(pairs).map(<[Pair]>::to_vec).collect();
    Case {
        name: "verdict/judge".to_owned(),
        flops: 0.0,
        bytes: 0.0,
        run: Box::new(move || Ok(judge(&blocks, &Rule::default())?.summary.log_e)),
    }
}

/// The HTML page of a campaign.
fn report(size: Size) -> Case {
    let attempts = match size {
        Size::Full => 38,
        Size::Smoke => 3,
    };
    let data = made_up::campaign(attempts);
    Case {
        name: "report/html".to_owned(),
        flops: 0.0,
        bytes: 0.0,
        run: Box::new(move || Ok(outpace_report::html(&data)?.len() as f64)),
    }
}

/// Numbers between -1 and 1 that are the same in every run.
fn numbers(n: usize) -> Vec<f64> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    (0..n).map(|_| next()).collect()
}
