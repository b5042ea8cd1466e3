//! What a machine can see: the base against itself, nothing stopped early.

use outpace_record::{Block, Event, Observer};
use outpace_stats::{Rule, Schedule, block_log_ratio, standard_deviation};

use crate::isolated::shortest_confirmation_s;
use crate::{Executor, Settings, SideError, measure_beside};

/// What an A/A measurement found.
#[derive(Debug, Clone, PartialEq)]
pub struct Noise {
    /// Raw samples.
    pub blocks: Vec<Block>,
    /// Their log ratios.
    pub log_ratios: Vec<f64>,
    /// Their standard deviation.
    pub sd: f64,
    /// Wall seconds of a block.
    pub block_s: f64,
    /// How long the blocks of a trial would be.
    pub schedule: Schedule,
    /// Longest time from start to ready.
    pub ready_s: f64,
    /// Share of a block in which no measured turn ran.
    pub overhead: f64,
    /// Where the processes lived on GPUs, in a line; absent where none was used.
    pub placement: Option<String>,
    /// How the GPUs were, in a line.
    pub conditions: Option<String>,
}

impl Noise {
    /// CPU time that the sides used while they waited, as a share of the other's turns.
    pub fn waiting_share(&self) -> Option<f64> {
        let waited: Option<f64> = self
            .blocks
            .iter()
            .map(|b| Some(b.idle_cpu_s?[0] + b.idle_cpu_s?[1]))
            .sum();
        let turns: f64 = self.blocks.iter().flat_map(|b| &b.pairs).flatten().sum();
        Some(waited? / turns)
    }
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
    observer.on(&Event::NoiseStarted {
        workload: settings.workload.clone(),
        blocks,
    });
    let mut enough = |measured: &[Block]| measured.len() >= blocks;
    let measured = measure_beside(executor, settings, &mut enough, observer)?;
    let ready = measured.blocks.iter().filter_map(|block| block.ready_s);
    let ready_s = ready.flatten().fold(0.0, f64::max);
    let log_ratios = measured.blocks.iter().map(|b| block_log_ratio(&b.pairs));
    let log_ratios = log_ratios.collect::<Result<Vec<f64>, _>>()?;
    Ok(Noise {
        sd: standard_deviation(&log_ratios),
        block_s: measured.wall_s / blocks as f64,
        ready_s,
        overhead: measured.overhead,
        schedule: measured.plan.schedule(),
        blocks: measured.blocks,
        log_ratios,
        placement: measured.placement,
        conditions: measured.conditions,
    })
}

impl Noise {
    /// Blocks and seconds to prove a true gain, isolated runs included.
    pub fn forecast(&self, speedup: f64, rule: &Rule) -> (Option<usize>, Option<f64>) {
        let rule = rule.of_programs();
        let blocks = outpace_stats::forecast(&self.blocks, speedup, &rule, &self.schedule);
        (blocks, blocks.map(|n| self.seconds_of(n)))
    }

    fn seconds_of(&self, blocks: usize) -> f64 {
        let start_s = self.overhead * self.block_s;
        let of_block = self.blocks.first().map_or(0, |block| block.pairs.len());
        let pair_s = (self.block_s - start_s) / of_block.max(1) as f64;
        let pairs = self.schedule.expected_pairs(blocks);
        let trial_s = start_s * blocks as f64 + pair_s * pairs;
        if self.schedule.pairs == 1 {
            return trial_s;
        }
        trial_s + shortest_confirmation_s(start_s, pair_s, pairs / blocks as f64)
    }
}
