//! What is watched while blocks are timed: each guard is a small function from what was measured to
//! a check, so that a candidate cannot look fast by what is not its median turn.

use outpace_record::Check;
use outpace_stats::{Evidence, block_excess, lower_bound, median, sums};

use crate::block::BlockResult;
use crate::gpu::{WAITING_GPU, conditions_of};

/// Losses of the same timed step may differ by 1 %, the most that the correctness check ever allows
/// (docs/statistics.md).
const TIMED_LOSS_GAP: f64 = 0.01;
/// A waiting process may use CPU for 10 % of the other's turns: thread pools spin for a moment before
/// they sleep. Where the base spins, so does every candidate: half as much again as the base.
const WAITING_CPU: f64 = 0.10;
const WAITING_FACTOR: f64 = 1.5;
/// Of what a proven gain saves, a quarter may be time that the candidate spends more than the base
/// outside of its median turn.
const MOVED_SHARE: f64 = 0.25;
/// And half of the gain may be CPU time that it uses more than the base while it waits; so little is
/// allowed in any case.
const WAITING_SHARE: f64 = 0.5;
const WAITING_MORE: f64 = 0.005;
/// Both have to be proven at this level: a gain may be there after 8 blocks, which are too few for
/// more.
const GUARD_ALPHA: f64 = 0.05;
/// Start-up, warm-up and exit may each take half as long again as the base's plus a quarter of a
/// second: work must not hide there.
const STARTUP_FACTOR: f64 = 1.5;
const STARTUP_SLACK_S: f64 = 0.25;
/// Blocks from which on they are judged.
const STARTUP_BLOCKS: usize = 3;
/// A bet that slow starts are the candidate's: of two equal sides each has half of them, whatever
/// their number, so that this wealth grows beyond the threshold with a chance of 1 in 10 at most, and
/// if they are rare, far less. Four against none are too many.
const SLOW_WINS: f64 = 1.8;
const SLOW_LOSES: f64 = 0.2;
const SLOW_THRESHOLD: f64 = 10.0;

type Guard = fn(&[BlockResult]) -> Option<Check>;

/// Asked after every block.
const GUARDS: [Guard; 9] = [
    tokens,
    timed_losses,
    waiting_cpu,
    unaccounted_children,
    waiting_on_gpu,
    gpu_conditions,
    startup,
    exit,
    warmup,
];

/// What a candidate could do to look fast while it is timed. `results` are all blocks so far; none
/// give no checks.
pub(crate) fn watch(results: &[BlockResult]) -> Vec<Check> {
    if results.is_empty() {
        return Vec::new();
    }
    GUARDS.iter().filter_map(|guard| guard(results)).collect()
}

/// What a gain that is proven is held against besides: time outside of the median turn, and CPU time
/// in the base's turns, of which either could be all of it.
pub(crate) fn watch_gain(evidence: &Evidence, results: &[BlockResult]) -> Vec<Check> {
    // The bounds cost more than the question whether they are wanted.
    if !evidence.gain_is_proven() {
        return Vec::new();
    }
    let at_least = evidence.summary().at_least.unwrap_or(0.0);
    if at_least <= 0.0 {
        return Vec::new();
    }
    [
        moved_work(evidence, at_least, results),
        waiting_of_gain(at_least, results),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A check that passes where `value` is at most `allowed`; a value that is not a number fails.
pub(crate) fn at_most(name: &str, value: f64, allowed: f64, what: &str) -> Check {
    Check {
        name: name.into(),
        passed: value <= allowed,
        value: value.is_finite().then_some(value),
        allowed: Some(allowed),
        detail: format!("{what}: {value:.3e} (allowed {allowed:.1e})"),
    }
}

fn tokens(results: &[BlockResult]) -> Option<Check> {
    let [base, candidate] = results.first()?.tokens_per_step;
    let base = base?;
    let said = candidate.map_or("not stated".into(), |n| n.to_string());
    Some(Check {
        name: "tokens".into(),
        passed: candidate == Some(base),
        value: candidate.map(|n| n as f64),
        allowed: Some(base as f64),
        detail: format!("tokens a step: base {base}, candidate {said}"),
    })
}

fn timed_losses(results: &[BlockResult]) -> Option<Check> {
    let gap = results.iter().map(|r| r.loss_gap).fold(0.0, f64::max);
    let what = "largest relative difference of a loss while timed";
    Some(at_most("timed losses", gap, TIMED_LOSS_GAP, what))
}

fn waiting_cpu(results: &[BlockResult]) -> Option<Check> {
    let share = waiting_share(results, 1)?;
    let of_base = waiting_share(results, 0).unwrap_or(0.0);
    let allowed = WAITING_CPU.max(WAITING_FACTOR * of_base);
    let what = "CPU time of the candidate during the base's turns, as a share of them";
    Some(at_most("waiting", share, allowed, what))
}

/// CPU time that a side used while it waited, as a share of the other's turns.
fn waiting_share(results: &[BlockResult], side: usize) -> Option<f64> {
    let used: Option<f64> = results
        .iter()
        .map(|r| Some(r.block.idle_cpu_s?[side]))
        .sum();
    let pairs = results.iter().flat_map(|r| &r.block.pairs);
    Some(used? / pairs.map(|pair| pair[1 - side]).sum::<f64>())
}

fn unaccounted_children(results: &[BlockResult]) -> Option<Check> {
    let ignores = |side: usize| results.iter().any(|r| r.ignores_sigchld[side]);
    (ignores(1) && !ignores(0)).then(|| Check {
        name: "unaccounted children".into(),
        passed: false,
        value: None,
        allowed: None,
        detail: "a process of the candidate ignores SIGCHLD: the kernel does not account for the \
                 CPU time of its children"
            .into(),
    })
}

fn waiting_on_gpu(results: &[BlockResult]) -> Option<Check> {
    let probed: Vec<[f64; 2]> = results.iter().filter_map(|r| r.block.idle_gpu).collect();
    if probed.is_empty() {
        return None;
    }
    let most = |side: usize| probed.iter().map(|p| p[side]).fold(0.0, f64::max);
    let allowed = WAITING_GPU.max(WAITING_FACTOR * most(0));
    let what = "most of a GPU that the candidate used while both waited";
    Some(at_most("waiting on the GPU", most(1), allowed, what))
}

fn gpu_conditions(results: &[BlockResult]) -> Option<Check> {
    conditions_of(results.iter().map(|r| &r.block.gpus[..]))
}

fn startup(results: &[BlockResult]) -> Option<Check> {
    let ready: Vec<[f64; 2]> = results.iter().filter_map(|r| r.block.ready_s).collect();
    startup_and_exit_guard("start-up", &ready, "median seconds from start to ready")
}

fn exit(results: &[BlockResult]) -> Option<Check> {
    let exit: Vec<[f64; 2]> = results.iter().map(|r| r.exit_s).collect();
    startup_and_exit_guard("exit", &exit, "median seconds from `stop` to exit")
}

fn warmup(results: &[BlockResult]) -> Option<Check> {
    let warmup: Vec<[f64; 2]> = results.iter().map(|r| r.warmup_s).collect();
    startup_and_exit_guard("warm-up", &warmup, "median seconds of the warm-up turns")
}

/// One stall of the machine is no slow start: the median of a few blocks is, and so are more slow
/// starts than chance would give to one of two equal sides.
fn startup_and_exit_guard(name: &str, seconds: &[[f64; 2]], what: &str) -> Option<Check> {
    if seconds.len() < STARTUP_BLOCKS {
        return None;
    }
    let of = |side: usize| median(&seconds.iter().map(|s| s[side]).collect::<Vec<_>>());
    let slow = |side: usize| {
        let limit = |s: &[f64; 2]| STARTUP_FACTOR * s[1 - side] + STARTUP_SLACK_S;
        seconds.iter().filter(|s| s[side] > limit(s)).count()
    };
    let allowed = STARTUP_FACTOR * of(0) + STARTUP_SLACK_S;
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
            "{name}: the candidate took more than {STARTUP_FACTOR} times the base's seconds plus \
             {STARTUP_SLACK_S} s in {} of {} blocks",
            slow(1),
            seconds.len()
        ),
        ..check
    })
}

/// Time that a candidate saves in its median turn and spends in others is not saved.
fn moved_work(evidence: &Evidence, at_least: f64, results: &[BlockResult]) -> Option<Check> {
    let saved = 1.0 - 1.0 / (1.0 + at_least);
    let excess = results.iter().map(|r| block_excess(&r.block.pairs).ok());
    let excess = proven(excess.collect()).unwrap_or(0.0);
    Some(Check {
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
    })
}

/// Work that is done in the base's turns is not saved either.
fn waiting_of_gain(at_least: f64, results: &[BlockResult]) -> Option<Check> {
    let waiting = results.iter().map(|r| {
        let [base, candidate] = r.block.idle_cpu_s?;
        let turns = sums(&r.block.pairs);
        Some(candidate / turns[0] - base / turns[1])
    });
    Some(at_most(
        "waiting, of the gain",
        proven(waiting.collect())?,
        (WAITING_SHARE * at_least).max(WAITING_MORE),
        "CPU time of the candidate during the base's turns beyond the base's own, as a share of \
         them, beside half of the gain",
    ))
}

/// The lower bound of a figure of each block: what is not proven to be more is taken to be noise.
fn proven(per_block: Option<Vec<f64>>) -> Option<f64> {
    lower_bound(&per_block?, GUARD_ALPHA)
}
