//! The trial: blocks until the evidence settles it.

use outpace_record::{Block, Check, Event, Observer, TokensPerS};
use outpace_stats::{Decision, Evidence, Outcome, Reason, median};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::block::{BlockPlan, BlockResult, measure, seed};
use crate::guards::{line, watch, watch_gain};
use crate::isolated::{Confirmation, confirm};
use crate::plan::{NOT_BESIDE_ITSELF, choose_placement, pilot, separated};
use crate::settings::{Settings, SideError};
use crate::{Executor, Plan, Side};

/// After the first block, so large a share of them is probed for work on a GPU while both sides
/// wait: it takes seconds, and no program can know when.
const PROBED_SHARE: f64 = 0.25;
/// A pilot that took so many times as long as the first block hints at work that is done once.
const PREPARED: f64 = 10.0;

/// Sets the draws of probing apart from those that a recorded seed replays.
const PROBE_SEED: u64 = 0x0011_57E4;
/// And those of the blocks' lengths.
const LENGTH_SEED: u64 = 0x1E46_7485;

/// What a trial found.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The decision; absent when it was interrupted or something watched was not in order
    /// ([`Trial::fault`]).
    pub decision: Option<Decision>,
    /// Raw samples.
    pub blocks: Vec<Block>,
    /// Raw samples of isolated runs, which a proven gain has to show in too.
    pub alone: Vec<Block>,
    /// Steps of a real run, over which isolated runs spread what a process costs once; absent where
    /// a turn is a whole command, which needs no such runs.
    pub steps_per_run: Option<u64>,
    /// Why a gain that was proven side by side is not proven after all, with its figures.
    pub refuted: Option<String>,
    /// The evidence in numbers.
    pub evidence: Evidence,
    /// How the blocks were laid out.
    pub plan: Plan,
    /// What was watched during the timing.
    pub checks: Vec<Check>,
    /// Throughput, where the workload says what a step trains on.
    pub tokens_per_s: Option<TokensPerS>,
    /// Share of the blocks' wall time in which no measured turn ran.
    pub overhead: f64,
    /// Wall seconds of the blocks and the pilot.
    pub trial_s: f64,
}

impl Trial {
    /// The first thing that was not in order, if any.
    pub fn fault(&self) -> Option<&Check> {
        self.checks.iter().find(|check| !check.passed)
    }

    fn confirm(&mut self, confirmation: Confirmation) {
        self.alone.extend(confirmation.blocks);
        self.checks.extend(confirmation.checks);
        if let Some((reason, why)) = confirmation.refuted {
            self.decision = Some(reason.into());
            self.refuted = Some(why);
        }
    }
}

/// Runs blocks until the rule decides. Ctrl-C ends it with what was measured so far.
///
/// # Errors
/// A side failed; see [`SideError::is_candidate`].
pub fn run_trial(
    executor: &mut dyn Executor,
    settings: &Settings,
    observer: &mut dyn Observer,
) -> Result<Trial, SideError> {
    let mut rng = draws(settings.seed, 0);
    let mut length_rng = ChaCha20Rng::seed_from_u64(settings.seed ^ LENGTH_SEED);
    let mut probe_rng = ChaCha20Rng::seed_from_u64(settings.seed ^ PROBE_SEED);
    observer.on(&Event::PilotStarted {
        workload: settings.workload.clone(),
    });
    let begin_s = executor.clock().now_s();
    let mut plan = pilot(
        executor,
        &Side::BOTH,
        settings.min_turn_s,
        settings.pairs,
        [seed(&mut rng), seed(&mut rng)],
    )?;
    let gpus = choose_placement(executor, &mut plan).map_err(|error| (Side::Base, error))?;
    observer.on(&Event::PilotEnded {
        workload: settings.workload.clone(),
        steps_per_turn: plan.steps_per_turn,
        warmup_turns: plan.warmup_turns,
        pairs: plan.pairs,
        block_s: plan.block_s,
        gpus,
    });
    if let Some([steps_per_turn, warmup_turns]) = settings.earlier.layout {
        plan = plan.laid_out_as(steps_per_turn, warmup_turns);
    }
    let mut evidence = Evidence::new(&settings.rule)?;
    for block in &settings.earlier.blocks {
        evidence.push_block(&block.pairs)?;
    }
    let mut results: Vec<BlockResult> = Vec::new();
    let (mut decision, mut checks, mut placement) = (None, Vec::new(), None);
    while decision.is_none() {
        if executor.clock().now_s() - begin_s > settings.max_s {
            decision = Some(evidence.decision().unwrap_or(Reason::TimeExhausted.into()));
            break;
        }
        rng = draws(settings.seed, results.len() + 1);
        let pairs = length_rng.random_range(plan.schedule().pairs(results.len()));
        let block = BlockPlan {
            plan: Plan { pairs, ..plan },
            model_seed: seed(&mut rng),
            data_seed: seed(&mut rng),
            probe_before: probe_before(results.len(), pairs, &mut probe_rng),
            save: false,
        };
        let result = match measure(executor, &block, &mut rng) {
            Ok(result) => result,
            Err((_, error)) if error.is_cancelled() => break,
            Err(failed) => {
                let seeds = [block.model_seed, block.data_seed];
                let could_be = results.is_empty() && !executor.whole_commands();
                if could_be && separated(executor, &mut plan, &failed, seeds, observer) {
                    placement = Some(line("placement", NOT_BESIDE_ITSELF.to_owned()));
                    continue;
                }
                return Err(failed.into());
            }
        };
        decision = evidence.push_block(&result.block.pairs)?;
        results.push(result);
        tell(settings, &evidence, &results, observer);
        if let (true, [first]) = (executor.whole_commands(), &results[..]) {
            tell_of_preparation(&plan, first, observer);
        }
        checks = watch(&results, settings.other_mathematics);
        checks.extend(watch_gain(&evidence, &results));
        if checks.iter().any(|check| !check.passed) {
            decision = None;
            break;
        }
    }
    let faster = decision.is_some_and(|d: Decision| d.outcome == Outcome::Faster);
    let mut confirmation = None;
    // Whole commands are never there at once, and each is timed from its start to its end.
    if faster && !executor.whole_commands() {
        let speedup = evidence.summary().speedup;
        let confirmed = confirm(executor, plan, speedup, &results, settings, observer)?;
        decision = decision.filter(|_| !confirmed.interrupted);
        confirmation = Some(confirmed);
    }
    let trial_s = executor.clock().now_s() - begin_s;
    let mut trial = conclude(plan, evidence, decision, results, trial_s);
    trial.blocks.splice(0..0, settings.earlier.blocks.clone());
    trial.alone.clone_from(&settings.earlier.alone);
    trial.checks = placement.into_iter().chain(checks).collect();
    trial.steps_per_run = (!executor.whole_commands()).then_some(settings.steps_per_run);
    if let Some(confirmation) = confirmation {
        trial.confirm(confirmation);
    }
    Ok(trial)
}

/// The draws of the pilot (0) and of each block. How long a block is depends on the pilot's times:
/// it must not move the seeds and orders of the blocks behind it, which a recorded seed replays.
fn draws(seed: u64, block: usize) -> ChaCha20Rng {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    rng.set_stream(block as u64);
    rng
}

/// A command that finds its work done the second time (a cache, a build folder) times nothing.
fn tell_of_preparation(plan: &Plan, first: &BlockResult, observer: &mut dyn Observer) {
    let Some([later_s, _]) = first.block.pairs.first() else {
        return;
    };
    let pilot_s = plan.turn_s;
    if plan.steps_per_turn == 1 && pilot_s > PREPARED * later_s {
        observer.on(&Event::Note {
            text: format!(
                "the base's first run took {pilot_s:.2} s and the next one {later_s:.2} s: if runs \
                 find work of earlier ones done, `compare --prepare CMD` undoes it"
            ),
        });
    }
}

fn probe_before(blocks: usize, pairs: usize, rng: &mut ChaCha20Rng) -> Option<usize> {
    let (pair, chance) = (rng.random_range(0..pairs.max(1)), rng.random::<f64>());
    (blocks == 0 || chance < PROBED_SHARE).then_some(pair)
}

fn tell(
    settings: &Settings,
    evidence: &Evidence,
    results: &[BlockResult],
    observer: &mut dyn Observer,
) {
    let summary = evidence.summary();
    let rule = &settings.rule;
    let threshold = rule.threshold_value();
    let (n, log_e) = (evidence.n_blocks() as f64, summary.log_e);
    let sums = rule.sum_threshold.filter(|_| evidence.gain_is_proven());
    let sums = sums.map(|needed| (evidence.sum_log_e(), needed));
    let (so_far, needed) = sums.unwrap_or((log_e, threshold));
    // A proven gain is measured on for its bounds.
    let for_bounds = rule.bound_blocks.min(rule.max_blocks) as f64 - n;
    let blocks_left = ((needed.ln() - so_far) * n / so_far).max(for_bounds);
    let block_s = results.iter().map(|r| r.wall_s).sum::<f64>() / results.len() as f64;
    observer.on(&Event::Block {
        workload: settings.workload.clone(),
        n_blocks: results.len(),
        log_e,
        threshold,
        sums,
        speedup: summary.speedup,
        at_least: summary.at_least,
        left_s: (so_far > 0.0).then(|| blocks_left.ceil().max(0.0) * block_s),
    });
}

fn conclude(
    plan: Plan,
    evidence: Evidence,
    decision: Option<Decision>,
    results: Vec<BlockResult>,
    trial_s: f64,
) -> Trial {
    let wall_s: f64 = results.iter().map(|r| r.wall_s).sum();
    let turns_s: f64 = results.iter().map(|r| r.turns_s).sum();
    let tokens_per_step = results.first().and_then(|r| r.tokens_per_step[0]);
    let throughput = |side: usize, tokens: u64| {
        let times: Vec<f64> = results
            .iter()
            .flat_map(|r| &r.block.pairs)
            .map(|pair| pair[side])
            .collect();
        tokens as f64 * f64::from(plan.steps_per_turn) / median(&times)
    };
    let tokens_per_s = tokens_per_step.map(|t| TokensPerS {
        base: throughput(0, t),
        candidate: throughput(1, t),
    });
    Trial {
        decision,
        blocks: results.into_iter().map(|r| r.block).collect(),
        alone: Vec::new(),
        steps_per_run: None,
        refuted: None,
        evidence,
        plan,
        checks: Vec::new(),
        tokens_per_s,
        overhead: if wall_s > 0.0 {
            1.0 - turns_s / wall_s
        } else {
            0.0
        },
        trial_s,
    }
}
