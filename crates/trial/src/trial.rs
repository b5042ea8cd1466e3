//! The trial: blocks until the evidence settles it.

use outpace_record::{Block, Check, TokensPerS};
use outpace_stats::{
    Decision, Evidence, Outcome, Rule, StatsError, block_excess, lower_bound, median, sums,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::alone::{Alone, confirm};
use crate::block::{BlockPlan, BlockResult, measure};
use crate::gpu::{WAITING_GPU, conditions_of};
use crate::plan::blame;
use crate::{Arena, Event, Observer, PeerError, Plan, Side, pilot, settle};

/// Losses of the same timed step may differ by 1 %, the most that the correctness check ever allows (docs/statistics.md).
const TIMED_LOSS_GAP: f64 = 0.01;
/// A waiting process may use CPU for 10 % of the other's turns: thread pools spin for a moment before they sleep.
const WAITING_CPU: f64 = 0.10;
/// Of what a proven gain saves, a quarter may be time that the candidate spends more than the base outside of its median turn.
const MOVED_SHARE: f64 = 0.25;
/// And half of the gain may be CPU time that it uses more than the base while it waits; so little is allowed in any case.
const WAITING_SHARE: f64 = 0.5;
const WAITING_MORE: f64 = 0.005;
/// Both have to be proven at this level: a gain may be there after 8 blocks, which are too few for more.
const GUARD_ALPHA: f64 = 0.05;
/// Start-up and exit may each take half as long again as the base's plus a quarter of a second: work must not hide there.
const EDGE_FACTOR: f64 = 1.5;
const EDGE_SLACK_S: f64 = 0.25;
/// Blocks from which on start-up and exit are judged.
const EDGE_BLOCKS: usize = 3;
/// A bet that slow starts are the candidate's: of two equal sides each has half of them, whatever their number, so that this wealth grows
/// beyond the threshold with a chance of 1 in 10 at most, and if they are rare, far less. Four against none are too many.
const SLOW_WINS: f64 = 1.8;
const SLOW_LOSES: f64 = 0.2;
const SLOW_THRESHOLD: f64 = 10.0;
/// After the first, so large a share of the blocks is listened to: it takes seconds, and nobody knows when.
const LISTENED: f64 = 0.25;
/// Sets the draws of listening apart from those that a recorded seed replays.
const LISTENING_SEED: u64 = 0x0011_57E4;

/// What a trial is run with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the workload, for messages.
    pub workload: String,
    /// The rule of proof.
    pub rule: Rule,
    /// Pairs in a block.
    pub pairs: usize,
    /// Shortest turn in seconds.
    pub min_turn_s: f64,
    /// Seed of every draw.
    pub seed: u64,
}

/// A side that failed in the middle of a trial.
#[derive(Debug, thiserror::Error)]
pub enum SideError {
    /// A program failed.
    #[error("the {} failed: {error}", side.as_str())]
    Side {
        /// Whose.
        side: Side,
        /// How.
        error: PeerError,
    },
    /// The rule cannot be used, or a time is impossible.
    #[error(transparent)]
    Stats(#[from] StatsError),
}

impl From<(Side, PeerError)> for SideError {
    fn from((side, error): (Side, PeerError)) -> Self {
        Self::Side { side, error }
    }
}

impl SideError {
    /// Whether the program ended or gave up by itself: not a time limit, not the machine, not the user.
    pub fn is_own_end(&self) -> bool {
        matches!(
            self,
            Self::Side {
                error: PeerError::Exited { .. } | PeerError::Said(_) | PeerError::Version(_),
                ..
            }
        )
    }

    /// Whether this is the user's Ctrl-C.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Side { error, .. } if error.is_cancelled())
    }

    /// What failed, if it is the machine and neither side.
    pub fn machine(&self) -> Option<&PeerError> {
        match self {
            Self::Side { error, .. } if error.is_machine() => Some(error),
            _ => None,
        }
    }

    /// The GPU's failure where it is one of the GPU.
    #[must_use]
    pub fn blamed(self, arena: &mut dyn Arena) -> Self {
        match self {
            Self::Side { side, error } => Self::Side {
                side,
                error: blame(arena, error),
            },
            other => other,
        }
    }

    /// Whether the candidate is to blame.
    pub fn is_candidate(&self) -> bool {
        matches!(self, Self::Side { side: Side::Candidate, error } if !error.is_cancelled() && !error.is_machine())
    }
}

/// What a trial found.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The decision; absent when it was interrupted or something watched was not in order ([`Trial::fault`]).
    pub decision: Option<Decision>,
    /// Raw samples.
    pub blocks: Vec<Block>,
    /// Raw samples with one process after the other, which a gain on a GPU has to show in too.
    pub alone: Vec<Block>,
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
}

/// Runs blocks until the rule decides. Ctrl-C ends it with what was measured so far.
///
/// # Errors
/// A side failed; see [`SideError::is_candidate`].
pub fn run_trial(
    arena: &mut dyn Arena,
    settings: &Settings,
    observer: &mut dyn Observer,
) -> Result<Trial, SideError> {
    let mut rng = ChaCha20Rng::seed_from_u64(settings.seed);
    let mut ears = ChaCha20Rng::seed_from_u64(settings.seed ^ LISTENING_SEED);
    let begin_s = arena.clock().now_s();
    let mut plan = pilot(
        arena,
        &Side::BOTH,
        settings.min_turn_s,
        settings.pairs,
        [seed(&mut rng), seed(&mut rng)],
    )?;
    let gpus = settle(arena, &mut plan).map_err(|error| (Side::Base, error))?;
    observer.on(&Event::Planned {
        workload: &settings.workload,
        steps_per_turn: plan.steps_per_turn,
        warmup_turns: plan.warmup_turns,
        pairs: plan.pairs,
        block_s: plan.block_s,
        gpus: gpus.as_deref(),
    });
    let mut evidence = Evidence::new(&settings.rule)?;
    let mut results: Vec<BlockResult> = Vec::new();
    let mut decision = None;
    while decision.is_none() {
        let block = BlockPlan {
            plan,
            model_seed: seed(&mut rng),
            data_seed: seed(&mut rng),
            listen_before: listen_before(results.len(), plan.pairs, &mut ears),
        };
        let result = match measure(arena, &block, &mut rng) {
            Ok(result) => result,
            Err((_, error)) if error.is_cancelled() => break,
            Err(failed) => return Err(failed.into()),
        };
        decision = evidence.push_block(&result.block.pairs)?;
        results.push(result);
        tell(settings, &evidence, &results, observer);
        let mut watched = watch(&results);
        watched.extend(of_gain(&evidence, &results));
        if watched.iter().any(|check| !check.passed) {
            decision = None;
            break;
        }
    }
    let faster = decision.is_some_and(|d: Decision| d.outcome == Outcome::Faster);
    let mut alone = None;
    if faster && arena.gpus().is_some_and(|gpus| gpus.meet()) {
        match confirm(arena, plan, settings, observer) {
            Ok(confirmed) => alone = Some(confirmed),
            Err(error) if error.is_cancelled() => decision = None,
            Err(error) => return Err(error),
        }
    }
    let trial_s = arena.clock().now_s() - begin_s;
    let mut trial = conclude(plan, evidence, decision, results, trial_s);
    if let Some(Alone { blocks, checks }) = alone {
        trial.alone = blocks;
        trial.checks.extend(checks);
    }
    Ok(trial)
}

/// Seeds stay below 2^53, so that every JSON reader keeps them exactly.
pub(crate) fn seed(rng: &mut ChaCha20Rng) -> u64 {
    rng.random::<u64>() >> 11
}

fn listen_before(blocks: usize, pairs: usize, rng: &mut ChaCha20Rng) -> Option<usize> {
    let (pair, chance) = (rng.random_range(0..pairs.max(1)), rng.random::<f64>());
    (blocks == 0 || chance < LISTENED).then_some(pair)
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
    let (n, log_e) = (results.len() as f64, summary.log_e);
    let sums = rule.sum_threshold.filter(|_| evidence.gain_is_proven());
    let sums = sums.map(|needed| (evidence.sum_log_e(), needed));
    let (so_far, needed) = sums.unwrap_or((log_e, threshold));
    let blocks_left = (needed.ln() - so_far) * n / so_far;
    let block_s = results.iter().map(|r| r.wall_s).sum::<f64>() / n;
    observer.on(&Event::Block {
        workload: &settings.workload,
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
    let mut checks = watch(&results);
    checks.extend(of_gain(&evidence, &results));
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
        evidence,
        plan,
        checks,
        tokens_per_s,
        overhead: if wall_s > 0.0 {
            1.0 - turns_s / wall_s
        } else {
            0.0
        },
        trial_s,
    }
}

/// What a candidate could do to look fast while it is timed.
pub(crate) fn watch(results: &[BlockResult]) -> Vec<Check> {
    let Some(first) = results.first() else {
        return Vec::new();
    };
    let mut checks = Vec::new();
    if let [Some(base), candidate] = first.tokens_per_step {
        checks.push(Check {
            name: "tokens".into(),
            passed: candidate == Some(base),
            value: candidate.map(|n| n as f64),
            allowed: Some(base as f64),
            detail: format!(
                "tokens a step: base {base}, candidate {}",
                candidate.map_or("unsaid".into(), |n| n.to_string())
            ),
        });
    }
    let gap = results.iter().map(|r| r.loss_gap).fold(0.0, f64::max);
    checks.push(at_most(
        "timed losses",
        gap,
        TIMED_LOSS_GAP,
        "largest relative difference of a loss while timed",
    ));
    if let Some(share) = waiting(results, 1) {
        let what = "CPU time of the candidate during the base's turns, as a share of them";
        // A workload whose base spins while it waits does so in every candidate.
        let of_base = waiting(results, 0).unwrap_or(0.0);
        let allowed = WAITING_CPU.max(1.5 * of_base);
        checks.push(at_most("waiting", share, allowed, what));
    }
    let hides = |side: usize| results.iter().any(|r| r.hides[side]);
    if hides(1) && !hides(0) {
        checks.push(Check {
            name: "hidden children".into(),
            passed: false,
            value: None,
            allowed: None,
            detail: "a process of the candidate ignores SIGCHLD, which hides the CPU time of its children".into(),
        });
    }
    let blocks = || results.iter().map(|r| &r.block);
    let heard: Vec<[f64; 2]> = blocks().filter_map(|b| b.idle_gpu).collect();
    if !heard.is_empty() {
        let most = |side: usize| heard.iter().map(|h| h[side]).fold(0.0, f64::max);
        let what = "most of a GPU that the candidate used while both waited";
        let allowed = WAITING_GPU.max(1.5 * most(0));
        checks.push(at_most("waiting on the GPU", most(1), allowed, what));
    }
    checks.extend(conditions_of(blocks().map(|b| &b.gpus[..])));
    let ready: Vec<[f64; 2]> = results.iter().filter_map(|r| r.block.ready_s).collect();
    let exit: Vec<[f64; 2]> = results.iter().map(|r| r.exit_s).collect();
    checks.extend(edge(
        "start-up",
        &ready,
        "median seconds from start to ready",
    ));
    checks.extend(edge("exit", &exit, "median seconds from `stop` to exit"));
    let warmup: Vec<[f64; 2]> = results.iter().map(|r| r.warmup_s).collect();
    checks.extend(edge(
        "warm-up",
        &warmup,
        "median seconds of the warm-up turns",
    ));
    checks
}

/// What a gain that is proven is held against besides: time outside of the median turn, and CPU time in the base's turns, of which either
/// could be all of it.
fn of_gain(evidence: &Evidence, results: &[BlockResult]) -> Vec<Check> {
    // The bounds cost more than the question whether they are wanted.
    if !evidence.gain_is_proven() {
        return Vec::new();
    }
    let at_least = evidence.summary().at_least.unwrap_or(0.0);
    if at_least <= 0.0 {
        return Vec::new();
    }
    // Whatever is not proven to be more is taken to be noise.
    let proven = |per_block: Option<Vec<f64>>| lower_bound(&per_block?, GUARD_ALPHA);
    let saved = 1.0 - 1.0 / (1.0 + at_least);
    let excess = results.iter().map(|r| block_excess(&r.block.pairs).ok());
    let excess = proven(excess.collect()).unwrap_or(0.0);
    let mut checks = vec![Check {
        name: "sums".into(),
        // Where all turns together show the gain too, it does not matter how long single ones were.
        passed: excess <= MOVED_SHARE * saved || evidence.sum_speedup() >= at_least,
        value: Some(excess),
        allowed: Some(MOVED_SHARE * saved),
        detail: format!(
            "the median turn gains at least {:+.1} %, all turns of a block together {:+.1} %",
            at_least * 100.0,
            evidence.sum_speedup() * 100.0
        ),
    }];
    let waiting = results.iter().map(|r| {
        let [base, candidate] = r.block.idle_cpu_s?;
        let turns = sums(&r.block.pairs);
        Some(candidate / turns[0] - base / turns[1])
    });
    if let Some(more) = proven(waiting.collect()) {
        checks.push(at_most(
            "waiting, of the gain",
            more,
            (WAITING_SHARE * at_least).max(WAITING_MORE),
            "CPU time of the candidate during the base's turns beyond the base's own, as a share of them, beside half of the gain",
        ));
    }
    checks
}

/// CPU time that a side used while it waited, as a share of the other's turns.
fn waiting(results: &[BlockResult], side: usize) -> Option<f64> {
    let used: Option<f64> = results
        .iter()
        .map(|r| Some(r.block.idle_cpu_s?[side]))
        .sum();
    let pairs = results.iter().flat_map(|r| &r.block.pairs);
    Some(used? / pairs.map(|pair| pair[1 - side]).sum::<f64>())
}

/// One stall of the machine is no slow start: the median of a few blocks is, and so are more slow starts than chance would give to one of two equals.
fn edge(name: &str, seconds: &[[f64; 2]], what: &str) -> Option<Check> {
    if seconds.len() < EDGE_BLOCKS {
        return None;
    }
    let of = |side: usize| median(&seconds.iter().map(|s| s[side]).collect::<Vec<_>>());
    let slow = |side: usize| {
        let limit = |s: &[f64; 2]| EDGE_FACTOR * s[1 - side] + EDGE_SLACK_S;
        seconds.iter().filter(|s| s[side] > limit(s)).count()
    };
    let allowed = EDGE_FACTOR * of(0) + EDGE_SLACK_S;
    let check = at_most(name, of(1), allowed, what);
    let wealth = SLOW_WINS.powi(slow(1) as i32) * SLOW_LOSES.powi(slow(0) as i32);
    if wealth < SLOW_THRESHOLD {
        return Some(check);
    }
    Some(Check {
        passed: false,
        value: Some(slow(1) as f64),
        allowed: None,
        detail: format!(
            "{name}: the candidate was more than {EDGE_FACTOR} times as slow as the base and {EDGE_SLACK_S} s in {} of {} blocks",
            slow(1),
            seconds.len()
        ),
        ..check
    })
}

pub(crate) fn at_most(name: &str, value: f64, allowed: f64, what: &str) -> Check {
    Check {
        name: name.into(),
        // Written so that a value that is no number fails.
        passed: value <= allowed,
        value: value.is_finite().then_some(value),
        allowed: Some(allowed),
        detail: format!("{what}: {value:.3e} (allowed {allowed:.1e})"),
    }
}
