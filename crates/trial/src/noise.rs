//! What a machine can see: the base against itself, labels hidden, nothing stopped early.

use std::time::Instant;

use outpace_record::{Event, Observer};
use outpace_stats::{Rule, block_log_ratio, standard_deviation};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::block::{BlockPlan, run_block, seed};
use crate::gpu::conditions_of;
use crate::plan::{choose_placement, pilot};
use crate::{Executor, Settings, Side, SideError};

/// Sets the draws of order apart from those of the workload's seeds.
const ORDER_SEED: u64 = 0xAA;

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

/// Measures `blocks` blocks of a revision against itself: both subjects of `executor` are the base.
///
/// # Errors
/// The workload fails or the user asked to stop.
pub fn measure_noise(
    executor: &mut dyn Executor,
    settings: &Settings,
    blocks: usize,
    observer: &mut dyn Observer,
) -> Result<Noise, SideError> {
    let mut rng = ChaCha20Rng::seed_from_u64(settings.seed);
    let seeds = [seed(&mut rng), seed(&mut rng)];
    let sides = [Side::Base];
    let mut plan = pilot(executor, &sides, settings.min_turn_s, settings.pairs, seeds)?;
    let placement = choose_placement(executor, &mut plan).map_err(|e| (Side::Base, e))?;
    let mut order = ChaCha20Rng::seed_from_u64(settings.seed ^ ORDER_SEED);
    let (mut log_ratios, mut turns_s, mut conditions) = (Vec::new(), 0.0, Vec::new());
    let begin = Instant::now();
    for n in 0..blocks {
        let block = BlockPlan {
            plan,
            model_seed: seed(&mut rng),
            data_seed: seed(&mut rng),
            probe_before: None,
        };
        let measured = run_block(executor, &block, &mut order)?;
        turns_s += measured.pairs.iter().flatten().sum::<f64>();
        let log_ratio = block_log_ratio(&measured.pairs)?;
        log_ratios.push(log_ratio);
        conditions.push(measured.gpus);
        observer.on(&Event::NoiseBlock {
            workload: settings.workload.clone(),
            n_blocks: n + 1,
            of: blocks,
            log_ratio,
        });
    }
    let wall_s = begin.elapsed().as_secs_f64();
    Ok(Noise {
        sd: standard_deviation(&log_ratios),
        block_s: wall_s / blocks as f64,
        overhead: 1.0 - turns_s / wall_s,
        log_ratios,
        placement,
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
