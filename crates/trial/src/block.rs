//! One block: a fresh process of each side, warmed up, then pairs of turns in random order. The unit of evidence.

use outpace_record::Block;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;

use crate::session::rounded;
use crate::{Arena, PeerError, Plan, Session, Side};

/// What a block is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockPlan {
    /// Turn length, warm-up and pairs.
    pub plan: Plan,
    /// Seed of both sides' initial weights.
    pub model_seed: u64,
    /// Seed of both sides' data.
    pub data_seed: u64,
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
}

struct Seat {
    session: Box<dyn Session>,
    /// CPU seconds at the end of its last turn.
    cpu_s: Option<f64>,
    idle_cpu_s: Option<f64>,
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
    let mut seats = open_both(arena, block, rng)?;
    let steps = block.plan.steps_per_turn;
    let mut loss_gap = 0.0_f64;
    let mut pairs = Vec::with_capacity(block.plan.pairs);
    for n in 0..block.plan.warmup_turns as usize + block.plan.pairs {
        let (pair, gap) = run_pair(&mut seats, steps, rng)?;
        loss_gap = loss_gap.max(gap);
        if n >= block.plan.warmup_turns as usize {
            pairs.push(pair);
        }
    }
    let [base, candidate] = seats;
    let both = |f: fn(&Seat) -> Option<f64>| Some([f(&base)?, f(&candidate)?]);
    let ready_s = both(|seat| Some(rounded(seat.session.ready_s())));
    let idle_cpu_s = both(|seat| seat.idle_cpu_s.map(rounded));
    let tokens_per_step = [
        base.session.tokens_per_step(),
        candidate.session.tokens_per_step(),
    ];
    let closed = [
        base.session.close().map_err(|e| (Side::Base, e))?,
        candidate
            .session
            .close()
            .map_err(|e| (Side::Candidate, e))?,
    ];
    let peak = |i: usize| closed[i].peak_mib.map(f64::round);
    Ok(BlockResult {
        turns_s: pairs.iter().flatten().sum(),
        block: Block {
            pairs,
            ready_s,
            wall_s: Some(closed.map(|c| rounded(c.wall_s))),
            idle_cpu_s,
            peak_mib: peak(0).zip(peak(1)).map(|(b, c)| [b, c]),
        },
        loss_gap,
        wall_s: arena.clock().now_s() - begin_s,
        exit_s: closed.map(|c| c.exit_s),
        tokens_per_step,
    })
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
) -> Result<([f64; 2], f64), (Side, PeerError)> {
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
    let [base, candidate] = turns.map(|turn| turn.expect("both sides took their turn"));
    let losses = base.losses.iter().zip(&candidate.losses);
    let gap = losses.map(|(b, c)| relative(*b, *c)).fold(0.0, f64::max);
    Ok(([base.seconds, candidate.seconds], gap))
}

/// A loss that is no number is infinitely far from any other.
fn relative(base: f64, candidate: f64) -> f64 {
    let gap = (base - candidate).abs() / base.abs().max(1e-9);
    if gap.is_nan() { f64::INFINITY } else { gap }
}
