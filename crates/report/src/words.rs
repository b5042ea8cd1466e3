//! Plain words for each picture: what it shows and what follows. Made from the data; the page and the Markdown share them.

use outpace_record::{Campaign, CampaignState, Kind, Track, Verdict};

use crate::format::{count, duration, e_value, exact_share, gain, plural, short, with_figures};
use crate::plot::history::Point;
use crate::story::{Fate, Story, Unit};
use crate::text::{NAME, REASON, line};

/// A change of this many process spreads is worth a closer look; runs alone prove nothing.
const NOTICEABLE: f64 = 2.0;

pub(crate) fn kind(kind: Kind) -> &'static str {
    Fate::of_kind(kind).word()
}

/// `38 tried: 3 merged, 30 not proven, 2 slower, 3 rejected`.
pub(crate) fn counts(story: &Story<'_>) -> String {
    let parts: Vec<String> = Fate::ALL
        .iter()
        .map(|f| (f, story.count(*f)))
        .filter(|(f, n)| *n > 0 || **f == Fate::Merged)
        .map(|(f, n)| format!("{} {}", count(n as f64), f.word()))
        .collect();
    format!(
        "{} tried: {}",
        count(story.steps.len() as f64),
        parts.join(", ")
    )
}

/// `41,210 -> 47,020 tokens/s, proven at least +11.2 % since the start`.
pub(crate) fn headline(story: &Story<'_>) -> String {
    let (start, end) = (
        story.level_text(story.start),
        story.level_text(story.estimate()),
    );
    if story.count(Fate::Merged) == 0 {
        return format!(
            "{start} {} at the start; nothing was merged",
            story.unit_text()
        );
    }
    let proven = gain(story.proven_gain());
    match story.unit {
        Unit::TokensPerS => {
            format!("{start} -> {end} tokens/s, proven at least {proven} since the start")
        }
        Unit::Relative => format!(
            "{} estimated, proven at least {proven} since the start",
            gain(story.estimated_gain())
        ),
    }
}

/// Below the campaign picture.
pub(crate) fn campaign(campaign: &Campaign, story: &Story<'_>) -> Vec<String> {
    if story.steps.is_empty() {
        return vec!["No attempt has ended yet.".to_owned(), state(campaign)];
    }
    let tried = match story.steps.len() {
        1 => "1 patch was tried".to_owned(),
        n => format!("{} patches were tried, one dot each", count(n as f64)),
    };
    let refused = "a refused one stands at the speed that was measured for it, or at that of its base where nothing was timed";
    let mut out = vec![format!("{tried}; {refused}."), merged(story)];
    if story.count(Fate::Merged) > 0 {
        out.push(two_lines(story, "thick", "thin"));
    }
    out.push(state(campaign));
    out
}

/// Below a chart that has lines only, the estimate above and what is proven below.
pub(crate) fn campaign_lines(campaign: &Campaign, story: &Story<'_>) -> Vec<String> {
    let lines = match story.count(Fate::Merged) {
        0 => "Nothing was merged: no patch was proven faster.".to_owned(),
        _ => two_lines(story, "lower", "upper"),
    };
    vec![lines, state(campaign)]
}

fn two_lines(story: &Story<'_>, proven: &str, estimate: &str) -> String {
    format!(
        "The {proven} line is what is proven, {} since the start; the {estimate} one is the estimate, {}, which is biased up because only winners are merged.",
        gain(story.proven_gain()),
        gain(story.estimated_gain())
    )
}

fn merged(story: &Story<'_>) -> String {
    match story.count(Fate::Merged) {
        0 => "Nothing was merged: no patch was proven faster.".to_owned(),
        1 => "1 was merged: its whisker reaches from the estimate down to the proven line."
            .to_owned(),
        n => format!(
            "{n} were merged: their whiskers reach from the estimate down to the proven line."
        ),
    }
}

/// Where the campaign stands and what it may be trusted for.
fn state(campaign: &Campaign) -> String {
    let why = campaign
        .stopped_because
        .as_deref()
        // Ctrl-C has no other reason.
        .filter(|why| *why != "interrupted")
        .map_or_else(String::new, |w| format!(" ({})", line(w, REASON)));
    let state = match campaign.state {
        CampaignState::Running => "It is under way, or was killed; it can be resumed".to_owned(),
        CampaignState::Interrupted => format!("It was interrupted{why} and can be resumed"),
        CampaignState::Finished => format!("It is finished{why}"),
    };
    format!(
        "{state}, after {}. The expected share of false merges is at most {}, however many patches are tried.",
        duration(campaign.used_s),
        exact_share(campaign.fdr)
    )
}

/// What an agent's log is named by, at the end of a reason (`command_agent.rs` of research).
const LOG: &str = "; log: ";

/// Longest path of a log.
const LONGEST_PATH: usize = 4096;

/// A reason on one line, without the path of a log: half a path helps nobody.
pub(crate) fn reason(reason: &str, max: usize) -> String {
    let what = reason.rsplit_once(LOG).map_or(reason, |(what, _)| what);
    line(&with_figures(what), max)
}

/// The log that a reason names, whole.
pub(crate) fn log_path(reason: &str) -> Option<String> {
    let (_, path) = reason.rsplit_once(LOG)?;
    Some(line(path, LONGEST_PATH))
}

/// `9,667 → 9,609 tokens/s`: the base as it was measured, and what the gain makes of it.
///
/// The record's own pair are medians over all turns and the gain is a median over blocks, so they
/// may contradict each other. Absent where the gain is not one of throughput.
pub(crate) fn throughput(verdict: &Verdict) -> Option<String> {
    if verdict.track != Track::Throughput {
        return None;
    }
    let (base, gain) = (verdict.tokens_per_s?.base, verdict.speedup?);
    let candidate = base * (1.0 + gain);
    (base > 0.0 && candidate > 0.0)
        .then(|| format!("{} → {} tokens/s", count(base), count(candidate)))
}

/// Below the verdict picture.
pub(crate) fn verdict(verdict: &Verdict) -> Vec<String> {
    let reason = reason(&verdict.reason, REASON);
    if verdict.n_blocks == 0 {
        return vec![format!(
            "Nothing was timed: {}.",
            reason.trim_end_matches('.')
        )];
    }
    let measured = format!(
        "{} of a fresh base process and a fresh candidate process each. {}",
        plural(verdict.n_blocks, "block"),
        middle(verdict)
    );
    vec![measured, conclusion(verdict, &reason)]
}

fn middle(verdict: &Verdict) -> String {
    let estimate = verdict.speedup.map_or_else(String::new, |g| {
        format!("The median block says {}", gain(g))
    });
    let bounds = match (verdict.at_least, verdict.at_most) {
        (Some(low), Some(high)) => format!(
            "; the gain is at least {} and at most {}",
            gain(low),
            gain(high)
        ),
        (Some(low), None) => format!("; the gain is at least {}", gain(low)),
        (None, Some(high)) => format!("; the gain is at most {}", gain(high)),
        (None, None) => "; too few blocks for bounds".to_owned(),
    };
    format!(
        "{estimate}{bounds}, each with {} confidence.",
        exact_share(1.0 - verdict.alpha)
    )
    .replace("for bounds, each with", "for bounds with")
}

fn conclusion(verdict: &Verdict, reason: &str) -> String {
    let log_e = verdict.log_e.unwrap_or(f64::NAN);
    let (evidence, need) = (e_value(log_e), e_value(verdict.threshold.ln()));
    let least = exact_share(verdict.min_speedup);
    match verdict.verdict {
        Kind::Faster => format!(
            "Evidence {evidence} where {need} was needed: proven faster by more than {least}."
        ),
        Kind::Slower => "It is proven slower than the base, and is not merged.".to_owned(),
        Kind::Same => format!("The difference is proven to be below {least} either way: {reason}."),
        Kind::NotProven if log_e >= verdict.threshold.ln() => {
            format!("Evidence {evidence} where {need} was needed, but not proven: {reason}.")
        }
        Kind::NotProven => format!(
            "Evidence {evidence} where {need} was needed: not proven ({reason}). \
             This does not prove that it is not faster."
        ),
        Kind::Rejected => format!("Rejected whatever its speed: {reason}."),
    }
}

/// What the signs in the history picture mean.
pub(crate) const HISTORY_SIGNS: &str =
    "Whiskers are one standard deviation between processes; a shaded edge is a change of machine.";

/// Below the history picture.
pub(crate) fn history(points: &[Point<'_>]) -> Vec<String> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return vec!["No run is in the history yet; outpace bench adds one.".to_owned()];
    };
    let (from, to) = (short(&first.run.commit), short(&last.run.commit));
    let mut out = vec![match points.len() {
        1 => format!("1 run, of {from}: the next ones are compared with it."),
        n => format!(
            "{} from {from} to {to}, each against the first on its machine class.",
            plural(n, "run")
        ),
    }];
    if points.len() > 1 {
        out.push(last_change(points, last));
    }
    let changes: Vec<String> = points
        .iter()
        .filter(|p| p.is_new_machine)
        .map(|p| short(&p.run.commit))
        .collect();
    if !changes.is_empty() && changes.len() <= 4 {
        out.push(format!(
            "The machine changed at {}; runs before and after that cannot be compared.",
            changes.join(", ")
        ));
    } else if !changes.is_empty() {
        out.push(format!(
            "The machine changed {} times; runs on different machines cannot be compared.",
            changes.len()
        ));
    }
    out.push("A run is a trend, not evidence: outpace compare proves a difference.".to_owned());
    out
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
            short(&last.run.commit),
            line(&last.run.machine_class, NAME)
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
        "The last one stands at {}, {} against the one before it: {weight}.",
        gain(last.gain),
        gain(change)
    )
}
