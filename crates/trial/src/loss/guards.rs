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
/// nothing by it. `parallel` says that both sides of a seed ran at once.
pub(super) fn outside_of_steps(
    runs: &[SeedRun],
    target: f64,
    parallel: bool,
    faster: bool,
) -> Option<Check> {
    let of = |run: &SeedRun| Outside::of(run, target, parallel);
    let found: Vec<Outside> = runs.iter().filter_map(of).collect();
    if found.is_empty() {
        return None;
    }
    let beyond = |o: &Outside| (o.more_s - OUTSIDE_SHARE * o.gained_s.max(0.0)) / o.base_s;
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
    fn of(run: &SeedRun, target: f64, parallel: bool) -> Option<Self> {
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
        for group in answers(sides, both, parallel) {
            more_s += more(group.mean_s, group.n);
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
    /// Mean seconds of base and candidate, over as many of both: a first one that is slow for both
    /// is held against nobody.
    mean_s: [f64; 2],
    /// How many the candidate has.
    n: usize,
}

/// Those far from the target, and those near it, before which a checkpoint is written: a candidate
/// that is near it sooner writes them while the base is far.
fn answers(sides: [&LossCurve; 2], both: usize, parallel: bool) -> Vec<Answers> {
    let near_from = sides.map(|curve| {
        let all = curve.asked_s.len();
        curve.checkpoints_from.unwrap_or(all).min(all)
    });
    let near = [0, 1].map(|i| &sides[i].asked_s[near_from[i]..]);
    if near[0].is_empty() {
        // Nothing to hold checkpoints against.
        return vec![Answers {
            mean_s: sides.map(|curve| mean(&curve.asked_s[..both.min(curve.asked_s.len())])),
            n: sides[1].asked_s.len(),
        }];
    }
    let far = near_from[0].min(near_from[1]).min(both);
    let as_many = near[0].len().min(near[1].len());
    let near_base: Vec<f64> = (near_from[0]..)
        .zip(&near[0][..as_many])
        .map(|(i, s)| s * contended(sides[0], both, parallel && i >= both))
        .collect();
    vec![
        Answers {
            mean_s: sides.map(|curve| mean(&curve.asked_s[..far])),
            n: near_from[1],
        },
        Answers {
            mean_s: [mean(&near_base), mean(&near[1][..as_many])],
            n: near[1].len(),
        },
    ]
}

/// How much longer the base's steps took while both ran than afterwards, when it was alone.
fn contended(base: &LossCurve, both: usize, is_alone: bool) -> f64 {
    let (beside, alone) = base.seconds.split_at(both.min(base.seconds.len()));
    match is_alone && !alone.is_empty() && !beside.is_empty() {
        // Medians: a first turn that compiles is no contention.
        true => (median(beside) / median(alone)).max(1.0),
        false => 1.0,
    }
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
        outside_of_steps(&runs, 1.0, true, true).unwrap().passed
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
        assert!(Outside::of(&run, 1.0, true).unwrap().more_s < 1e-9);
    }

    /// Writes checkpoints, which take so much longer than an answer, from two thirds of its way on.
    fn saving(mut curve: LossCurve, checkpoint_s: f64) -> LossCurve {
        let from = curve.asked_s.len() * 2 / 3;
        curve.asked_s[from..]
            .iter_mut()
            .for_each(|s| *s += checkpoint_s);
        curve.checkpoints_from = Some(from);
        curve
    }

    /// Whether a candidate passes that gains 300 ms, where the base's checkpoints take 20 ms.
    fn saves(checkpoint_s: f64, change: &dyn Fn(&mut LossCurve)) -> bool {
        let mut run = SeedRun {
            model_seed: 1,
            data_seed: 1,
            text_seed: 1,
            base: saving(curve(100.0, 0.1, 0.01), 0.02),
            candidate: saving(curve(70.0, 0.1, 0.01), checkpoint_s),
        };
        change(&mut run.base);
        change(&mut run.candidate);
        let runs = vec![run; 9];
        [true, false].map(|parallel| outside_of_steps(&runs, 1.0, parallel, true).unwrap().passed)
            == [true; 2]
    }

    #[test]
    fn checkpoints_near_the_target_are_held_against_those_of_the_base() {
        let as_it_is = |_: &mut LossCurve| {};
        assert!(saves(0.02, &as_it_is));
        assert!(!saves(0.04, &as_it_is), "14 times 20 ms");
        // A first interval that compiles is no excuse for what comes later, and a slow first answer
        // or checkpoint of both sides is held against nobody.
        let compiles = |curve: &mut LossCurve| curve.seconds[0] += 2.0;
        assert!(!saves(0.08, &compiles));
        let slow_first = |curve: &mut LossCurve| {
            curve.asked_s[0] += 0.3;
            let from = curve.checkpoints_from.unwrap();
            curve.asked_s[from] += 0.3;
        };
        assert!(saves(0.02, &slow_first));
    }

    #[test]
    fn a_base_that_was_alone_near_the_target_answered_sooner() {
        // Beside the candidate everything takes half as long again.
        let slower = |curve: &mut LossCurve, both: usize| {
            for seconds in [&mut curve.seconds, &mut curve.asked_s] {
                seconds[..both].iter_mut().for_each(|s| *s *= 1.5);
            }
        };
        let mut run = SeedRun {
            model_seed: 1,
            data_seed: 1,
            text_seed: 1,
            base: saving(curve(100.0, 0.1, 0.01), 0.02),
            candidate: saving(curve(60.0, 0.1, 0.01), 0.02),
        };
        let both = run.candidate.seconds.len();
        slower(&mut run.base, both);
        slower(&mut run.candidate, both);
        let more = |parallel: bool| Outside::of(&run, 1.0, parallel).unwrap().more_s;
        assert!(
            more(true) < 1e-9 && more(false) > 0.1,
            "{} {}",
            more(true),
            more(false)
        );
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
            !outside_of_steps(&runs, 1.0, true, true).unwrap().passed
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
        assert!(outside_of_steps(&[run], 1.0, true, true).is_none());
    }
}
