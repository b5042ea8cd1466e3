//! What is watched while blocks are timed: each guard is a small function from what was measured to
//! a check, so that a candidate cannot look fast by what is not its median turn.

use outpace_record::Check;
use outpace_stats::{Evidence, block_excess, lower_bound, median};

use crate::block::BlockResult;
use crate::gpu::{WAITING_GPU, conditions_of};

/// Losses of the same timed step may differ by 1 %, the most that the correctness check ever allows
/// (docs/statistics.md).
const TIMED_LOSS_GAP: f64 = 0.01;
/// A process that waits and uses CPU for more than 10 % of the other's turns is told of. What that
/// did to the other side, isolated runs show.
const WAITING_CPU: f64 = 0.10;
/// Where the base uses a GPU while it waits, so does every candidate: half as much again as the
/// base.
const WAITING_FACTOR: f64 = 1.5;
/// Of what a proven gain saves, a quarter may be time that the candidate spends more than the base
/// outside of its median turn.
const MOVED_SHARE: f64 = 0.25;
/// Of what isolated runs gain, half may be time that the candidate takes longer to save.
const SAVING_SHARE: f64 = 0.5;
/// It has to be proven at this level: a gain may be there after 8 blocks, which are too few for
/// more.
const GUARD_ALPHA: f64 = 0.05;

const TIMED_LOSSES: &str = "timed losses";
const TOKENS: &str = "tokens";

type Guard = fn(&[BlockResult]) -> Option<Check>;

/// Asked after every block: facts that no further block can change.
const GUARDS: [Guard; 4] = [tokens, timed_losses, waiting_on_gpu, gpu_conditions];

/// What a candidate could do to look fast while it is timed. `results` are all blocks so far; none
/// give no checks. `other_mathematics`: what both train is not held against each other.
pub(crate) fn watch(results: &[BlockResult], other_mathematics: bool) -> Vec<Check> {
    if results.is_empty() {
        return Vec::new();
    }
    let checks = GUARDS.iter().filter_map(|guard| guard(results));
    let kept =
        |check: &Check| !(other_mathematics && [TOKENS, TIMED_LOSSES].contains(&&*check.name));
    checks.filter(kept).collect()
}

/// What a candidate could do to look fast in isolated runs. Where what both trained is compared at
/// their length, losses are too.
pub(crate) fn watch_isolated(
    results: &[BlockResult],
    other_mathematics: bool,
    compared: bool,
    confirmed: bool,
) -> Vec<Check> {
    let mut checks = watch(results, other_mathematics);
    checks.retain(|check| !compared || check.name != TIMED_LOSSES);
    checks.extend(saving(results).filter(|_| confirmed));
    checks
}

/// What a gain that is proven is held against besides. Its bounds hold after any block.
pub(crate) fn watch_gain(evidence: &Evidence, results: &[BlockResult]) -> Vec<Check> {
    // The bounds cost more than the question whether they are wanted.
    if !evidence.gain_is_proven() {
        return Vec::new();
    }
    let at_least = evidence.summary().at_least.unwrap_or(0.0);
    let moved = (at_least > 0.0).then(|| moved_work(evidence, at_least, results));
    moved.into_iter().chain(waiting_cpu(results)).collect()
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

/// Something that is told and refuses nothing.
pub(crate) fn line(name: &str, detail: String) -> Check {
    Check {
        name: name.into(),
        passed: true,
        value: None,
        allowed: None,
        detail,
    }
}

fn tokens(results: &[BlockResult]) -> Option<Check> {
    let [base, candidate] = results.first()?.tokens_per_step;
    let base = base?;
    let said = candidate.map_or("not stated".into(), |n| n.to_string());
    Some(Check {
        name: TOKENS.into(),
        passed: candidate == Some(base),
        value: candidate.map(|n| n as f64),
        allowed: Some(base as f64),
        detail: format!("tokens a step: base {base}, candidate {said}"),
    })
}

fn timed_losses(results: &[BlockResult]) -> Option<Check> {
    let gap = results.iter().map(|r| r.loss_gap).fold(0.0, f64::max);
    let what = "largest relative difference of a loss while timed";
    Some(at_most(TIMED_LOSSES, gap, TIMED_LOSS_GAP, what))
}

/// A line, and no refusal: prefetching and thread pools that spin are no fraud.
fn waiting_cpu(results: &[BlockResult]) -> Option<Check> {
    let [base, candidate] = [0, 1].map(|side| waiting_share(results, side));
    let (base, candidate) = (base?, candidate?);
    (candidate > WAITING_CPU).then(|| Check {
        name: "waiting".into(),
        passed: true,
        value: Some(candidate),
        allowed: None,
        detail: format!(
            "while it waited, the candidate used CPU for {:.0} % of the base's turns (the base for \
             {:.0} % of the candidate's): isolated runs show what is left of the gain without that",
            candidate * 100.0,
            base * 100.0
        ),
    })
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

/// Time that a candidate saves in its median turn and spends in others is not saved.
fn moved_work(evidence: &Evidence, at_least: f64, results: &[BlockResult]) -> Check {
    let saved = 1.0 - 1.0 / (1.0 + at_least);
    let excess = results.iter().map(|r| block_excess(&r.block.pairs).ok());
    let excess = proven(excess.collect()).unwrap_or(0.0);
    Check {
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
    }
}

/// Work that is left out of the turns and made up for while it saves is not saved.
fn saving(results: &[BlockResult]) -> Option<Check> {
    let moved = results.iter().map(|r| {
        let (saves, exits) = (r.block.save_s?, r.block.exit_s.unwrap_or_default());
        let [base, candidate] = [0, 1].map(|side| saves[side] + exits[side]);
        let gained: f64 = r.block.pairs.iter().map(|pair| pair[0] - pair[1]).sum();
        Some(candidate - base - SAVING_SHARE * gained.max(0.0))
    });
    let moved: Vec<f64> = moved.collect::<Option<_>>()?;
    let beyond = moved.iter().filter(|moved| **moved > 0.0).count();
    (as_often_by_chance(beyond, moved.len()) <= GUARD_ALPHA).then(|| Check {
        name: "saving".into(),
        passed: false,
        value: Some(median(&moved)),
        allowed: Some(0.0),
        detail: format!(
            "to write its checkpoint and to exit the candidate takes longer than the base by more than half of \
             what it gains in a run, in {beyond} of {} runs",
            moved.len()
        ),
    })
}

/// How likely a coin shows heads at least so many times. The bounds of a few runs by size would say
/// nothing yet.
fn as_often_by_chance(heads: usize, throws: usize) -> f64 {
    let mut ways = 1.0;
    let mut all = Vec::new();
    for k in 0..=throws {
        all.push(ways);
        ways *= (throws - k) as f64 / (k + 1) as f64;
    }
    all[heads..].iter().sum::<f64>() / 2_f64.powi(throws as i32)
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
                idle_cpu_s: Some([0.0, 0.0]),
                idle_gpu: Some([0.0, 0.0]),
                ..Block::default()
            },
            loss_gap: 0.0,
            wall_s: 4.0,
            turns_s: 1.6,
            start_cpu_s: None,
            tokens_per_step: [Some(1024); 2],
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
        let failed = watch(results, false)
            .into_iter()
            .filter(|check| !check.passed);
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
        let checks = watch(results, false);
        assert!(!names(&checks).contains(&name), "{checks:?}");
    }

    /// One such block between two honest ones.
    fn one_of_three(change: impl Fn(&mut BlockResult)) -> [BlockResult; 3] {
        [honest(), changed(change), honest()]
    }

    #[test]
    fn an_honest_candidate_passes_every_check_and_no_blocks_give_none() {
        assert_eq!(
            names(&watch(&vec![honest(); 3], false)),
            ["tokens", "timed losses", "waiting on the GPU"]
        );
        check(&[], |_| {});
        assert_eq!(watch(&[], false), []);
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
        let checks = watch(&[result], false);
        let told = checks.iter().find(|check| check.name == "GPU").unwrap();
        assert!(told.passed, "{told:?}");
        assert!(told.detail.contains("power"), "{told:?}");
    }

    #[test]
    fn how_often_a_coin_does_it() {
        assert_eq!(as_often_by_chance(0, 4), 1.0);
        assert_eq!(as_often_by_chance(5, 5), 1.0 / 32.0);
        assert_eq!(as_often_by_chance(7, 8), 9.0 / 256.0);
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
    fn only_a_proven_gain_is_held_against_sums() {
        let faster = [[0.1, 0.08]; 8];
        let (checks, at_least) = of_gain(12, &faster, [0.0; 2]);
        assert!(at_least > 0.005);
        assert_eq!(names(&checks), ["sums"]);
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
    fn a_candidate_that_works_while_it_waits_is_told_of_and_not_refused() {
        let told = |idle: [f64; 2]| {
            let (checks, _) = of_gain(12, &[[0.1, 0.08]; 8], idle);
            checks.into_iter().find(|check| check.name == "waiting")
        };
        assert_eq!(told([0.0, 0.079]), None);
        let line = told([0.032, 0.4]).unwrap();
        assert!(line.passed && line.allowed.is_none());
        assert!(line.detail.contains("for 50 % of the base's"), "{line:?}");
        assert!(
            line.detail.contains("for 5 % of the candidate's"),
            "{line:?}"
        );
        let once = one_of_three(|b| b.block.idle_cpu_s = None);
        assert_eq!(waiting_cpu(&once), None);
    }
}
