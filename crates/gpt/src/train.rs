//! Training by hand: a live line of progress, a summary at the end.

use crate::config::Config;
use crate::data::Source;
use crate::gpu::Gpu;
use crate::place::Place;
use crate::trainer::{Seeds, Trainer};
use crate::{checkpoint, figures, peaks};
use anyhow::Result;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// How often the line is renewed on a terminal, and a line added to a log.
const LIVE: Duration = Duration::from_millis(200);
const LOG: Duration = Duration::from_secs(5);
/// A run that is shorter says little about speed, and is not held against the machine's peak, which
/// takes a second to measure.
const WORTH_A_PEAK: Duration = Duration::from_secs(3);

/// What to train.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Steps to add.
    pub steps: u64,
    /// What a fresh run starts from.
    pub seeds: Seeds,
    /// Checkpoint to go on from.
    pub checkpoint: Option<&'a Path>,
    /// Checkpoint to write.
    pub save: Option<&'a Path>,
    /// Threads, for the summary.
    pub threads: usize,
}

/// Trains, tells stderr how it goes and stdout how it went.
///
/// # Errors
/// A checkpoint that cannot be read or written, or a failure of the training.
pub fn by_hand(config: &Config, source: &Source, place: &Place, plan: &Plan<'_>) -> Result<()> {
    let mut trainer = Trainer::new(config, source, plan.seeds, place)?;
    if let Some(path) = plan.checkpoint {
        checkpoint::resume(&mut trainer, &config.model, path)?;
    }
    let mut progress = Progress::new(config);
    let mut loss = None;
    for _ in 0..plan.steps {
        let queued = trainer.queue_step()?;
        if progress.is_due() {
            progress.show(trainer.step, queued.to_scalar()?);
        }
        loss = Some(queued);
    }
    // Waits for what a GPU has still to do.
    let loss = loss.map_or(Ok(f64::NAN), |loss| loss.to_scalar())?;
    progress.finish();
    let (summary, reached) = (progress.summary(trainer.step, loss), progress.flops_per_s());
    if let Some(path) = plan.save {
        checkpoint::save(&trainer, &config.model, path)?;
    }
    if let Some(gpu) = Gpu::of(place)? {
        println!("{summary} {}", on_gpu(&gpu, reached));
        return Ok(());
    }
    println!("{summary} on {} threads", plan.threads);
    if progress.is_worth_a_peak() {
        let peak = peaks::measure(place)?.matmul_flops_per_s;
        println!(
            "{:.0} % of a large matrix product on this machine ({:.0} GFLOP/s)",
            100.0 * reached / peak,
            peak / 1e9
        );
    }
    Ok(())
}

/// `on an NVIDIA H100, 41.2 % of its peak (MFU), 12.3 GiB`.
fn on_gpu(gpu: &Gpu, flops_per_s: f64) -> String {
    let mut text = format!("on {}", gpu.name);
    if let Some(share) = gpu.utilisation(flops_per_s) {
        text += &format!(", {:.1} % of its peak (MFU)", 100.0 * share);
    }
    if let Some(bytes) = gpu.peak_memory_bytes {
        text += &format!(", {:.2} GiB", bytes as f64 / (1_u64 << 30) as f64);
    }
    text
}

struct Progress {
    live: bool,
    tokens_per_step: f64,
    flops_per_token: f64,
    start: Instant,
    shown: Instant,
    /// Steps since `start` and since `shown`.
    steps: u64,
    fresh: u64,
}

impl Progress {
    fn new(config: &Config) -> Self {
        let now = Instant::now();
        Self {
            live: std::io::stderr().is_terminal(),
            tokens_per_step: config.tokens_per_step() as f64,
            flops_per_token: figures::flops_per_token(config),
            start: now,
            shown: now,
            steps: 0,
            fresh: 0,
        }
    }

    /// Counts a step; says whether it is time to show one. Then its loss is read, which on a GPU
    /// waits for it.
    fn is_due(&mut self) -> bool {
        self.steps += 1;
        self.fresh += 1;
        self.shown.elapsed() >= if self.live { LIVE } else { LOG }
    }

    fn show(&mut self, step: u64, loss: f64) {
        let elapsed = self.shown.elapsed();
        let line = format!(
            "step {step}  loss {loss:.4}  {}",
            self.speed(self.fresh, elapsed)
        );
        let mut stderr = std::io::stderr();
        // Progress that nobody can read is no reason to stop training.
        let _ = if self.live {
            write!(stderr, "\r{line}\x1b[K")
        } else {
            writeln!(stderr, "{line}")
        };
        let _ = stderr.flush();
        self.shown = Instant::now();
        self.fresh = 0;
    }

    fn finish(&self) {
        if self.live {
            eprint!("\r\x1b[K");
        }
    }

    fn summary(&self, step: u64, loss: f64) -> String {
        let elapsed = self.start.elapsed();
        let step_time_ms = elapsed.as_secs_f64() * 1e3 / self.steps.max(1) as f64;
        format!(
            "step {step}  loss {loss:.4}  {}  {step_time_ms:.2} ms a step",
            self.speed(self.steps, elapsed)
        )
    }

    fn flops_per_s(&self) -> f64 {
        let flops = self.steps as f64 * self.tokens_per_step * self.flops_per_token;
        flops / self.start.elapsed().as_secs_f64()
    }

    fn is_worth_a_peak(&self) -> bool {
        self.start.elapsed() >= WORTH_A_PEAK
    }

    fn speed(&self, steps: u64, elapsed: Duration) -> String {
        let tokens_per_s = steps as f64 * self.tokens_per_step / elapsed.as_secs_f64();
        let gflops = tokens_per_s * self.flops_per_token / 1e9;
        format!("{tokens_per_s:.0} tokens/s  {gflops:.1} GFLOP/s")
    }
}
