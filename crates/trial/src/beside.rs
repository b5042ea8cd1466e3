//! Two revisions beside each other for as many blocks as the caller wants: for the history, where
//! both stand already and nothing is to be merged. No correctness check, no guards, no verdict.

use outpace_record::{Block, Event, Observer, TokensPerS};
use outpace_stats::{block_log_ratio, median};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::block::{BlockPlan, BlockResult, measure, seed};
use crate::gpu::conditions_of;
use crate::plan::{choose_placement, pilot, separated};
use crate::{Executor, Plan, Settings, Side, SideError};

/// Sets the draws of order apart from those of the workload's seeds.
const ORDER_SEED: u64 = 0xAA;

/// What was measured of two revisions.
#[derive(Debug, Clone, PartialEq)]
pub struct SideBySide {
    /// Raw samples.
    pub blocks: Vec<Block>,
    /// How they were laid out.
    pub plan: Plan,
    /// Throughput of both, where the workload says what a step trains on.
    pub tokens_per_s: Option<TokensPerS>,
    /// Wall seconds of all blocks.
    pub wall_s: f64,
    /// Share of that in which no measured turn ran.
    pub overhead: f64,
    /// Where the processes lived on GPUs, in a line; absent where none was used.
    pub placement: Option<String>,
    /// How the GPUs were, in a line.
    pub conditions: Option<String>,
}

/// Measures blocks until `enough` says so, which is asked after each.
///
/// # Errors
/// A side fails or the user asked to stop.
pub fn measure_beside(
    executor: &mut dyn Executor,
    settings: &Settings,
    enough: &mut dyn FnMut(&[Block]) -> bool,
    observer: &mut dyn Observer,
) -> Result<SideBySide, SideError> {
    let mut rng = ChaCha20Rng::seed_from_u64(settings.seed);
    let seeds = [seed(&mut rng), seed(&mut rng)];
    observer.on(&Event::PilotStarted {
        workload: settings.workload.clone(),
    });
    let mut plan = pilot(
        executor,
        &Side::BOTH,
        settings.min_turn_s,
        settings.pairs,
        seeds,
    )?;
    let placement = choose_placement(executor, &mut plan).map_err(|e| (Side::Base, e))?;
    let mut order = ChaCha20Rng::seed_from_u64(settings.seed ^ ORDER_SEED);
    let mut side_by_side = SideBySide {
        blocks: Vec::new(),
        plan,
        tokens_per_s: None,
        wall_s: 0.0,
        overhead: 0.0,
        placement,
        conditions: None,
    };
    let (mut turns_s, mut conditions) = (0.0, Vec::new());
    let tokens = loop {
        let block = BlockPlan {
            plan,
            model_seed: seed(&mut rng),
            data_seed: seed(&mut rng),
            probe_before: None,
            save: false,
        };
        let measured = match measure(executor, &block, &mut order) {
            Ok(measured) => measured,
            Err(failed) => {
                let first = side_by_side.blocks.is_empty();
                if first && separated(executor, &mut plan, &failed, seeds, observer) {
                    side_by_side.plan = plan;
                    continue;
                }
                return Err(failed.into());
            }
        };
        let BlockResult {
            block,
            wall_s,
            turns_s: of_block,
            tokens_per_step,
            ..
        } = measured;
        turns_s += of_block;
        side_by_side.wall_s += wall_s;
        conditions.push(block.gpus.clone());
        let log_ratio = block_log_ratio(&block.pairs)?;
        side_by_side.blocks.push(block);
        observer.on(&Event::SideBlock {
            workload: settings.workload.clone(),
            n_blocks: side_by_side.blocks.len(),
            log_ratio,
            block_s: wall_s,
        });
        if enough(&side_by_side.blocks) {
            break tokens_per_step;
        }
    };
    side_by_side.overhead = 1.0 - turns_s / side_by_side.wall_s;
    side_by_side.conditions =
        conditions_of(conditions.iter().map(|c| &c[..])).map(|check| check.detail);
    side_by_side.tokens_per_s = side_by_side.throughput(tokens);
    Ok(side_by_side)
}

impl SideBySide {
    /// Median seconds of one step, base and candidate.
    pub fn step_s(&self) -> [f64; 2] {
        [0, 1].map(|side| {
            let times = self.blocks.iter().flat_map(|block| &block.pairs);
            let times: Vec<f64> = times.map(|pair| pair[side]).collect();
            median(&times) / f64::from(self.plan.steps_per_turn)
        })
    }

    fn throughput(&self, [base, candidate]: [Option<u64>; 2]) -> Option<TokensPerS> {
        let [base_s, candidate_s] = self.step_s();
        Some(TokensPerS {
            base: base? as f64 / base_s,
            candidate: candidate? as f64 / candidate_s,
        })
    }
}
