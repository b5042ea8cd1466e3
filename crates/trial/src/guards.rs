//! What is watched while blocks are timed: each guard is a small function from what was measured to
//! a check, so that a candidate cannot look fast by what is not its median turn.

use outpace_record::Check;
use outpace_stats::{Evidence, block_excess, lower_bound, median, sums};

use crate::block::BlockResult;
use crate::gpu::{WAITING_GPU, conditions_of};

/// Losses of the same timed step may differ by 1 %, the most that the correctness check ever allows
/// (docs/statistics.md).
const TIMED_LOSS_GAP: f64 = 0.01;
/// A waiting process may use CPU for 10 % of the other's turns: thread pools spin for a moment
/// before they sleep. Where the base spins, so does every candidate: half as much again as the
/// base.
const WAITING_CPU: f64 = 0.10;
const WAITING_FACTOR: f64 = 1.5;
/// Of what a proven gain saves, a quarter may be time that the candidate spends more than the base
/// outside of its median turn.
const MOVED_SHARE: f64 = 0.25;
/// And half of the gain may be CPU time that it uses more than the base while it waits; so little
/// is allowed in any case.
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
/// their number, so that this wealth grows beyond the threshold with a chance of 1 in 10 at most,
/// and if they are rare, far less. Four against none are too many.
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

/// What a gain that is proven is held against besides: time outside of the median turn, and CPU
/// time in the base's turns, of which either could be all of it.
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

#[cfg(test)]
mod tests {
    use outpace_record::{Block, GpuConditions};
    use outpace_stats::Rule;

    use super::*;

    /// A block in which nothing is wrong: eight pairs of turns of 0.1 s.
    fn honest() -> BlockResult {
        BlockResult {
            block: Block {
                pairs: vec![[0.1, 0.1]; 8],
                ready_s: Some([1.0, 1.0]),
                idle_cpu_s: Some([0.0, 0.0]),
                idle_gpu: Some([0.0, 0.0]),
                ..Block::default()
            },
            loss_gap: 0.0,
            wall_s: 4.0,
            turns_s: 1.6,
            exit_s: [1.0; 2],
            tokens_per_step: [Some(1024); 2],
            ignores_sigchld: [false; 2],
            warmup_s: [1.0; 2],
        }
    }

    fn changed(change: impl Fn(&mut BlockResult)) -> BlockResult {
        let mut result = honest();
        change(&mut result);
        result
    }

    fn names(checks: &[Check]) -> Vec<&str> {
        checks.iter().map(|check| &check.name[..]).collect()
    }

    fn failing(results: &[BlockResult]) -> Vec<String> {
        let failed = watch(results).into_iter().filter(|check| !check.passed);
        failed.map(|check| check.name).collect()
    }

    /// Three blocks that are as `change` makes them fail these checks and no others.
    #[track_caller]
    fn check(fails: &[&str], change: impl Fn(&mut BlockResult)) {
        assert_eq!(failing(&vec![changed(change); 3]), fails);
    }

    /// Where the figure is not known, there is no check of it.
    #[track_caller]
    fn is_silent(name: &str, results: &[BlockResult]) {
        let checks = watch(results);
        assert!(!names(&checks).contains(&name), "{checks:?}");
    }

    /// One such block between two honest ones.
    fn one_of_three(change: impl Fn(&mut BlockResult)) -> [BlockResult; 3] {
        [honest(), changed(change), honest()]
    }

    #[test]
    fn an_honest_candidate_passes_every_check_and_no_blocks_give_none() {
        assert_eq!(
            names(&watch(&vec![honest(); 3])),
            [
                "tokens",
                "timed losses",
                "waiting",
                "waiting on the GPU",
                "start-up",
                "exit",
                "warm-up"
            ]
        );
        check(&[], |_| {});
        assert_eq!(watch(&[]), []);
    }

    #[test]
    fn a_candidate_trains_on_as_many_tokens_as_the_base() {
        for tokens in [Some(1023), Some(1025), None] {
            check(&["tokens"], |b| b.tokens_per_step[1] = tokens);
        }
        is_silent("tokens", &[changed(|b| b.tokens_per_step[0] = None)]);
    }

    #[test]
    fn timed_losses_differ_by_one_per_cent_at_most() {
        check(&[], |b| b.loss_gap = 0.01);
        check(&["timed losses"], |b| b.loss_gap = 0.0101);
        check(&["timed losses"], |b| b.loss_gap = f64::INFINITY);
        let once = one_of_three(|b| b.loss_gap = 0.0101);
        assert_eq!(failing(&once), ["timed losses"]);
    }

    #[test]
    fn a_waiting_candidate_uses_a_tenth_of_the_bases_turns_or_half_as_much_again_as_the_base() {
        check(&[], |b| b.block.idle_cpu_s = Some([0.0, 0.079]));
        check(&["waiting"], |b| b.block.idle_cpu_s = Some([0.0, 0.081]));
        // A fifth of the other's turns: 0.4 s of the candidate's, 0.8 s of the base's.
        let half_as_long = |idle: f64| {
            move |b: &mut BlockResult| {
                b.block.pairs = vec![[0.1, 0.05]; 8];
                b.block.idle_cpu_s = Some([0.08, idle]);
            }
        };
        check(&[], half_as_long(0.239));
        check(&["waiting"], half_as_long(0.241));
        // All blocks together count.
        let once = |idle: f64| one_of_three(|b| b.block.idle_cpu_s = Some([0.0, idle]));
        assert_eq!(failing(&once(0.239)), [""; 0]);
        assert_eq!(failing(&once(0.241)), ["waiting"]);
        is_silent("waiting", &one_of_three(|b| b.block.idle_cpu_s = None));
    }

    #[test]
    fn only_the_candidate_alone_must_not_ignore_sigchld() {
        check(&["unaccounted children"], |b| {
            b.ignores_sigchld = [false, true];
        });
        check(&[], |b| b.ignores_sigchld = [true, true]);
        check(&[], |b| b.ignores_sigchld = [true, false]);
        let once = one_of_three(|b| b.ignores_sigchld = [false, true]);
        assert_eq!(failing(&once), ["unaccounted children"]);
    }

    #[test]
    fn a_waiting_candidate_uses_two_per_cent_of_a_gpu_or_half_as_much_again_as_the_base() {
        check(&[], |b| b.block.idle_gpu = Some([0.0, 0.02]));
        check(&["waiting on the GPU"], |b| {
            b.block.idle_gpu = Some([0.0, 0.021]);
        });
        check(&[], |b| b.block.idle_gpu = Some([0.1, 0.149]));
        check(&["waiting on the GPU"], |b| {
            b.block.idle_gpu = Some([0.1, 0.151]);
        });
        let once = one_of_three(|b| b.block.idle_gpu = Some([0.0, 0.021]));
        assert_eq!(failing(&once), ["waiting on the GPU"]);
        is_silent(
            "waiting on the GPU",
            &[changed(|b| b.block.idle_gpu = None)],
        );
    }

    #[test]
    fn a_throttled_gpu_is_told_and_is_not_a_fault() {
        let gpu = GpuConditions {
            throttled: Some([("power".to_owned(), 0.5)].into()),
            ..GpuConditions::default()
        };
        let result = changed(|b| b.block.gpus = vec![gpu.clone()]);
        let checks = watch(&[result]);
        let told = checks.iter().find(|check| check.name == "GPU").unwrap();
        assert!(told.passed, "{told:?}");
        assert!(told.detail.contains("power"), "{told:?}");
    }

    #[test]
    fn start_up_exit_and_warm_up_take_half_as_long_again_and_a_quarter_of_a_second_at_most() {
        type Set = fn(&mut BlockResult, f64);
        let all: [(&str, Set); 3] = [
            ("start-up", |b, s| b.block.ready_s = Some([1.0, s])),
            ("exit", |b, s| b.exit_s = [1.0, s]),
            ("warm-up", |b, s| b.warmup_s = [1.0, s]),
        ];
        for (name, set) in all {
            check(&[], |b| set(b, 1.75));
            check(&[name], |b| set(b, 1.76));
            is_silent(name, &vec![changed(|b| set(b, 9.0)); 2]);
        }
        let once = one_of_three(|b| b.exit_s = [1.0, 9.0]);
        assert_eq!(failing(&once), [""; 0], "one stall is the machine's");
        is_silent("start-up", &vec![changed(|b| b.block.ready_s = None); 3]);
    }

    #[test]
    fn slow_starts_are_the_candidates_where_they_are_more_than_chance_gives_it() {
        let check = |candidates: usize, bases: usize, passes: bool| {
            let mut seconds = vec![[1.0, 1.0]; 20];
            seconds[..candidates].fill([1.0, 1.76]);
            seconds[candidates..candidates + bases].fill([1.76, 1.0]);
            let check = startup_and_exit_guard("exit", &seconds, "seconds").unwrap();
            assert_eq!(check.passed, passes, "{}", check.detail);
            check
        };
        check(3, 0, true);
        check(6, 1, true);
        check(7, 1, false);
        check(7, 2, true);
        let failed = check(4, 0, false);
        assert_eq!((failed.value, failed.allowed), (Some(4.0), None));
        assert!(failed.detail.contains("in 4 of 20"), "{}", failed.detail);
    }

    #[test]
    fn a_figure_at_its_limit_passes_and_one_that_is_not_a_number_fails() {
        let check = |value: f64| at_most("it", value, 2.0, "what");
        assert!(check(2.0).passed && check(-3.0).passed);
        assert!(!check(2.001).passed);
        assert_eq!(check(1.0).value, Some(1.0));
        for value in [f64::NAN, f64::INFINITY] {
            assert_eq!((check(value).passed, check(value).value), (false, None));
        }
    }

    /// The checks of `n` blocks with these pairs, and how large the gain is at least.
    fn of_gain(n: usize, pairs: &[[f64; 2]], idle_cpu_s: [f64; 2]) -> (Vec<Check>, f64) {
        let mut evidence = Evidence::new(&Rule::default()).unwrap();
        for _ in 0..n {
            evidence.push_block(pairs).unwrap();
        }
        let result = changed(|b| {
            b.block.pairs = pairs.to_vec();
            b.block.idle_cpu_s = Some(idle_cpu_s);
        });
        let at_least = evidence.summary().at_least.unwrap_or(0.0);
        (watch_gain(&evidence, &vec![result; n]), at_least)
    }

    #[test]
    fn only_a_proven_gain_is_held_against_sums_and_waiting() {
        let faster = [[0.1, 0.08]; 8];
        let (checks, at_least) = of_gain(12, &faster, [0.0; 2]);
        assert!(at_least > 0.005);
        assert_eq!(names(&checks), ["sums", "waiting, of the gain"]);
        assert!(checks.iter().all(|check| check.passed), "{checks:?}");
        assert_eq!(of_gain(2, &faster, [0.0; 2]).0, []);
        assert_eq!(of_gain(12, &[[0.08, 0.1]; 8], [0.0; 2]).0, []);
    }

    #[test]
    fn what_the_median_turn_saves_must_not_be_spent_in_others() {
        let sums = |long: f64| {
            let mut pairs = [[0.1, 0.08]; 9];
            pairs[0][1] = long;
            let (checks, _) = of_gain(12, &pairs, [0.0; 2]);
            let check = checks.into_iter().find(|check| check.name == "sums");
            check.unwrap().passed
        };
        assert!(sums(0.08));
        assert!(!sums(0.26), "all that was saved");
    }

    #[test]
    fn waiting_takes_half_of_the_gain_at_most() {
        let turns = |n: usize| vec![[0.1, 0.08]; n];
        let waiting = |share: f64, of_base: f64| {
            let (_, at_least) = of_gain(12, &turns(8), [0.0; 2]);
            let idle = [of_base * 0.64, (of_base + share * at_least) * 0.8];
            let (checks, _) = of_gain(12, &turns(8), idle);
            checks.last().unwrap().passed
        };
        assert!(waiting(0.49, 0.0));
        assert!(!waiting(0.51, 0.0));
        assert!(waiting(0.49, 0.3), "what the base does too");
        assert!(!waiting(0.51, 0.3));
    }
}
