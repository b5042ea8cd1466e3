//! Measures one revision by itself: a trend for the history, never evidence.

use outpace_stats::{median, standard_deviation};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::block::seed;
use crate::executor::rounded;
use crate::plan::attribute;
use crate::{Executor, Plan, Side, WorkloadError, pilot};

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Seconds of each turn, one list a process.
    pub turns_s: Vec<Vec<f64>>,
    /// How the turns were laid out.
    pub plan: Plan,
    /// Median seconds of a step.
    pub step_time_s: f64,
    /// Standard deviation of the logarithm of the processes' medians.
    pub process_sd: f64,
    /// Tokens a step, if the workload says so.
    pub tokens_per_step: Option<u64>,
    /// Median seconds from start to ready.
    pub ready_s: f64,
    /// Largest peak of memory in MiB.
    pub peak_mib: f64,
    /// The last loss of the first process.
    pub loss: Option<f64>,
}

impl Measured {
    /// Tokens trained per second.
    pub fn tokens_per_s(&self) -> Option<f64> {
        self.tokens_per_step
            .map(|tokens| tokens as f64 / self.step_time_s)
    }
}

/// Starts `processes` fresh processes of the base, one after another, and times `pairs` turns of each.
///
/// # Errors
/// The program does not start or does not train.
pub fn measure_run(
    executor: &mut dyn Executor,
    processes: usize,
    pairs: usize,
    min_turn_s: f64,
    seed_of_run: u64,
    progress: impl FnMut(usize, f64),
) -> Result<Measured, WorkloadError> {
    let ran = run_all(
        executor,
        processes,
        pairs,
        min_turn_s,
        seed_of_run,
        progress,
    );
    ran.map_err(|error| attribute(executor, error))
}

fn run_all(
    executor: &mut dyn Executor,
    processes: usize,
    pairs: usize,
    min_turn_s: f64,
    seed_of_run: u64,
    mut progress: impl FnMut(usize, f64),
) -> Result<Measured, WorkloadError> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed_of_run);
    let seeds = [seed(&mut rng), seed(&mut rng)];
    let plan =
        pilot(executor, &[Side::Base], min_turn_s, pairs, seeds).map_err(|(_, error)| error)?;
    let (mut turns_s, mut ready, mut peak_mib, mut loss, mut tokens) =
        (Vec::new(), Vec::new(), 0.0_f64, None, None);
    for n in 0..processes {
        let mut process = executor.open(Side::Base, seed(&mut rng), seed(&mut rng))?;
        for _ in 0..plan.warmup_turns {
            process.turn(plan.steps_per_turn)?;
        }
        let mut times = Vec::with_capacity(plan.pairs);
        for _ in 0..plan.pairs {
            let turn = process.turn(plan.steps_per_turn)?;
            times.push(turn.seconds);
            if n == 0 {
                loss = turn.losses.last().copied().or(loss);
            }
        }
        ready.push(process.ready_s());
        tokens = process.tokens_per_step();
        peak_mib = peak_mib.max(process.close()?.peak_mib.unwrap_or(0.0));
        progress(n + 1, median(&times) / f64::from(plan.steps_per_turn));
        turns_s.push(times);
    }
    let medians: Vec<f64> = turns_s.iter().map(|t| median(t)).collect();
    let logs: Vec<f64> = medians.iter().map(|m| m.ln()).collect();
    Ok(Measured {
        step_time_s: median(&medians) / f64::from(plan.steps_per_turn),
        process_sd: if logs.len() > 1 {
            standard_deviation(&logs)
        } else {
            0.0
        },
        turns_s,
        plan,
        tokens_per_step: tokens,
        ready_s: rounded(median(&ready)),
        peak_mib: peak_mib.round(),
        loss,
    })
}
