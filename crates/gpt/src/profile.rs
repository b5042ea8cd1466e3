//! Where a step's time goes. Measured inside the program, so it is advice for people and agents,
//! never evidence.

use crate::config::Config;
use crate::data::Source;
use crate::figures;
use crate::gpu::Gpu;
use crate::peaks::{self, Peaks};
use crate::place::Place;
use crate::session::Run as _;
use crate::trainer::{Seeds, Trainer};
use anyhow::{Context as _, Result};
use nix::sys::resource::{UsageWho, getrusage};
use outpace_kernels::profile;
use serde::Serialize;
use std::time::Instant;

/// Steps before measuring: pages, caches and the allocator settle.
const WARM_UP_STEPS: u64 = 10;

/// What `profile` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// `outpace.profile/1`.
    pub schema: &'static str,
    /// Mean wall time of a step.
    pub step_time_s: f64,
    /// Tokens trained on a second.
    pub tokens_per_s: f64,
    /// The GPU; none on the CPU.
    pub device: Option<String>,
    /// Model FLOPs utilisation, between 0 and 1; none where the peak is unknown.
    pub utilisation: Option<f64>,
    /// Pages that the system had to find in memory for a step, after the warm-up: memory that is
    /// not used again.
    pub page_faults_per_step: f64,
    /// The most memory that the process held at once, on the GPU where it trains on one, before the
    /// machine's peaks are measured.
    pub peak_memory_bytes: u64,
    /// What the machine can do at most.
    pub peaks: Peaks,
    /// Most expensive first; `other` is what no operation claims.
    pub operations: Vec<Operation>,
}

/// One operation's part of a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Operation {
    /// For example `attention.forward`.
    pub name: String,
    /// Wall time; on a GPU the time of its kernels there.
    pub seconds_per_step: f64,
    /// Of the profiled step's time, between 0 and 1.
    pub share: f64,
    /// Floating-point operations a step, by the textbook count.
    pub flops: f64,
    /// Bytes of inputs and outputs a step, each counted once.
    pub bytes: f64,
    /// The shortest time in which the machine could do that, over the time that it took, between 0
    /// and 1. More where data come from a cache and not from memory. Nothing for `other`.
    pub share_of_limit: Option<f64>,
}

/// Trains a fresh model for a few steps and attributes the time of `steps` more.
///
/// # Errors
/// A failure of the training.
pub fn measure(config: &Config, source: &Source, place: &Place, steps: u64) -> Result<Profile> {
    let seeds = Seeds {
        model_seed: 1,
        data_seed: 1,
    };
    let mut trainer = Trainer::new(config, source, seeds, place)?;
    timed(&mut trainer, WARM_UP_STEPS)?;
    let alone_s = if place.is_cuda() {
        // Events between the kernels cost time there.
        Some(timed(&mut trainer, steps)?)
    } else {
        None
    };
    profile::enable(true);
    profile::take();
    let before = Memory::now()?;
    let profiled_s = timed(&mut trainer, steps)?;
    profile::enable(false);
    let after = Memory::now()?;
    let gpu = Gpu::of(place)?;
    let peaks = peaks::measure(place)?;
    let step_time_s = alone_s.unwrap_or(profiled_s);
    let tokens_per_s = config.tokens_per_step() as f64 / step_time_s;
    let flops_per_s = tokens_per_s * figures::flops_per_token(config);
    Ok(Profile {
        schema: "outpace.profile/1",
        step_time_s,
        tokens_per_s,
        utilisation: gpu.as_ref().and_then(|gpu| gpu.utilisation(flops_per_s)),
        page_faults_per_step: (after.page_faults - before.page_faults) as f64 / steps as f64,
        peak_memory_bytes: gpu
            .as_ref()
            .map_or(Some(after.peak_bytes), |gpu| gpu.peak_memory_bytes)
            .unwrap_or(0),
        device: gpu.map(|gpu| gpu.name),
        peaks,
        operations: operations(profiled_s, steps as f64, &peaks),
    })
}

/// Mean seconds of a step, the work on the device included.
fn timed(trainer: &mut Trainer<'_>, steps: u64) -> Result<f64> {
    let start = Instant::now();
    trainer.turn(steps)?;
    Ok(start.elapsed().as_secs_f64() / steps as f64)
}

/// What the system counts for this process.
struct Memory {
    page_faults: u64,
    peak_bytes: u64,
}

impl Memory {
    fn now() -> Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF).context("the use of memory")?;
        Ok(Self {
            page_faults: u64::try_from(usage.minor_page_faults())?,
            // Linux counts KiB.
            peak_bytes: 1024 * u64::try_from(usage.max_rss())?,
        })
    }
}

fn operations(step_time_s: f64, steps: f64, peaks: &Peaks) -> Vec<Operation> {
    let operation = |name: &str, seconds: f64, flops: f64, bytes: f64| Operation {
        name: name.to_owned(),
        seconds_per_step: seconds,
        share: seconds / step_time_s,
        flops,
        bytes,
        share_of_limit: (flops > 0.0 || bytes > 0.0).then(|| peaks.limit_s(flops, bytes) / seconds),
    };
    let mut operations: Vec<Operation> = profile::take()
        .into_iter()
        .map(|(name, t)| operation(name, t.seconds / steps, t.flops / steps, t.bytes / steps))
        .collect();
    let claimed: f64 = operations.iter().map(|o| o.seconds_per_step).sum();
    operations.push(operation("other", step_time_s - claimed, 0.0, 0.0));
    operations.sort_by(|a, b| b.seconds_per_step.total_cmp(&a.seconds_per_step));
    operations
}
