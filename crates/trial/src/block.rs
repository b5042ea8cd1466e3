//! One block: a fresh process of each side, warmed up, then pairs of turns in random order. The unit of evidence.

use outpace_record::Block;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;

use crate::plan::blame;
use crate::session::rounded;
use crate::{Arena, Closed, PeerError, Plan, Residence, Session, Side, Turn};

/// What a block is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockPlan {
    /// Turn length, warm-up, pairs, and whether both processes live at once.
    pub plan: Plan,
    /// Seed of both sides' initial weights.
    pub model_seed: u64,
    /// Seed of both sides' data.
    pub data_seed: u64,
    /// The pair before which both are left alone for a while, to hear whether one of them works on a GPU all the same.
    pub listen_before: Option<usize>,
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
    /// Seconds from the request to stop to the exit.
    pub(crate) exit_s: [f64; 2],
    /// Tokens a step, as the sides say.
    pub(crate) tokens_per_step: [Option<u64>; 2],
    /// Whether CPU time of a side's children may be missing.
    pub(crate) hides: [bool; 2],
    /// Seconds of the warm-up turns.
    pub(crate) warmup_s: [f64; 2],
}

struct Seat {
    session: Box<dyn Session>,
    /// CPU seconds at the end of its last turn.
    cpu_s: Option<f64>,
    idle_cpu_s: Option<f64>,
}

/// A process that was there.
struct Ended {
    ready_s: f64,
    idle_cpu_s: Option<f64>,
    tokens_per_step: Option<u64>,
    hides: bool,
    closed: Closed,
}

/// The measured part of a block.
#[derive(Default)]
struct Timed {
    pairs: Vec<[f64; 2]>,
    warmup_s: [f64; 2],
    loss_gap: f64,
    idle_gpu: Option<[f64; 2]>,
}

impl Timed {
    fn push(&mut self, [base, candidate]: &[Turn; 2]) {
        self.pairs.push([base.seconds, candidate.seconds]);
        self.see(base, candidate);
    }

    fn warm_up(&mut self, turns: &[Turn; 2]) {
        for (sum, turn) in self.warmup_s.iter_mut().zip(turns) {
            *sum += turn.seconds;
        }
        self.see(&turns[0], &turns[1]);
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
    arena: &mut dyn Arena,
    plan: &BlockPlan,
    rng: &mut ChaCha20Rng,
) -> Result<Block, (Side, PeerError)> {
    measure(arena, plan, rng).map(|result| result.block)
}

pub(crate) fn measure(
    arena: &mut dyn Arena,
    block: &BlockPlan,
    rng: &mut ChaCha20Rng,
) -> Result<BlockResult, (Side, PeerError)> {
    let begin_s = arena.clock().now_s();
    if let Some(gpus) = arena.gpus() {
        gpus.place(block.plan.residence, rng);
    }
    let ran = match block.plan.residence {
        Residence::Together => together(arena, block, rng),
        Residence::Alternating => alternating(arena, block, rng),
    };
    let (timed, ended) = ran.map_err(|(side, error)| (side, blame(arena, error)))?;
    let both = |f: fn(&Ended) -> Option<f64>| Some([f(&ended[0])?, f(&ended[1])?]);
    Ok(BlockResult {
        turns_s: timed.pairs.iter().flatten().sum(),
        block: Block {
            pairs: timed.pairs,
            ready_s: both(|e| Some(rounded(e.ready_s))),
            wall_s: both(|e| Some(rounded(e.closed.wall_s))),
            idle_cpu_s: both(|e| e.idle_cpu_s.map(rounded)),
            peak_mib: both(|e| e.closed.peak_mib.map(f64::round)),
            idle_gpu: timed.idle_gpu,
            gpus: arena.gpus().map_or_else(Vec::new, |g| g.conditions()),
        },
        loss_gap: timed.loss_gap,
        wall_s: arena.clock().now_s() - begin_s,
        exit_s: [ended[0].closed.exit_s, ended[1].closed.exit_s],
        tokens_per_step: [ended[0].tokens_per_step, ended[1].tokens_per_step],
        hides: [ended[0].hides, ended[1].hides],
        warmup_s: timed.warmup_s,
    })
}

/// Both processes live for the whole block and take their turns beside each other.
fn together(
    arena: &mut dyn Arena,
    block: &BlockPlan,
    rng: &mut ChaCha20Rng,
) -> Result<(Timed, [Ended; 2]), (Side, PeerError)> {
    let mut seats = open_both(arena, block, rng)?;
    let steps = block.plan.steps_per_turn;
    let mut timed = Timed::default();
    for _ in 0..block.plan.warmup_turns {
        timed.warm_up(&run_pair(&mut seats, steps, rng)?);
    }
    watch(arena, true);
    for n in 0..block.plan.pairs {
        if block.listen_before == Some(n) {
            watch(arena, false);
            timed.idle_gpu = listen(arena, &seats)?;
            if timed.idle_gpu.is_some() {
                // The clocks of a GPU that had nothing to do have sunk.
                let [base, candidate] = run_pair(&mut seats, steps, rng)?;
                timed.see(&base, &candidate);
            }
            watch(arena, true);
        }
        timed.push(&run_pair(&mut seats, steps, rng)?);
    }
    watch(arena, false);
    let [base, candidate] = seats;
    let base = end(base.session, base.idle_cpu_s).map_err(|e| (Side::Base, e))?;
    let candidate =
        end(candidate.session, candidate.idle_cpu_s).map_err(|e| (Side::Candidate, e))?;
    Ok((timed, [base, candidate]))
}

/// One process after the other, in random order; their turns are paired by number.
fn alternating(
    arena: &mut dyn Arena,
    block: &BlockPlan,
    rng: &mut ChaCha20Rng,
) -> Result<(Timed, [Ended; 2]), (Side, PeerError)> {
    let mut all = [None, None];
    for side in random_order(rng) {
        let lives = live(arena, side, block).map_err(|error| (side, error))?;
        all[side.index()] = Some(lives);
    }
    let [(base, b), (candidate, c)] = all.map(|one| one.expect("both sides had their time"));
    let mut timed = Timed::default();
    for (n, pair) in base.into_iter().zip(candidate).enumerate() {
        if n < block.plan.warmup_turns as usize {
            timed.warm_up(&pair.into());
        } else {
            timed.push(&pair.into());
        }
    }
    Ok((timed, [b, c]))
}

/// A process from its start to its end, alone: all its turns. Each lasts from the end of the one before: what a process does between two turns is
/// nobody else's time.
fn live(
    arena: &mut dyn Arena,
    side: Side,
    block: &BlockPlan,
) -> Result<(Vec<Turn>, Ended), PeerError> {
    let mut session = arena.open(side, block.model_seed, block.data_seed)?;
    let mut turns = Vec::new();
    let warm = block.plan.warmup_turns as usize;
    let mut last_s = arena.clock().now_s();
    for n in 0..warm + block.plan.pairs {
        if n == warm {
            watch(arena, true);
        }
        let mut turn = session.turn(block.plan.steps_per_turn)?;
        let now_s = arena.clock().now_s();
        turn.seconds = rounded(now_s - last_s);
        last_s = now_s;
        turns.push(turn);
    }
    watch(arena, false);
    Ok((turns, end(session, None)?))
}

fn end(session: Box<dyn Session>, idle_cpu_s: Option<f64>) -> Result<Ended, PeerError> {
    Ok(Ended {
        ready_s: session.ready_s(),
        idle_cpu_s,
        tokens_per_step: session.tokens_per_step(),
        hides: session.hides(),
        closed: session.close()?,
    })
}

fn watch(arena: &mut dyn Arena, on: bool) {
    if let Some(gpus) = arena.gpus() {
        gpus.record(on);
    }
}

fn listen(arena: &mut dyn Arena, seats: &[Seat; 2]) -> Result<Option<[f64; 2]>, (Side, PeerError)> {
    let Some(gpus) = arena.gpus() else {
        return Ok(None);
    };
    let [base, candidate] = seats;
    let heard = gpus.listen(&[base.session.processes(), candidate.session.processes()]);
    heard.map_err(|error| (Side::Candidate, error))
}

fn random_order(rng: &mut ChaCha20Rng) -> [Side; 2] {
    if rng.random() {
        [Side::Base, Side::Candidate]
    } else {
        [Side::Candidate, Side::Base]
    }
}

fn open_both(
    arena: &mut dyn Arena,
    block: &BlockPlan,
    rng: &mut ChaCha20Rng,
) -> Result<[Seat; 2], (Side, PeerError)> {
    let mut seats = [None, None];
    for side in random_order(rng) {
        let mut session = arena
            .open(side, block.model_seed, block.data_seed)
            .map_err(|e| (side, e))?;
        let cpu_s = session.cpu_s();
        seats[side.index()] = Some(Seat {
            session,
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
) -> Result<[Turn; 2], (Side, PeerError)> {
    let mut turns = [None, None];
    for side in random_order(rng) {
        let seat = &mut seats[side.index()];
        if let (Some(idle), Some(before), Some(now)) =
            (seat.idle_cpu_s, seat.cpu_s, seat.session.cpu_s())
        {
            seat.idle_cpu_s = Some(idle + (now - before).max(0.0));
        }
        turns[side.index()] = Some(seat.session.turn(steps).map_err(|e| (side, e))?);
        seat.cpu_s = seat.session.cpu_s();
    }
    Ok(turns.map(|turn| turn.expect("both sides took their turn")))
}

/// A loss that is no number is infinitely far from any other.
fn relative(base: f64, candidate: f64) -> f64 {
    let gap = (base - candidate).abs() / base.abs().max(1e-9);
    if gap.is_nan() { f64::INFINITY } else { gap }
}
