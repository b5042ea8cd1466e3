//! How long a turn, a warm-up and a block are, chosen from what the workload shows.

use outpace_record::{Event, Observer};
use outpace_stats::{Schedule, median};

use crate::{Executor, Placement, Side, WorkloadError};

/// The pilot looks at single steps for this long, ...
const PILOT_S: f64 = 1.0;
/// ... but at no fewer and no more than so many, unless they are very long.
const PILOT_STEPS: std::ops::RangeInclusive<usize> = 12..=100;
const PILOT_PATIENCE_S: f64 = 20.0;
/// A process is warm when three steps in a row have a median within this factor of the settled
/// time.
const WARM_FACTOR: f64 = 1.03;
/// Turns that are thrown away at least and at most.
const WARMUP_TURNS: std::ops::RangeInclusive<u32> = 2..=16;
/// A block of very long steps takes fewer pairs, so that it lasts about this long ...
const LONGEST_BLOCK_S: f64 = 30.0;
/// ... with at least so many pairs.
const FEWEST_PAIRS: usize = 5;
/// A turn's losses must fit into one message.
const MOST_STEPS: f64 = 40_000.0;
/// Steps that the candidate takes in the pilot: both sides' files are read once before anything
/// counts.
const GREETING_STEPS: usize = 3;

/// How a trial's blocks are laid out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Training steps in a turn.
    pub steps_per_turn: u32,
    /// Turns of each side before the first pair.
    pub warmup_turns: u32,
    /// Pairs in a block.
    pub pairs: usize,
    /// Pairs that take as long as starting and warming up.
    pub worth_starting: usize,
    /// Settled seconds of one turn of the base.
    pub turn_s: f64,
    /// Expected seconds of one block.
    pub block_s: f64,
    /// Whether both processes live at once.
    pub placement: Placement,
}

impl Plan {
    /// How long the blocks of a trial are: short ones first.
    pub fn schedule(&self) -> Schedule {
        Schedule {
            pairs: self.pairs,
            worth_starting: Some(self.worth_starting),
        }
    }

    /// The same workload with turns of another length.
    pub(crate) fn laid_out_as(self, steps_per_turn: u32, warmup_turns: u32) -> Self {
        let longer = f64::from(steps_per_turn) / f64::from(self.steps_per_turn);
        Self {
            steps_per_turn,
            warmup_turns,
            turn_s: self.turn_s * longer,
            ..self
        }
    }

    /// Pairs that take as long as starting and warming up, where a start takes so long.
    fn pairs_worth(&self, ready_s: f64) -> usize {
        (ready_s / self.turn_s).ceil() as usize + self.warmup_turns as usize
    }
}

/// Looks at a base process for about a second and plans; starts the candidate once too, so that
/// neither side is cold.
///
/// # Errors
/// A side does not start or does not train.
pub fn pilot(
    executor: &mut dyn Executor,
    sides: &[Side],
    min_turn_s: f64,
    pairs: usize,
    seeds: [u64; 2],
) -> Result<Plan, (Side, WorkloadError)> {
    let (mut plan, mut ready) = (None, Vec::new());
    let whole = executor.whole_commands();
    for &side in sides {
        let piloted = run_pilot(executor, side, seeds);
        let (times, ready_s) = piloted.map_err(|error| (side, attribute(executor, error)))?;
        ready.push(ready_s);
        if side == Side::Base {
            let warm = lay_out(&times, ready_s, min_turn_s, pairs);
            plan = Some(if whole { cold(warm, pairs) } else { warm });
        }
    }
    let mut plan = plan.expect("the base is among the sides of every trial");
    if !whole {
        let ready_s = ready.iter().sum::<f64>() / ready.len() as f64;
        plan.worth_starting = plan.pairs_worth(ready_s);
    }
    Ok(plan)
}

/// After the pilot of a trial: where its processes live on the GPUs. Returns a line about it;
/// nothing where none is used.
///
/// # Errors
/// What the configuration asks for is not possible.
pub(crate) fn choose_placement(
    executor: &mut dyn Executor,
    plan: &mut Plan,
) -> Result<Option<String>, WorkloadError> {
    let whole = executor.whole_commands();
    let Some(gpus) = executor.gpus() else {
        return Ok(None);
    };
    let (placement, line) = gpus.choose_placement(whole)?;
    plan.placement = placement;
    Ok(line)
}

/// What is said of a workload that is timed one process after the other from the start.
pub(crate) const NOT_BESIDE_ITSELF: &str = "a second process of the base ends while a first one is \
    there (a fixed port, a lock file, a device?): timed one process after the other";

/// After a first block that failed: whether this is because two processes of the workload cannot
/// live at once, whichever side they are of. The plan then places one after the other.
pub(crate) fn separated(
    executor: &mut dyn Executor,
    plan: &mut Plan,
    failed: &(Side, WorkloadError),
    seeds: [u64; 2],
    observer: &mut dyn Observer,
) -> bool {
    let could_be = plan.placement == Placement::CoResident && failed.1.is_own_end();
    if !could_be || !ends_beside_itself(executor, seeds) {
        return false;
    }
    plan.placement = Placement::Alternating;
    observer.on(&Event::Note {
        text: NOT_BESIDE_ITSELF.to_owned(),
    });
    true
}

fn ends_beside_itself(executor: &mut dyn Executor, [model, data]: [u64; 2]) -> bool {
    let Ok(mut first) = executor.open(Side::Base, model, data) else {
        return false;
    };
    let second = executor.open(Side::Base, model, data);
    let ended = match second.and_then(|mut second| second.turn(1).map(|_| second)) {
        Ok(second) => {
            drop(second.close());
            false
        }
        Err(error) => error.is_own_end(),
    };
    // The first one has to be well, or it says nothing of two.
    let well = first.turn(1).is_ok();
    drop(first.close());
    well && ended
}

/// A failure is the GPU's where it is one of the GPU.
pub(crate) fn attribute(executor: &mut dyn Executor, error: WorkloadError) -> WorkloadError {
    match executor.gpus() {
        Some(gpus) => gpus.attribute(error),
        None => error,
    }
}

fn run_pilot(
    executor: &mut dyn Executor,
    side: Side,
    [model, data]: [u64; 2],
) -> Result<(Vec<f64>, f64), WorkloadError> {
    if let Some(gpus) = executor.gpus() {
        gpus.pilot_started()?;
    }
    let mut process = executor.open(side, model, data)?;
    let mut times = Vec::new();
    loop {
        times.push(process.turn(1)?.seconds);
        let total: f64 = times.iter().sum();
        let enough = match side {
            _ if executor.whole_commands() => true,
            Side::Base => total > PILOT_S && times.len() >= *PILOT_STEPS.start(),
            Side::Candidate => times.len() >= GREETING_STEPS,
        };
        if enough || times.len() >= *PILOT_STEPS.end() || total > PILOT_PATIENCE_S {
            break;
        }
    }
    let ready_s = process.ready_s();
    if let Some(gpus) = executor.gpus() {
        gpus.pilot_ended(side, &process.processes())?;
    }
    process.close()?;
    Ok((times, ready_s))
}

/// A whole command is started anew for each turn: there is nothing to warm up, and once is a turn.
fn cold(plan: Plan, pairs: usize) -> Plan {
    Plan {
        steps_per_turn: 1,
        warmup_turns: 0,
        pairs,
        worth_starting: 0,
        turn_s: plan.turn_s / f64::from(plan.steps_per_turn),
        block_s: 2.0 * plan.turn_s / f64::from(plan.steps_per_turn) * pairs as f64,
        placement: Placement::CoResident,
    }
}

fn lay_out(times: &[f64], ready_s: f64, min_turn_s: f64, pairs: usize) -> Plan {
    let settled = median(&times[times.len() / 2..]).max(1e-9);
    let steps_per_turn = (min_turn_s / settled).ceil().clamp(1.0, MOST_STEPS) as u32;
    let warm_after = times
        .windows(3)
        .position(|w| median(w) <= WARM_FACTOR * settled)
        .unwrap_or(times.len());
    let warmup_turns = u32::try_from(warm_after.div_ceil(steps_per_turn as usize))
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    let warmup_turns = warmup_turns.clamp(*WARMUP_TURNS.start(), *WARMUP_TURNS.end());
    let turn_s = settled * f64::from(steps_per_turn);
    let fitting = (LONGEST_BLOCK_S / (2.0 * turn_s)) as usize;
    let pairs = pairs.min(fitting.max(FEWEST_PAIRS));
    let block_s = 2.0 * (ready_s + turn_s * (f64::from(warmup_turns) + pairs as f64));
    Plan {
        steps_per_turn,
        warmup_turns,
        pairs,
        worth_starting: 0,
        turn_s,
        block_s,
        placement: Placement::CoResident,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_follows_the_workload() {
        let check = |times: &[f64], expect: (u32, u32, usize)| {
            let plan = lay_out(times, 0.1, 0.020, 40);
            assert_eq!(
                (plan.steps_per_turn, plan.warmup_turns, plan.pairs),
                expect,
                "{times:?}"
            );
        };
        check(&[0.025; 40], (1, 2, 40));
        check(&[0.004; 100], (5, 2, 40));
        let mut slow_start = vec![0.080; 6];
        slow_start.extend([0.030; 30]);
        check(&slow_start, (1, 6, 40));
        check(&[1.5; 14], (1, 2, 10));
        check(&[30.0], (1, 2, 5));
    }
}
