//! What this machine can see: the base against itself, labels hidden, nothing stopped early.

use outpace_record::Config;
use outpace_stats::{Rule, block_log_ratio, standard_deviation};
use outpace_trial::{
    BlockPlan, Built, Context, Lock, Observer, PeerError, Side, arena, conditions_of, pairs_of,
    pilot, run_block, settle,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use std::time::Instant;

use crate::ResearchError;
use crate::error::lock;

/// What an A/A measurement found.
#[derive(Debug, Clone, PartialEq)]
pub struct Noise {
    /// The block log ratios.
    pub log_ratios: Vec<f64>,
    /// Their standard deviation.
    pub sd: f64,
    /// Wall seconds of a block.
    pub block_s: f64,
    /// Share of a block in which no measured turn ran.
    pub overhead: f64,
    /// Where the processes lived on GPUs, in a line; absent where none was used.
    pub placement: Option<String>,
    /// How the GPUs were, in a line.
    pub conditions: Option<String>,
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Name of the workload.
    pub workload: &'a str,
    /// The revision.
    pub built: &'a Built,
    /// How many blocks.
    pub blocks: usize,
    /// Seed of every draw.
    pub seed: u64,
}

/// Measures blocks of a revision against itself.
///
/// # Errors
/// The workload fails or the user asked to stop.
pub fn measure_noise(
    context: &Context,
    config: &Config,
    sample: Sample<'_>,
    observer: &mut dyn Observer,
    mut progress: impl FnMut(usize, f64),
) -> Result<Noise, ResearchError> {
    let Sample {
        workload,
        built,
        blocks,
        seed,
    } = sample;
    let _lock = Lock::machine(observer, &|| context.launcher.cancelled()).map_err(lock)?;
    let of = &config.workload[workload];
    let failed = |(_, error): (Side, PeerError)| match error.is_cancelled() {
        true => ResearchError::Interrupted(Vec::new()),
        false => ResearchError::Environment(format!("{workload}: {error}")),
    };
    let mut arena = arena(context, of.protocol, of.gpu, [&built.run; 2])
        .map_err(|error| failed((Side::Base, error)))?;
    let pairs = pairs_of(of.protocol, config.gate.pairs);
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut draw = move || rng.random::<u64>() >> 11;
    let mut plan = pilot(
        &mut *arena,
        &[Side::Base],
        config.gate.min_turn_ms * 1e-3,
        pairs,
        [draw(), draw()],
    )
    .map_err(failed)?;
    let gpus = settle(&mut *arena, &mut plan).map_err(|error| failed((Side::Base, error)))?;
    let mut order = ChaCha20Rng::seed_from_u64(seed ^ 0xAA);
    let (mut log_ratios, mut turns_s, mut conditions) = (Vec::new(), 0.0, Vec::new());
    let begin = Instant::now();
    for n in 0..blocks {
        let block = BlockPlan {
            plan,
            model_seed: draw(),
            data_seed: draw(),
            listen_before: None,
        };
        let measured = run_block(&mut *arena, &block, &mut order).map_err(failed)?;
        turns_s += measured.pairs.iter().flatten().sum::<f64>();
        let x = block_log_ratio(&measured.pairs)
            .map_err(|error| ResearchError::Environment(error.to_string()))?;
        log_ratios.push(x);
        conditions.push(measured.gpus);
        progress(n + 1, x);
    }
    let wall_s = begin.elapsed().as_secs_f64();
    Ok(Noise {
        sd: standard_deviation(&log_ratios),
        block_s: wall_s / blocks as f64,
        overhead: 1.0 - turns_s / wall_s,
        log_ratios,
        placement: gpus,
        conditions: conditions_of(conditions.iter().map(|c| &c[..])).map(|check| check.detail),
    })
}

impl Noise {
    /// Blocks and seconds to prove a true gain.
    pub fn forecast(&self, speedup: f64, rule: &Rule) -> (Option<usize>, Option<f64>) {
        let blocks = outpace_stats::forecast(self.sd, speedup, rule);
        (blocks, blocks.map(|n| n as f64 * self.block_s))
    }
}
