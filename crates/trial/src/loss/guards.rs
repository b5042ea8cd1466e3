//! What is watched over a trial of seeds: work that a candidate does where no step is timed.

use outpace_record::{Check, LossCurve, SeedRun};
use outpace_stats::{StatsError, block_log_ratio, log_e, mean, median};

use super::{SeedSettings, Shapes};
use crate::guards::line;

/// Steps of the candidate may become slower over a run by this, against the base's and against what
/// the blocks say, as a log ratio.
const SLOWER_LATER: f64 = 0.05;
/// At such an e-value a fault is proven: less than a gain needs, so that noise which hides what a
/// program does in every run hides its gain before (100 let one of five through). An honest one
/// whose runs are short beside the noise of their start is refused in 1 of 20 cases at most.
const FAULT_E: f64 = 20.0;
/// Share of what a candidate gains in its steps that it may spend outside of them, and of the
/// base's steps besides.
const OUTSIDE_SHARE: f64 = 0.25;
const OUTSIDE_FREE: f64 = 0.005;
/// Seconds of a run that starts differ by on a busy machine, and that nothing is held against.
const OUTSIDE_FREE_S: f64 = 0.005;

/// How evaluations near the target are opened.
pub(super) fn openings(base: Shapes) -> Check {
    let how = match base.asked_again {
        true => "in a process that had not seen the text",
        false => "in the process that answered: the base has no `resume`",
    };
    line("predictions", format!("opened {how}"))
}

/// Whether steps take longer over whole runs than the blocks say: a recipe that trains small
/// batches first and large ones later would be timed while they are small.
pub(super) fn slower_later(
    runs: &[SeedRun],
    settings: &SeedSettings,
) -> Result<Option<Check>, StatsError> {
    // Over the time that both ran: the longer one had the machine to itself afterwards.
    let ratio = |run: &SeedRun| {
        let both = run.base.seconds.len().min(run.candidate.seconds.len());
        (run.base.step_s(both) / run.candidate.step_s(both)).ln()
    };
    // A run that was given up says nothing of a whole one.
    let whole: Vec<f64> = runs
        .iter()
        .filter(|run| !run.candidate.stopped)
        .map(ratio)
        .filter(|ratio| ratio.is_finite())
        .collect();
    if whole.is_empty() {
        return Ok(None);
    }
    let blocks = settings.blocks.iter().map(|b| block_log_ratio(&b.pairs));
    let blocks = blocks.collect::<Result<Vec<f64>, _>>()?;
    let timed = match settings.target.equal_steps || blocks.is_empty() {
        true => 0.0,
        false => median(&blocks),
    };
    let slower: Vec<f64> = whole.iter().map(|w| timed - w).collect();
    let proven = log_e(&slower, SLOWER_LATER) >= FAULT_E.ln();
    let [whole, timed] = [median(&whole), timed].map(|x| 100.0 * x.exp_m1());
    Ok(Some(Check {
        passed: !proven,
        value: Some(whole / 100.0),
        ..line(
            "step time",
            format!("gain over whole runs {whole:+.1} %, in blocks {timed:+.1} %"),
        )
    }))
}

/// Whether the candidate spends outside of its steps what it gains in them: a program could train
/// while it starts, while it is asked for its loss, or while it saves. Who is not `faster` lost
/// nothing by it.
pub(super) fn outside_of_steps(runs: &[SeedRun], target: f64, faster: bool) -> Option<Check> {
    let of = |run: &SeedRun| Outside::of(run, target);
    let found: Vec<Outside> = runs.iter().filter_map(of).collect();
    if found.is_empty() {
        return None;
    }
    let allowed_s = |o: &Outside| OUTSIDE_SHARE * o.gained_s.max(0.0) + OUTSIDE_FREE_S;
    let beyond = |o: &Outside| (o.more_s - allowed_s(o)) / o.base_s;
    let beyond: Vec<f64> = found.iter().map(beyond).collect();
    let proven = log_e(&beyond, OUTSIDE_FREE) >= FAULT_E.ln();
    let median_of = |of: fn(&Outside) -> f64| median(&found.iter().map(of).collect::<Vec<_>>());
    let [more, gained] = [median_of(|o| o.more_s), median_of(|o| o.gained_s)];
    let detail = format!(
        "outside of its steps (start, checkpoints, answers) the candidate takes {more:+.2} s a \
         run, in them it gains {gained:+.2} s"
    );
    Some(Check {
        passed: !(faster && proven),
        value: Some(median(&beyond)),
        allowed: Some(OUTSIDE_FREE),
        ..line("outside of steps", detail)
    })
}

/// Of one seed, in seconds of a run.
struct Outside {
    /// What the candidate took longer outside of steps than the base would for as many.
    more_s: f64,
    /// What it took less in its steps.
    gained_s: f64,
    /// The base's steps to the target.
    base_s: f64,
}

impl Outside {
    /// None where one side did not come to the target, or nothing was measured.
    fn of(run: &SeedRun, target: f64) -> Option<Self> {
        let sides = [&run.base, &run.candidate];
        // The longer run had the machine to itself afterwards.
        let both = sides[0].seconds.len().min(sides[1].seconds.len());
        let step_s = sides.map(|curve| curve.step_s(both));
        let steps = [sides[0].steps_to(target)?, sides[1].steps_to(target)?];
        let [base_s, candidate_s] = [0, 1].map(|i| steps[i] * step_s[i]);
        // Answers of a model whose steps take longer take longer too.
        let dearer = (step_s[1] / step_s[0]).max(1.0);
        let [ready_base, ready] = [sides[0].ready_s?, sides[1].ready_s?];
        let an_opening = sides.map(|curve: &LossCurve| mean(&curve.opened_s));
        // Of nothing the mean is NaN, and nothing is held against it.
        let more = |[base, own]: [f64; 2], times: usize| match own - dearer * base {
            longer if longer.is_nan() => 0.0,
            longer => longer * times as f64,
        };
        let mut more_s = ready - ready_base + more(an_opening, sides[1].opened_s.len());
        for [base, own] in answers(sides, both) {
            more_s += more([base.mean_s, own.mean_s], own.n);
        }
        Some(Self {
            more_s,
            gained_s: base_s - candidate_s,
            base_s,
        })
    }
}

/// Evaluations of one kind.
struct Answers {
    n: usize,
    mean_s: f64,
}

impl Answers {
    fn of(seconds: &[f64]) -> Self {
        Self {
            n: seconds.len(),
            mean_s: mean(seconds),
        }
    }
}

/// Of base and candidate: the evaluations far from the target, and those near it, before which a
/// checkpoint is written. A candidate that is near it sooner writes them while the base is far.
fn answers(sides: [&LossCurve; 2], both: usize) -> [[Answers; 2]; 2] {
    let near_from = sides.map(|curve| {
        let from = curve.checkpoints_from.unwrap_or(curve.asked_s.len());
        from.min(curve.asked_s.len())
    });
    let [far_base, far] = [0, 1].map(|i| &sides[i].asked_s[..near_from[i]]);
    let near_base = &sides[0].asked_s[near_from[0]..];
    // The longer run had the machine to itself afterwards.
    let far_base = Answers::of(&far_base[..far_base.len().min(both)]);
    if near_base.is_empty() {
        let all = Answers::of(&sides[1].asked_s);
        return [[far_base, all], [Answers::of(&[]), Answers::of(&[])]];
    }
    let at = |range: std::ops::Range<usize>| mean(sides[0].seconds.get(range).unwrap_or_default());
    let alone = at(0..both) / at(near_from[0]..sides[0].seconds.len());
    let near_base = Answers {
        mean_s: mean(near_base) * alone.max(1.0),
        ..Answers::of(near_base)
    };
    let near = &sides[1].asked_s[near_from[1]..];
    [[far_base, Answers::of(far)], [near_base, Answers::of(near)]]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reaches 1 nat at 100 steps of 10 ms or at fewer, and goes on for 15 % of them.
    fn curve(steps: f64, ready_s: f64, answer_s: f64) -> LossCurve {
        let points = (1..)
            .map(|i| f64::from(2 * i))
            .take_while(|n| *n <= 1.16 * steps);
        let losses: Vec<Option<f64>> = points.map(|n| Some(1.0 - (n / steps).ln())).collect();
        LossCurve {
            every: 2,
            seconds: vec![0.02; losses.len()],
            asked_s: vec![answer_s; losses.len()],
            opened_s: vec![answer_s / 2.0],
            checkpoints_from: None,
            ready_s: Some(ready_s),
            losses,
            stopped: false,
        }
    }

    fn passed(steps: f64, ready_s: f64, answer_s: f64) -> bool {
        let run = |i: u64| SeedRun {
            model_seed: i,
            data_seed: i,
            text_seed: i,
            base: curve(100.0, 0.1, 0.01),
            candidate: curve(steps, ready_s, answer_s),
        };
        let runs: Vec<SeedRun> = (0..9).map(run).collect();
        outside_of_steps(&runs, 1.0, true).unwrap().passed
    }

    #[test]
    fn what_is_gained_in_steps_is_not_spent_outside_of_them() {
        // A fifth of the second that the steps of a run take is gained.
        assert!(passed(80.0, 0.1, 0.01));
        assert!(passed(80.0, 0.14, 0.01), "a fifth of the gain");
        assert!(!passed(80.0, 0.2, 0.01), "half of it, while it starts");
        assert!(!passed(80.0, 0.1, 0.013), "while it answers, 46 times 3 ms");
        assert!(passed(80.0, 0.1, 0.0105), "46 times half a millisecond");
        // Of a model that is slower altogether the answers may take longer.
        let mut slower = curve(50.0, 0.1, 0.015);
        slower.seconds.iter_mut().for_each(|s| *s *= 1.5);
        let run = SeedRun {
            model_seed: 1,
            data_seed: 1,
            text_seed: 1,
            base: curve(100.0, 0.1, 0.01),
            candidate: slower,
        };
        assert!(Outside::of(&run, 1.0).unwrap().more_s < 1e-9);
    }

    #[test]
    fn checkpoints_near_the_target_are_held_against_those_of_the_base() {
        // Both write them, which takes three times as long as an answer, from two thirds of their
        // own way on: the candidate where the base is far from the target.
        let near = |mut curve: LossCurve, checkpoint_s: f64| {
            let from = curve.asked_s.len() * 2 / 3;
            curve.asked_s[from..]
                .iter_mut()
                .for_each(|s| *s += checkpoint_s);
            curve.checkpoints_from = Some(from);
            curve
        };
        let passed = |checkpoint_s: f64| {
            let run = SeedRun {
                model_seed: 1,
                data_seed: 1,
                text_seed: 1,
                base: near(curve(100.0, 0.1, 0.01), 0.02),
                candidate: near(curve(70.0, 0.1, 0.01), checkpoint_s),
            };
            let runs = vec![run; 9];
            outside_of_steps(&runs, 1.0, true).unwrap().passed
        };
        assert!(passed(0.02));
        assert!(!passed(0.04), "13 times 20 ms of the 300 that it gains");
    }

    #[test]
    fn noisy_starts_are_no_fault_and_what_happens_in_every_run_is_one_by_the_eighth_seed() {
        // Six of eight starts are slow by chance.
        let noisy = [0.25, 0.3, 0.28, 0.2, 0.14, 0.27, 0.22, 0.13];
        let found = |ready: &dyn Fn(usize) -> f64| {
            let run = |i: usize| SeedRun {
                model_seed: i as u64,
                data_seed: i as u64,
                text_seed: i as u64,
                base: curve(100.0, 0.1, 0.01),
                candidate: curve(80.0, ready(i), 0.01),
            };
            let runs: Vec<SeedRun> = (0..8).map(run).collect();
            !outside_of_steps(&runs, 1.0, true).unwrap().passed
        };
        assert!(!found(&|i| noisy[i]));
        assert!(found(&|_| 0.2));
    }

    #[test]
    fn records_without_these_seconds_say_nothing() {
        let mut run = SeedRun {
            model_seed: 1,
            data_seed: 1,
            text_seed: 1,
            base: curve(100.0, 0.1, 0.01),
            candidate: curve(80.0, 0.1, 0.01),
        };
        run.base.ready_s = None;
        assert!(outside_of_steps(&[run], 1.0, true).is_none());
    }
}
