//! Isolated runs: side by side, a program can look fast by what it does to the other, by work in
//! the other's turns, or by work done before the clock. So a gain that is proven has to show again
//! with one process at a time, each long enough that nothing made ahead is left in its second half,
//! and priced for its whole life.

use outpace_record::{Block, Check, Event, Observer};
use outpace_stats::{Isolated, IsolatedShape, Outcome, Reason, Rule, lower_bound, median};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::block::{BlockPlan, BlockResult, measure_trained, seed};
use crate::check::compare_at_length;
use crate::guards::{line, watch_isolated};
use crate::settings::{Settings, SideError};
use crate::{Executor, Placement, Plan};

/// Sets the draws apart from those of the trial, which a recorded seed replays.
const SEED: u64 = 0x000A_104E;

/// A process takes so many times the turns of a block of the trial.
const LONGER: f64 = 8.0;
/// And so many times the turns that could be made ahead in a start that takes longer: the second
/// half begins when they are used up, with a quarter to spare.
const AHEAD: f64 = 2.5;
/// Whether a start takes longer has to be proven at this level.
const START_ALPHA: f64 = 0.05;
/// The fewest runs that can show a gain.
const FEWEST_RUNS: f64 = 5.0;
/// What base and candidate trained is compared after so many runs at most: each costs half as much
/// again as its run.
const MOST_COMPARED: usize = 3;
/// One that differs is a suspicion, and then so many are compared at most: a rounding that falls on
/// the other side of a kink (a ReLU at zero) sets honest programs apart too, in up to a tenth of
/// the runs.
const MOST_SUSPECTED: usize = 12;
/// So many are proof. They refuse 2 % of honest candidates whose runs differ with a chance of a
/// tenth, and 83 % of those that leave out work in every second process.
const MOST_DIFFERENT: usize = 4;

/// What was found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Confirmation {
    pub(crate) blocks: Vec<Block>,
    /// What was watched that was not in order, and how it ended.
    pub(crate) checks: Vec<Check>,
    /// Why the gain is not proven after all.
    pub(crate) refuted: Option<(Reason, String)>,
    /// Whether the user asked to stop before it was settled.
    pub(crate) interrupted: bool,
}

/// Measures runs with one process at a time, until it is settled.
///
/// # Errors
/// A side failed, or the user asked to stop.
pub(crate) fn confirm(
    executor: &mut dyn Executor,
    plan: Plan,
    speedup: f64,
    trial: &[BlockResult],
    settings: &Settings,
    observer: &mut dyn Observer,
) -> Result<Confirmation, SideError> {
    let turns = turns_of(&plan, speedup, trial);
    let least_s = FEWEST_RUNS * 2.0 * plan.turn_s * turns as f64;
    if least_s > settings.max_s {
        return Ok(too_long(least_s, settings));
    }
    let begin_s = executor.clock().now_s();
    let mut rng = ChaCha20Rng::seed_from_u64(settings.seed ^ SEED);
    let mut isolated = Isolated::new(IsolatedShape {
        steps_per_turn: plan.steps_per_turn,
        warmup_turns: plan.warmup_turns,
        steps_per_run: settings.steps_per_run,
        earlier_runs: settings.earlier.alone.len(),
    })?;
    for run in &settings.earlier.alone {
        isolated.push(&run.isolated_run())?;
    }
    let same_model = settings.same_model.as_ref();
    let (mut results, mut models) = (Vec::new(), Vec::new());
    let (mut compared, mut suspicion) = (Compared::default(), None);
    let decision = loop {
        let block = BlockPlan {
            plan: Plan {
                placement: Placement::Alternating,
                pairs: rng.random_range(turns..=turns + turns / 2),
                ..plan
            },
            model_seed: seed(&mut rng),
            data_seed: seed(&mut rng),
            probe_before: None,
            save: same_model.is_some(),
        };
        let validation = seed(&mut rng);
        let (result, trained) = match measure_trained(executor, &block, &mut rng) {
            Err((_, error)) if error.is_cancelled() => return Ok(interrupted(results)),
            measured => measured?,
        };
        isolated.push(&result.block.isolated_run())?;
        results.push(result);
        observer.on(&Event::IsolatedBlock {
            workload: settings.workload.clone(),
            n_blocks: results.len(),
            log_e: isolated.summary().log_e,
            threshold: Rule::isolated().threshold_value(),
        });
        if let (Some(same_model), Some(trained), true) = (same_model, trained, compared.more()) {
            models = match compare_at_length(executor, same_model, &block, trained, validation) {
                Err(error) if error.is_cancelled() => return Ok(interrupted(results)),
                checks => checks?,
            };
            compared.count(&models);
            if compared.different >= MOST_DIFFERENT {
                break Reason::NotConfirmed.into();
            }
            if let Some(differs) = models.iter().find(|check| !check.passed) {
                suspicion = Some(differs.detail.clone());
                models.retain(|check| check.passed);
            }
        }
        let open = isolated.decision().is_none() || compared.is_suspected();
        let late = open && executor.clock().now_s() - begin_s > settings.max_s;
        let seen = same_model.is_none() || compared.is_settled();
        // A gain is confirmed once it was seen too that the model is the same.
        let settled = isolated
            .decision()
            .filter(|d| seen || d.outcome != Outcome::Faster);
        if let Some(decision) = settled.or(late.then(|| Reason::TimeExhausted.into())) {
            break decision;
        }
    };
    // Isolated it may not do either what it may not do side by side.
    let confirmed = decision.outcome == Outcome::Faster;
    let watched = watch_isolated(
        &results,
        settings.other_mathematics,
        same_model.is_some(),
        confirmed,
    );
    let mut checks = models;
    checks.extend(watched.into_iter().filter(|check| !check.passed));
    let found = describe(&isolated);
    if let Some(detail) = suspicion.filter(|_| confirmed) {
        let Compared { all, different } = compared;
        checks.push(line(
            "some that differ",
            format!(
                "of {all} runs that were compared {different} differ, which may happen: {detail}"
            ),
        ));
    }
    if confirmed {
        checks.push(line(
            "alone",
            format!("with one process at a time the gain is there too: {found}"),
        ));
    }
    Ok(Confirmation {
        blocks: results.into_iter().map(|result| result.block).collect(),
        checks,
        refuted: (!confirmed).then(|| (settings.rule.unconfirmed(), found)),
        interrupted: false,
    })
}

/// Runs of which it was compared what both sides trained.
#[derive(Debug, Default, Clone, Copy)]
struct Compared {
    all: usize,
    different: usize,
}

impl Compared {
    fn count(&mut self, checks: &[Check]) {
        self.all += 1;
        self.different += usize::from(checks.iter().any(|check| !check.passed));
    }

    /// Whether another one is compared.
    fn more(self) -> bool {
        let differs = self.different > 0;
        self.all
            < if differs {
                MOST_SUSPECTED
            } else {
                MOST_COMPARED
            }
    }

    /// One differs, and it is not known yet how many do.
    fn is_suspected(self) -> bool {
        self.different > 0 && self.more()
    }

    /// A gain is no gain before it was seen that the model is the same.
    fn is_settled(self) -> bool {
        self.all > 0 && !self.is_suspected()
    }
}

/// What Ctrl-C cut off: the runs so far.
fn interrupted(results: Vec<BlockResult>) -> Confirmation {
    Confirmation {
        blocks: results.into_iter().map(|result| result.block).collect(),
        interrupted: true,
        ..Confirmation::default()
    }
}

/// Seconds of the fewest runs that confirm a gain, for blocks of so many pairs in the trial.
pub(crate) fn shortest_confirmation_s(start_s: f64, pair_s: f64, pairs: f64) -> f64 {
    // Lengths are drawn from 1 to 1.5 times the least.
    FEWEST_RUNS * (start_s + 1.25 * LONGER * pairs * pair_s)
}

/// Turns of a process at least.
fn turns_of(plan: &Plan, speedup: f64, trial: &[BlockResult]) -> usize {
    let pairs: usize = trial.iter().map(|result| result.block.pairs.len()).sum();
    let typical = pairs as f64 / trial.len().max(1) as f64;
    let saved_s = plan.turn_s * (1.0 - 1.0 / (1.0 + speedup));
    let ahead = longer_start_s(trial) / saved_s.max(1e-9);
    let turns = (LONGER * typical).max(AHEAD * ahead).ceil();
    // Far beyond any limit of seconds.
    turns.min(1e9) as usize
}

/// Seconds that the candidate's start takes longer than the base's, warm-up included, in wall time
/// or in CPU time; 0 where that is not proven.
fn longer_start_s(trial: &[BlockResult]) -> f64 {
    let wall = trial.iter().map(|result| {
        let ([ready_b, ready_c], [warm_b, warm_c]) =
            (result.block.ready_s?, result.block.warmup_s?);
        Some(ready_c + warm_c - ready_b - warm_b)
    });
    let cpu = trial.iter().map(|result| {
        let [base, candidate] = result.start_cpu_s?;
        Some(candidate - base)
    });
    proven_longer(wall.collect()).max(proven_longer(cpu.collect()))
}

fn proven_longer(differences: Option<Vec<f64>>) -> f64 {
    let differences = differences.unwrap_or_default();
    match lower_bound(&differences, START_ALPHA) {
        Some(bound) if bound > 0.0 => median(&differences),
        _ => 0.0,
    }
}

fn too_long(least_s: f64, settings: &Settings) -> Confirmation {
    let detail = format!(
        "isolated runs that outlast what its start could have done ahead, and {LONGER} blocks, take \
         {least_s:.0} s at least, and `max_seconds` is {:.0}",
        settings.max_s
    );
    let reason = match settings.rule.unconfirmed() {
        Reason::NotConfirmed => Reason::TimeExhausted,
        proven => proven,
    };
    Confirmation {
        refuted: Some((reason, detail)),
        ..Confirmation::default()
    }
}

fn describe(isolated: &Isolated) -> String {
    let summary = isolated.summary();
    format!(
        "{:+.1} %, evidence {:.1} of {:.0}, {} runs",
        summary.speedup * 100.0,
        summary.log_e.exp(),
        Rule::isolated().threshold_value(),
        summary.n_blocks
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan {
        steps_per_turn: 1,
        warmup_turns: 2,
        pairs: 40,
        worth_starting: 4,
        turn_s: 0.030,
        block_s: 1.0,
        placement: Placement::CoResident,
    };

    fn trial(start_s: f64, cpu_s: f64) -> Vec<BlockResult> {
        let block = Block {
            pairs: vec![[0.030, 0.027]; 10],
            ready_s: Some([0.1, 0.1 + start_s]),
            warmup_s: Some([0.06, 0.06]),
            ..Block::default()
        };
        let result = BlockResult {
            block,
            loss_gap: 0.0,
            wall_s: 0.7,
            turns_s: 0.57,
            start_cpu_s: Some([0.1, 0.1 + cpu_s]),
            tokens_per_step: [None; 2],
        };
        vec![result; 12]
    }

    #[test]
    fn a_run_that_differs_is_a_suspicion_and_four_of_twelve_are_proof() {
        let check = |passed| Check {
            passed,
            ..line("isolated losses", String::new())
        };
        let after = |runs: &[bool]| {
            let mut compared = Compared::default();
            for passed in runs {
                assert!(compared.more(), "{runs:?}");
                compared.count(&[check(true), check(*passed)]);
            }
            compared
        };
        assert!(!after(&[]).is_settled());
        assert!(after(&[true]).is_settled() && after(&[true]).more());
        assert!(!after(&[true, true, true]).more());
        assert!(!after(&[true, false]).is_settled());
        let three = [
            true, false, true, false, false, true, true, true, true, true, true,
        ];
        assert!(after(&three).is_suspected());
        let last = |passed| after(&[&three[..], &[passed]].concat());
        assert!(last(true).is_settled() && last(true).different < MOST_DIFFERENT);
        assert_eq!(last(false).different, MOST_DIFFERENT);
    }

    #[test]
    fn a_process_lives_eight_times_as_long_as_in_a_block() {
        assert_eq!(turns_of(&PLAN, 0.1, &trial(0.0, 0.0)), 80);
        assert_eq!(turns_of(&PLAN, 0.1, &trial(-5.0, 0.0)), 80);
    }

    #[test]
    fn what_a_longer_start_could_make_ahead_is_used_up_before_the_second_half() {
        // A gain of 10 % saves 2.7 ms a turn: 0.27 s pay for 99 turns.
        for trial in [trial(0.27, 0.0), trial(0.0, 0.27)] {
            assert_eq!(turns_of(&PLAN, 0.1, &trial), 248);
        }
        let mut noisy = trial(0.27, 0.0);
        for result in noisy.iter_mut().step_by(2) {
            result.block.ready_s = Some([0.1, -0.2]);
        }
        assert_eq!(turns_of(&PLAN, 0.1, &noisy), 80, "noise is no longer start");
    }
}
