//! Sentences for each picture: what it shows and what follows. The page and the Markdown share
//! them.

mod to_loss;

use outpace_record::{Attempt, Campaign, CampaignState, Kind, Track, Verdict};
use outpace_stats::Rule;
use outpace_text::plain;

use crate::campaign_summary::{CampaignSummary, Unit};
use crate::format::{count, duration, e_value, exact_share, gain, plural, with_figures};
use crate::history::Point;
use crate::isolated::summary as isolated_runs;
use crate::samples;
use crate::status::AttemptStatus;
use crate::text::{NAME, REASON, revision};
pub(crate) use to_loss::reached;

/// A change of this many process spreads is worth a closer look. Runs alone prove nothing.
const NOTICEABLE: f64 = 2.0;

pub(crate) fn kind(kind: Kind) -> &'static str {
    AttemptStatus::of_kind(kind).word()
}

/// `38 tried: 3 merged, 30 not proven, 2 slower, 3 rejected`.
pub(crate) fn counts(summary: &CampaignSummary<'_>) -> String {
    let parts: Vec<String> = AttemptStatus::ALL
        .iter()
        .map(|s| (s, summary.count(*s)))
        .filter(|(s, n)| *n > 0 || **s == AttemptStatus::Merged)
        .map(|(s, n)| format!("{} {}", count(n as f64), s.word()))
        .collect();
    format!(
        "{} tried: {}",
        count(summary.steps.len() as f64),
        parts.join(", ")
    )
}

/// What a campaign has come to: in tokens a second, or in the time to a loss.
pub fn campaign_headline(campaign: &Campaign, attempts: &[Attempt]) -> String {
    headline(&CampaignSummary::new(campaign, attempts))
}

/// `41,210 -> 47,020 tokens/s, proven at least +11.2 % since the start`.
pub(crate) fn headline(summary: &CampaignSummary<'_>) -> String {
    if summary.unit == Unit::ToLoss {
        return to_loss::headline(summary);
    }
    let (start, end) = (
        summary.level_text(summary.start),
        summary.level_text(summary.estimate()),
    );
    if summary.count(AttemptStatus::Merged) == 0 {
        return format!(
            "{start} {} at the start; nothing was merged",
            summary.unit_text()
        );
    }
    let proven = gain(summary.proven_gain());
    match summary.unit {
        Unit::TokensPerS => {
            format!("{start} -> {end} tokens/s, proven at least {proven} since the start")
        }
        Unit::Relative | Unit::ToLoss => format!(
            "{} estimated, proven at least {proven} since the start",
            gain(summary.estimated_gain())
        ),
    }
}

/// Below the campaign picture.
pub(crate) fn campaign(campaign: &Campaign, summary: &CampaignSummary<'_>) -> Vec<String> {
    if summary.steps.is_empty() {
        return vec!["No attempt has ended yet.".to_owned(), state(campaign)];
    }
    let tried = match summary.steps.len() {
        1 => "1 patch was tried.".to_owned(),
        n => format!("{} patches were tried, one sign each.", count(n as f64)),
    };
    let others = match summary.unit {
        Unit::TokensPerS | Unit::Relative => {
            "A patch that was not merged stands at its measured speed, \
             or at the speed of its base if nothing was timed."
        }
        Unit::ToLoss => {
            "Higher is less time to the loss. A patch that was not merged stands at its measured \
             time to the loss, or at that of its base if no seed was run."
        }
    };
    let mut out = vec![tried, others.to_owned(), merged(summary)];
    if summary.count(AttemptStatus::Merged) > 0 {
        out.push(two_lines(summary, "thick", "thin"));
    }
    out.push(state(campaign));
    out
}

/// Below a chart of lines only, the estimate above and what is proven below.
pub(crate) fn campaign_lines(campaign: &Campaign, summary: &CampaignSummary<'_>) -> Vec<String> {
    let lines = match summary.count(AttemptStatus::Merged) {
        0 => merged(summary),
        _ => two_lines(summary, "lower", "upper"),
    };
    vec![lines, state(campaign)]
}

fn two_lines(summary: &CampaignSummary<'_>, proven: &str, estimate: &str) -> String {
    if summary.unit == Unit::ToLoss {
        return to_loss::two_lines(summary, proven, estimate);
    }
    format!(
        "The {proven} line is what is proven, {} since the start. The {estimate} line is the \
         estimate, {}. It is biased upwards, because only winners are merged.",
        gain(summary.proven_gain()),
        gain(summary.estimated_gain())
    )
}

fn merged(summary: &CampaignSummary<'_>) -> String {
    match summary.count(AttemptStatus::Merged) {
        0 => "Nothing was merged: no patch was proven faster.".to_owned(),
        1 => {
            "1 was merged. Its whisker reaches from the estimate down to what is proven.".to_owned()
        }
        n => {
            format!("{n} were merged. A whisker reaches from the estimate down to what is proven.")
        }
    }
}

/// Where the campaign stands, and how far its merges can be trusted.
fn state(campaign: &Campaign) -> String {
    let why = campaign
        .stopped_because
        .as_deref()
        // Ctrl-C has no other reason.
        .filter(|why| *why != "interrupted")
        .map_or_else(String::new, |w| format!(" ({})", plain(w, REASON)));
    let used = duration(campaign.used_s);
    let state = match campaign.state {
        CampaignState::Running => {
            format!("The campaign is not finished after {used}. It can be resumed.")
        }
        CampaignState::Interrupted => {
            format!("The campaign was interrupted after {used}{why}. It can be resumed.")
        }
        CampaignState::Finished => format!("The campaign ended after {used}{why}."),
    };
    format!(
        "{state} At most {} of merges are expected to be false, however many patches are tried.",
        exact_share(campaign.fdr)
    )
}

/// Stands before the path of an agent's log at the end of a reason (`command_agent.rs` of
/// research).
const LOG: &str = "; log: ";

/// Longest path of a log.
const LONGEST_PATH: usize = 4096;

/// A reason on one line, without the path of a log: half a path is of no use.
pub(crate) fn reason(reason: &str, max: usize) -> String {
    let what = reason.rsplit_once(LOG).map_or(reason, |(what, _)| what);
    plain(&with_figures(what), max)
}

/// The log that a reason names, whole.
pub(crate) fn log_path(reason: &str) -> Option<String> {
    let (_, path) = reason.rsplit_once(LOG)?;
    Some(plain(path, LONGEST_PATH))
}

/// `9,667 → 9,609 tokens/s`: the base as it was measured, and what the gain makes of it.
///
/// The throughputs of a record are medians over all turns, and the gain is a median over blocks,
/// so they may contradict each other. Absent where the gain is not one of throughput.
fn throughput(verdict: &Verdict) -> Option<String> {
    if verdict.track != Track::Throughput {
        return None;
    }
    let (base, gain) = (verdict.tokens_per_s?.base, verdict.speedup?);
    let candidate = base * (1.0 + gain);
    (base > 0.0 && candidate > 0.0)
        .then(|| format!("{} → {} tokens/s", count(base), count(candidate)))
}

/// What the gain is one of: throughput, or the time to a loss.
pub(crate) fn speed(verdict: &Verdict) -> Option<String> {
    throughput(verdict).or_else(|| to_loss::speed(verdict))
}

/// Below the verdict picture.
pub(crate) fn verdict(verdict: &Verdict) -> Vec<String> {
    let reason = reason(&verdict.reason, REASON);
    if samples::by_seeds(verdict) {
        return to_loss::verdict(verdict, &reason);
    }
    if verdict.n_blocks == 0 {
        let reason = reason.trim_end_matches('.');
        return vec![format!("Nothing was timed: {reason}.")];
    }
    let blocks = format!(
        "{}, each with a fresh process of the base and of the candidate.",
        plural(verdict.n_blocks, "block")
    );
    let mut out = vec![blocks];
    if let Some(speedup) = verdict.speedup {
        out.push(format!(
            "The gain of the median block is {}.",
            gain(speedup)
        ));
    }
    out.push(bounds(verdict));
    out.push(conclusion(verdict, &reason));
    out.extend(isolated(verdict));
    out
}

/// What runs with one process at a time said of a gain that was proven side by side.
fn isolated(verdict: &Verdict) -> Option<String> {
    let summary = isolated_runs(verdict)?;
    let runs = plural(summary.n_blocks, "isolated run");
    Some(format!(
        "In {runs}, one process at a time, the gain is {}; the evidence that there is one reached \
         {}, and {} was needed.",
        gain(summary.speedup),
        e_value(summary.log_e),
        e_value(Rule::isolated().threshold_value().ln())
    ))
}

fn bounds(verdict: &Verdict) -> String {
    let confidence = exact_share(1.0 - verdict.alpha);
    match (verdict.at_least, verdict.at_most) {
        (Some(low), Some(high)) => format!(
            "The gain is at least {} and at most {}, each with {confidence} confidence.",
            gain(low),
            gain(high)
        ),
        (Some(low), None) => format!(
            "The gain is at least {}, with {confidence} confidence.",
            gain(low)
        ),
        (None, Some(high)) => format!(
            "The gain is at most {}, with {confidence} confidence.",
            gain(high)
        ),
        (None, None) => {
            let one = samples::one(verdict);
            format!("There are too few {one}s for bounds with {confidence} confidence.")
        }
    }
}

fn conclusion(verdict: &Verdict, reason: &str) -> String {
    let log_e = verdict.log_e.unwrap_or(f64::NAN);
    let need = verdict.threshold.ln();
    let evidence = format!(
        "The evidence reached {}, and {} was needed",
        e_value(log_e),
        e_value(need)
    );
    let least = exact_share(verdict.min_speedup);
    match verdict.verdict {
        Kind::Faster if samples::by_seeds(verdict) => {
            format!("{evidence}: a typical seed is proven faster to the loss by more than {least}.")
        }
        Kind::Slower if samples::by_seeds(verdict) => {
            "It is proven slower to the loss than the base.".to_owned()
        }
        Kind::Faster => {
            format!("{evidence}: a typical process is proven faster by more than {least}.")
        }
        Kind::Slower => "It is proven slower than the base.".to_owned(),
        Kind::NotSlower => format!(
            "It is proven not to be slower by more than {}.",
            exact_share(verdict.margin.unwrap_or(0.0))
        ),
        Kind::Same => format!("The difference is proven to be below {least} in both directions."),
        Kind::NotProven if log_e >= need => format!("{evidence}, but {reason}."),
        Kind::NotProven => {
            format!("{evidence}: not proven ({reason}). It may still be faster.")
        }
        Kind::Rejected => format!("Rejected, whatever its speed: {reason}."),
    }
}

/// What the signs in the history picture mean.
pub(crate) const HISTORY_SIGNS: &str = "Whiskers are one standard deviation between processes. \
                                        A shaded edge is a change of machine.";

/// Above this many machine changes only their number is given.
const NAMED_CHANGES: usize = 4;

/// Below the history picture.
pub(crate) fn history(points: &[Point<'_>]) -> Vec<String> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return vec!["No run is in the history yet. Add one with outpace bench.".to_owned()];
    };
    let (from, to) = (revision(&first.run.commit), revision(&last.run.commit));
    let mut out = vec![match points.len() {
        1 => format!("1 run, of {from}. Later runs are compared with it."),
        n => format!(
            "{} from {from} to {to}. Each is compared with the first on its machine class.",
            plural(n, "run")
        ),
    }];
    if points.len() > 1 {
        out.push(last_change(points, last));
    }
    out.extend(machine_changes(points));
    out.push("A run shows a trend and proves nothing; outpace compare proves a difference.".into());
    out
}

fn machine_changes(points: &[Point<'_>]) -> Option<String> {
    let changes: Vec<String> = points
        .iter()
        .filter(|p| p.is_new_machine)
        .map(|p| revision(&p.run.commit))
        .collect();
    let changed = match changes.len() {
        0 => return None,
        1..=NAMED_CHANGES => format!("The machine changed at {}.", changes.join(", ")),
        n => format!("The machine changed {n} times."),
    };
    Some(changed + " Runs on different machines cannot be compared.")
}

fn last_change(points: &[Point<'_>], last: &Point<'_>) -> String {
    let before = points
        .iter()
        .rev()
        .skip(1)
        .find(|p| p.run.machine_class == last.run.machine_class);
    let Some(before) = before else {
        return format!(
            "{} is the first run on {}.",
            revision(&last.run.commit),
            plain(&last.run.machine_class, NAME)
        );
    };
    let change = (1.0 + last.gain) / (1.0 + before.gain) - 1.0;
    let spread = last.run.process_sd.hypot(before.run.process_sd);
    let weight = if change.abs() > NOTICEABLE * spread {
        "more than the spread explains"
    } else {
        "within the spread"
    };
    format!(
        "The last run stands at {}. Against the run before it that is {}, {weight}.",
        gain(last.gain),
        gain(change)
    )
}
