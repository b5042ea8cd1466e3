//! Sentences of the time-to-loss track.

use outpace_record::{LossTarget, Verdict};
use outpace_stats::{block_log_ratio, median};

use super::{bounds, conclusion};
use crate::campaign_summary::CampaignSummary;
use crate::format::{change_of_time, count, duration, figure, gain, plural, seconds};
use crate::samples;
use crate::seeds::{End, Seed, seeds};
use crate::status::AttemptStatus;

/// Below the picture of a verdict that seeds decide.
pub(super) fn verdict(verdict: &Verdict, reason: &str) -> Vec<String> {
    let Some(target) = verdict.target.as_ref().filter(|_| !verdict.runs.is_empty()) else {
        return vec![format!(
            "No seed was run: {}.",
            reason.trim_end_matches('.')
        )];
    };
    let seeds = seeds(verdict);
    let medians = verdict.steps_to_loss();
    let mut out = vec![answer(verdict, target, medians), steps(medians)];
    out.extend(unreached(&seeds));
    out.extend(step_time(verdict, target));
    // Without a median of steps there is no gain to speak of, nor are there too few seeds.
    let has_medians = medians.iter().all(Option::is_some);
    if let Some(speedup) = verdict.speedup.filter(|_| has_medians) {
        let gain = gain(speedup);
        out.push(format!("As a gain in speed that is {gain} at the medians."));
    }
    if has_medians || verdict.at_least.or(verdict.at_most).is_some() {
        out.push(bounds(verdict));
    }
    out.push(conclusion(verdict, reason));
    out
}

/// `reaches 1.95 nats in 7.7 s instead of 11 s: at least 27.0 % less time, over 12 seeds`. Absent
/// where one side did not come there in half of the seeds or more.
pub(crate) fn reached(verdict: &Verdict) -> Option<String> {
    let target = verdict.target.as_ref()?;
    let [base, candidate] = times(verdict)?;
    let least = verdict.at_least.filter(|g| *g > 0.0);
    let most = verdict.at_most.filter(|g| *g < 0.0);
    let bound = least.or(most).map_or_else(String::new, |bound| {
        format!(": at least {}", change_of_time(bound))
    });
    Some(format!(
        "reaches {} nats in {candidate} instead of {base}{bound}, over {}",
        figure(target.target_loss),
        samples::text(verdict)
    ))
}

/// `11 s → 7.7 s to 1.95 nats`.
pub(super) fn speed(verdict: &Verdict) -> Option<String> {
    let target = figure(verdict.target.as_ref()?.target_loss);
    let [base, candidate] = times(verdict)?;
    Some(format!("{base} → {candidate} to {target} nats"))
}

/// Times of base and candidate to the target, with more digits where few would read the same.
fn times(verdict: &Verdict) -> Option<[String; 2]> {
    let is_time = |s: &f64| s.is_finite() && *s > 0.0;
    let times = verdict
        .seconds_to_loss()
        .filter(|t| t.iter().all(is_time))?;
    let [base, candidate] = times.map(duration);
    Some(if base == candidate {
        times.map(seconds)
    } else {
        [base, candidate]
    })
}

fn answer(verdict: &Verdict, target: &LossTarget, medians: [Option<f64>; 2]) -> String {
    if let Some(reached) = reached(verdict) {
        return format!("The candidate {reached}.");
    }
    let (nats, seeds) = (figure(target.target_loss), samples::text(verdict));
    let side = match medians {
        [Some(_), Some(_)] => return format!("{seeds} were run to {nats} nats."),
        [Some(_), None] => "The candidate did not come",
        [None, Some(_)] => "The base did not come",
        [None, None] => "Neither side came",
    };
    format!("{side} to {nats} nats in more than half of {seeds}.")
}

fn steps(medians: [Option<f64>; 2]) -> String {
    let what = "Each seed is a run of the base and of the candidate, evaluated on the same text";
    match medians.map(|steps| steps.map(|n| count(n.round()))) {
        [Some(base), Some(candidate)] => {
            format!("{what}: {base} → {candidate} steps to the loss at the median.")
        }
        _ => format!("{what}."),
    }
}

/// Seeds in which a side did not come to the target.
fn unreached(seeds: &[Seed]) -> Vec<String> {
    let number = |of: &dyn Fn(&Seed) -> bool| seeds.iter().filter(|s| of(s)).count();
    let has = |end: End| end.steps().is_some();
    let lost = number(&|s| has(s.base) && !has(s.candidate));
    let won = number(&|s| s.log_ratio == f64::INFINITY);
    let late = number(&|s| !has(s.base) && has(s.candidate)) - won;
    let open = number(&|s| !has(s.base) && !has(s.candidate));
    let stopped = number(&|s| s.candidate == End::Stopped);
    let mut out = Vec::new();
    if lost > 0 {
        let lost = plural(lost, "seed");
        out.push(format!(
            "In {lost} only the base came there, which counts as lost."
        ));
    }
    if stopped > 0 {
        let runs = plural(stopped, "run");
        out.push(format!(
            "{runs} of the candidate ended early, far above the base's."
        ));
    }
    if won > 0 {
        let won = plural(won, "seed");
        out.push(format!(
            "In {won} only the candidate came there, which counts as won."
        ));
    }
    if late > 0 {
        let late = plural(late, "seed");
        out.push(format!(
            "In {late} only the candidate came there, after more steps than the base may take, \
             which counts for neither."
        ));
    }
    if open > 0 {
        let open = plural(open, "seed");
        out.push(format!(
            "In {open} neither came there, which counts for neither."
        ));
    }
    out
}

/// What is known of the time of a step.
fn step_time(verdict: &Verdict, target: &LossTarget) -> Option<String> {
    if target.equal_steps {
        let same =
            "Both run the same program on the same shapes, so that steps take the same time.";
        return Some(same.to_owned());
    }
    let blocks = verdict.blocks.iter().map(|b| block_log_ratio(&b.pairs));
    let blocks: Vec<f64> = blocks.filter_map(Result::ok).collect();
    (!blocks.is_empty()).then(|| {
        format!(
            "The speed of a step was measured in {}, with a gain of {} at the median.",
            plural(blocks.len(), "block"),
            gain(median(&blocks).exp_m1())
        )
    })
}

/// `10.6 s -> 7.53 s to the loss, proven at least 27.0 % less time since the start`.
pub(super) fn headline(summary: &CampaignSummary<'_>) -> String {
    let proven = change_of_time(summary.proven_gain());
    let (start, end) = (
        summary.level_text(summary.start),
        summary.level_text(summary.estimate()),
    );
    match (summary.count(AttemptStatus::Merged), summary.start_s) {
        (0, Some(_)) => format!("{start} to the loss at the start; nothing was merged"),
        (0, None) => "nothing was merged: the time to the loss is that of the start".to_owned(),
        (_, Some(_)) => {
            format!("{start} -> {end} to the loss, proven at least {proven} since the start")
        }
        (_, None) => format!(
            "{} to the loss estimated, proven at least {proven} since the start",
            change_of_time(summary.estimated_gain())
        ),
    }
}

/// What the two lines of a campaign's picture are.
pub(super) fn two_lines(summary: &CampaignSummary<'_>, proven: &str, estimate: &str) -> String {
    format!(
        "The {proven} line is what is proven, {} to the loss than at the start. The {estimate} \
         line is the estimate, {}. It is biased upwards, because only winners are merged.",
        change_of_time(summary.proven_gain()),
        change_of_time(summary.estimated_gain())
    )
}
