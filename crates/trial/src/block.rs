//! One block: a fresh process of each side, warmed up, then pairs of turns in random order. The
//! unit of evidence.

use outpace_record::Block;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;

use crate::check::Trained;
use crate::executor::rounded;
use crate::plan::attribute;
use crate::{
    Checkpoint, Closed, Executor, Placement, Plan, Side, Turn, WorkloadError, WorkloadProcess,
};

/// What a block is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockPlan {
    /// Turn length, warm-up, pairs, and whether both processes live at once.
    pub plan: Plan,
    /// Seed of both sides' initial weights.
    pub model_seed: u64,
    /// Seed of both sides' data.
    pub data_seed: u64,
    /// The pair before which both are left alone for a while, to hear whether one of them works on
    /// a GPU all the same.
    pub probe_before: Option<usize>,
    /// Each process ends with a checkpoint, where one is there at a time.
    pub save: bool,
}

/// A measured block and what was noticed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BlockResult {
    pub(crate) block: Block,
    /// Largest relative difference of two losses of the same step.
    pub(crate) loss_gap: f64,
    /// Seconds of the whole block.
    pub(crate) wall_s: f64,
    /// Seconds of its measured turns.
    pub(crate) turns_s: f64,
    /// CPU seconds from start to ready.
    pub(crate) start_cpu_s: Option<[f64; 2]>,
    /// Tokens a step, as the sides say.
    pub(crate) tokens_per_step: [Option<u64>; 2],
}

/// What both sides trained, where it may be compared.
pub(crate) type Comparable = Option<[Trained; 2]>;

struct Seat {
    process: Box<dyn WorkloadProcess>,
    /// CPU seconds when it was ready.
    start_cpu_s: Option<f64>,
    /// CPU seconds at the end of its last turn.
    cpu_s: Option<f64>,
    idle_cpu_s: Option<f64>,
}

/// A process that was there.
struct Ended {
    ready_s: f64,
    start_cpu_s: Option<f64>,
    idle_cpu_s: Option<f64>,
    tokens_per_step: Option<u64>,
    closed: Closed,
}

/// The measured part of a block.
#[derive(Default)]
struct Timed {
    pairs: Vec<[f64; 2]>,
    warmup_s: [f64; 2],
    loss_gap: f64,
    idle_gpu: Option<[f64; 2]>,
    save_s: Option<[f64; 2]>,
    trained: Option<[Trained; 2]>,
}

impl Timed {
    fn push(&mut self, [base, candidate]: [&Turn; 2]) {
        self.pairs.push([base.seconds, candidate.seconds]);
        self.see(base, candidate);
    }

    fn warm_up(&mut self, turns: [&Turn; 2]) {
        for (sum, turn) in self.warmup_s.iter_mut().zip(turns) {
            *sum += turn.seconds;
        }
        self.see(turns[0], turns[1]);
    }

    /// Losses count in every turn, those of the warm-up too.
    fn see(&mut self, base: &Turn, candidate: &Turn) {
        let losses = base.losses.iter().zip(&candidate.losses);
        self.loss_gap = losses
            .map(|(b, c)| relative(*b, *c))
            .fold(self.loss_gap, f64::max);
    }
}

/// Runs one block. Every draw comes from `rng`.
///
/// # Errors
/// The side that failed, and how.
pub fn run_block(
    executor: &mut dyn Executor,
    plan: &BlockPlan,
    rng: &mut ChaCha20Rng,
) -> Result<Block, (Side, WorkloadError)> {
    measure(executor, plan, rng).map(|result| result.block)
}

pub(crate) fn measure(
    executor: &mut dyn Executor,
    block: &BlockPlan,
    rng: &mut ChaCha20Rng,
) -> Result<BlockResult, (Side, WorkloadError)> {
    measure_trained(executor, block, rng).map(|(result, _)| result)
}

/// The same, and what both sides trained where that may be compared: where processes are there one
/// at a time, save, and the candidate came first.
pub(crate) fn measure_trained(
    executor: &mut dyn Executor,
    block: &BlockPlan,
    rng: &mut ChaCha20Rng,
) -> Result<(BlockResult, Comparable), (Side, WorkloadError)> {
    let begin_s = executor.clock().now_s();
    if let Some(gpus) = executor.gpus() {
        gpus.place(block.plan.placement, rng);
    }
    let ran = match block.plan.placement {
        Placement::CoResident => together(executor, block, rng),
        Placement::Alternating => alternating(executor, block, rng),
    };
    let (timed, ended) = ran.map_err(|(side, error)| (side, attribute(executor, error)))?;
    let both = |f: fn(&Ended) -> Option<f64>| Some([f(&ended[0])?, f(&ended[1])?]);
    let result = BlockResult {
        turns_s: timed.pairs.iter().flatten().sum(),
        block: Block {
            pairs: timed.pairs,
            ready_s: both(|e| Some(rounded(e.ready_s))),
            warmup_s: Some(timed.warmup_s.map(rounded)),
            exit_s: both(|e| Some(rounded(e.closed.exit_s))),
            save_s: timed.save_s.map(|both| both.map(rounded)),
            wall_s: both(|e| Some(rounded(e.closed.wall_s))),
            idle_cpu_s: both(|e| e.idle_cpu_s.map(rounded)),
            peak_mib: both(|e| e.closed.peak_mib.map(f64::round)),
            idle_gpu: timed.idle_gpu,
            gpus: executor.gpus().map_or_else(Vec::new, |g| g.conditions()),
        },
        loss_gap: timed.loss_gap,
        wall_s: executor.clock().now_s() - begin_s,
        start_cpu_s: both(|e| e.start_cpu_s),
        tokens_per_step: [ended[0].tokens_per_step, ended[1].tokens_per_step],
    };
    Ok((result, timed.trained))
}

/// Both processes live for the whole block and take their turns beside each other.
fn together(
    executor: &mut dyn Executor,
    block: &BlockPlan,
    rng: &mut ChaCha20Rng,
) -> Result<(Timed, [Ended; 2]), (Side, WorkloadError)> {
    let mut seats = open_both(executor, block, rng)?;
    let steps = block.plan.steps_per_turn;
    let mut timed = Timed::default();
    for _ in 0..block.plan.warmup_turns {
        timed.warm_up(run_pair(&mut seats, steps, rng)?.each_ref());
    }
    watch(executor, true);
    for n in 0..block.plan.pairs {
        if block.probe_before == Some(n) {
            watch(executor, false);
            timed.idle_gpu = idle_probe(executor, &seats)?;
            if timed.idle_gpu.is_some() {
                // The clocks of a GPU that had nothing to do have sunk.
                let [base, candidate] = run_pair(&mut seats, steps, rng)?;
                timed.see(&base, &candidate);
            }
            watch(executor, true);
        }
        timed.push(run_pair(&mut seats, steps, rng)?.each_ref());
    }
    watch(executor, false);
    let [base, candidate] = seats;
    let mut ended = [None, None];
    for (side, seat) in in_random_order([base, candidate], rng) {
        let one = end(seat.process, seat.start_cpu_s, seat.idle_cpu_s);
        ended[side.index()] = Some(one.map_err(|error| (side, error))?);
    }
    Ok((timed, ended.map(|one| one.expect("both sides have ended"))))
}

/// One process after the other, in random order; their turns are paired by number.
fn alternating(
    executor: &mut dyn Executor,
    block: &BlockPlan,
    rng: &mut ChaCha20Rng,
) -> Result<(Timed, [Ended; 2]), (Side, WorkloadError)> {
    let order = random_order(rng);
    let comparable = block.save && order[0] == Side::Candidate;
    let mut all = [None, None];
    for side in order {
        let mut life = live(executor, side, block).map_err(|error| (side, error))?;
        if !comparable {
            // Gone before a candidate begins, which could hand it in as its own.
            life.checkpoint = None;
        }
        all[side.index()] = Some(life);
    }
    let [base, candidate] = all.map(|life| life.expect("both sides had their time"));
    let mut timed = Timed {
        save_s: block.save.then_some([base.save_s, candidate.save_s]),
        ..Timed::default()
    };
    for (n, pair) in base.turns.iter().zip(&candidate.turns).enumerate() {
        if n < block.plan.warmup_turns as usize {
            timed.warm_up(pair.into());
        } else {
            timed.push(pair.into());
        }
    }
    let ((ours, base), (theirs, candidate)) = (base.parts(), candidate.parts());
    timed.trained = comparable.then_some([ours, theirs]);
    Ok((timed, [base, candidate]))
}

/// A process that was there alone, from its start to its end.
struct Life {
    turns: Vec<Turn>,
    checkpoint: Option<Checkpoint>,
    save_s: f64,
    ended: Ended,
}

impl Life {
    fn parts(self) -> (Trained, Ended) {
        let losses = self.turns.into_iter().flat_map(|turn| turn.losses);
        let trained = Trained {
            losses: losses.collect(),
            checkpoint: self.checkpoint,
            wall_s: self.ended.closed.wall_s,
        };
        (trained, self.ended)
    }
}

/// A process from its start to its end, alone: all its turns. Each lasts from the end of the one
/// before: what a process does between two turns is nobody else's time.
fn live(executor: &mut dyn Executor, side: Side, block: &BlockPlan) -> Result<Life, WorkloadError> {
    let process = executor.open(side, block.model_seed, block.data_seed)?;
    live_on(executor, process, block)
}

/// The same of a process that is ready.
fn live_on(
    executor: &mut dyn Executor,
    mut process: Box<dyn WorkloadProcess>,
    block: &BlockPlan,
) -> Result<Life, WorkloadError> {
    let start_cpu_s = process.cpu_s();
    let mut turns = Vec::new();
    let warm = block.plan.warmup_turns as usize;
    let mut last_s = executor.clock().now_s();
    for n in 0..warm + block.plan.pairs {
        if n == warm {
            watch(executor, true);
        }
        let mut turn = process.turn(block.plan.steps_per_turn)?;
        let now_s = executor.clock().now_s();
        turn.seconds = rounded(now_s - last_s);
        last_s = now_s;
        turns.push(turn);
    }
    watch(executor, false);
    let checkpoint = if block.save { process.save()? } else { None };
    Ok(Life {
        turns,
        checkpoint,
        save_s: executor.clock().now_s() - last_s,
        ended: end(process, start_cpu_s, None)?,
    })
}

fn end(
    process: Box<dyn WorkloadProcess>,
    start_cpu_s: Option<f64>,
    idle_cpu_s: Option<f64>,
) -> Result<Ended, WorkloadError> {
    Ok(Ended {
        ready_s: process.ready_s(),
        start_cpu_s,
        idle_cpu_s,
        tokens_per_step: process.tokens_per_step(),
        closed: process.close()?,
    })
}

fn watch(executor: &mut dyn Executor, on: bool) {
    if let Some(gpus) = executor.gpus() {
        gpus.record(on);
    }
}

fn idle_probe(
    executor: &mut dyn Executor,
    seats: &[Seat; 2],
) -> Result<Option<[f64; 2]>, (Side, WorkloadError)> {
    let Some(gpus) = executor.gpus() else {
        return Ok(None);
    };
    let [base, candidate] = seats;
    let heard = gpus.idle_probe(&[base.process.processes(), candidate.process.processes()]);
    heard.map_err(|error| (Side::Candidate, error))
}

fn random_order(rng: &mut ChaCha20Rng) -> [Side; 2] {
    if rng.random() {
        [Side::Base, Side::Candidate]
    } else {
        [Side::Candidate, Side::Base]
    }
}

/// Who is stopped first is drawn too.
fn in_random_order<T>(both: [T; 2], rng: &mut ChaCha20Rng) -> [(Side, T); 2] {
    let [base, candidate] = both;
    let (base, candidate) = ((Side::Base, base), (Side::Candidate, candidate));
    match random_order(rng)[0] {
        Side::Base => [base, candidate],
        Side::Candidate => [candidate, base],
    }
}

fn open_both(
    executor: &mut dyn Executor,
    block: &BlockPlan,
    rng: &mut ChaCha20Rng,
) -> Result<[Seat; 2], (Side, WorkloadError)> {
    let mut seats = [None, None];
    for side in random_order(rng) {
        let mut process = executor
            .open(side, block.model_seed, block.data_seed)
            .map_err(|e| (side, e))?;
        let cpu_s = process.cpu_s();
        seats[side.index()] = Some(Seat {
            process,
            start_cpu_s: cpu_s,
            cpu_s,
            idle_cpu_s: cpu_s.map(|_| 0.0),
        });
    }
    Ok(seats.map(|seat| seat.expect("both sides were opened")))
}

/// One turn of each; the CPU time that a side uses between its turns is charged to it as idle time.
fn run_pair(
    seats: &mut [Seat; 2],
    steps: u32,
    rng: &mut ChaCha20Rng,
) -> Result<[Turn; 2], (Side, WorkloadError)> {
    let mut turns = [None, None];
    for side in random_order(rng) {
        let seat = &mut seats[side.index()];
        if let (Some(idle), Some(before), Some(now)) =
            (seat.idle_cpu_s, seat.cpu_s, seat.process.cpu_s())
        {
            seat.idle_cpu_s = Some(idle + (now - before).max(0.0));
        }
        turns[side.index()] = Some(seat.process.turn(steps).map_err(|e| (side, e))?);
        seat.cpu_s = seat.process.cpu_s();
    }
    Ok(turns.map(|turn| turn.expect("both sides took their turn")))
}

/// A loss that is no number is infinitely far from any other.
fn relative(base: f64, candidate: f64) -> f64 {
    let gap = (base - candidate).abs() / base.abs().max(1e-9);
    if gap.is_nan() { f64::INFINITY } else { gap }
}

/// A seed of a workload's draws: below 2^53, so that every JSON reader keeps it exactly.
pub(crate) fn seed(rng: &mut ChaCha20Rng) -> u64 {
    rng.random::<u64>() >> 11
}
