//! Plain words: what a picture shows, and what follows.

use outpace_text::plain;
use outpace_track::{Finding, Standing};

use super::Shown;
use super::shown::State;
use crate::format::{exact_share, gain, plural};
use crate::text::{REASON, revision};

/// Most slowdowns that are told one by one; the table has all.
const MOST_TOLD: usize = 5;

/// The name of a change in the picture: its commit and its size.
pub(crate) fn label(finding: &Finding, shown: &Shown<'_>) -> String {
    let commit = plain(&revision(&shown.point(finding.after).commit), 12);
    let up_to = if is_range(finding) { "up to " } else { "" };
    format!("{up_to}{commit} {}", gain(finding.change.exp_m1()))
}

/// Whether several commits lie between the levels, so that it may be any of them.
fn is_range(finding: &Finding) -> bool {
    finding.after - finding.before > 1
}

/// The sentences below a picture.
pub(super) fn series(shown: &Shown<'_>) -> Vec<String> {
    let Some(latest) = shown.latest() else {
        return vec!["No commit of this series has a figure yet.".to_owned()];
    };
    let mut out = vec![extent(shown), now(shown, latest)];
    let open: Vec<&Finding> = shown.open().collect();
    for finding in open.iter().rev().take(MOST_TOLD) {
        out.push(slowdown(shown, finding));
    }
    if open.is_empty() {
        out.push("No slowdown is open: nothing follows.".to_owned());
    }
    out
}

/// What the signs of the picture mean, those that it has.
pub(super) fn signs(shown: &Shown<'_>, is_summed: bool) -> String {
    let mut out = vec![if is_summed {
        "Grey bars: lowest to highest of neighbouring commits, with the course of their medians"
    } else {
        "Dots: commits, with their bounds"
    }];
    if !is_summed && shown.series.points.iter().any(|p| p.same_as.is_some()) {
        out.push("hollow: has the artefact of another commit and was not timed");
    }
    out.push("green: the level between changes");
    let has = |wanted: State| {
        let mut states = shown
            .findings
            .iter()
            .map(|f| (f.change < 0.0, State::of(f.standing)));
        states.any(|(is_slower, state)| is_slower && state == wanted)
    };
    if has(State::Regression) {
        out.push("red line: a proven regression");
    }
    if has(State::Pending) {
        out.push("amber line: a slowdown that is not settled");
    }
    if shown
        .findings
        .iter()
        .any(|f| f.standing == Standing::Faster)
    {
        out.push("green line: it became faster");
    }
    if has(State::Accepted) {
        out.push("dashes with a name: an accepted step");
    }
    let pairs = || shown.series.points.windows(2);
    if pairs().any(|p| p[0].environment != p[1].environment) {
        out.push("shaded edge: another environment");
    }
    let has_anchors = pairs().any(|p| p[0].anchor != p[1].anchor);
    let uncounted = [Standing::Small, Standing::NotProven];
    let has_uncounted = shown
        .findings
        .iter()
        .any(|f| uncounted.contains(&f.standing));
    match (has_anchors, has_uncounted) {
        (true, true) => out.push("grey dashes: another anchor, or a change that does not count"),
        (true, false) => out.push("grey dashes: another anchor"),
        (false, true) => out.push("grey dashes: a change that does not count"),
        (false, false) => {}
    }
    format!("{}.", out.join("; "))
}

fn extent(shown: &Shown<'_>) -> String {
    let n = shown.len();
    let dates = match (shown.date(0).date(), shown.date(n - 1).date()) {
        (a, b) if a == b => format!("of {a}"),
        (a, b) => format!("from {a} to {b}"),
    };
    let how = if shown.has_anchor() {
        let each = if n == 1 { "" } else { "each " };
        format!(
            ", {each}measured beside an anchor in the same job: the ratio does not depend on when it ran, or where"
        )
    } else {
        ", measured by another tool and each by itself: figures of different jobs differ more than those of commits".to_owned()
    };
    format!("{} {dates}{how}.", plural(n, "commit"))
}

fn now(shown: &Shown<'_>, latest: usize) -> String {
    let against = if shown.has_anchor() {
        "the first anchor"
    } else {
        "the first commit"
    };
    let bounds = match shown.bounds(latest) {
        [Some(low), Some(high)] => format!(", between {} and {}", gain(low), gain(high)),
        _ => String::new(),
    };
    format!(
        "The latest, {}, trains {}: {} against {against}{bounds}.",
        revision(&shown.point(latest).commit),
        shown.throughput(latest),
        gain(shown.gain(latest).unwrap_or(f64::NAN)),
    )
}

/// A slowdown and what follows of it.
pub(super) fn slowdown(shown: &Shown<'_>, finding: &Finding) -> String {
    let [before, after] = ends(shown, finding);
    let change = gain(finding.change.exp_m1().abs());
    let change = change.trim_start_matches('+');
    let what = if is_range(finding) {
        format!("Somewhere between {before} and {after} it became {change} slower")
    } else {
        format!("With {after} it became {change} slower")
    };
    format!("{what}: {}. {}", standing(finding), follows(shown, finding))
        .trim_end()
        .to_owned()
}

/// The standing of a change in words.
pub(super) fn standing(finding: &Finding) -> String {
    let text = match finding.standing {
        Standing::Faster => "it became faster",
        Standing::Small => "less than is worth an alarm",
        Standing::Found => "found in the series, and not yet measured again",
        Standing::NotProven => "a fresh trial did not show it",
        Standing::Unmeasurable => "it cannot be measured again",
        Standing::Unconfirmed => {
            "a fresh trial proved it, and two later commits have to show it before it is an alarm"
        }
        Standing::Regression => "a fresh trial proved it, and later commits confirm it",
        Standing::Mended => "later commits brought back at least half of it",
        Standing::Accepted => "somebody accepted it",
    };
    let reason = finding
        .proof
        .as_ref()
        .map(|proof| plain(&proof.reason, REASON).replace('`', "'"));
    match reason {
        Some(reason) if finding.standing == Standing::Unmeasurable && !reason.is_empty() => {
            format!("{text}: {reason}")
        }
        _ => text.to_owned(),
    }
}

/// What a reader can do.
pub(super) fn follows(shown: &Shown<'_>, finding: &Finding) -> String {
    let [before, after] = ends(shown, finding);
    let is_range = is_range(finding);
    match State::of(finding.standing) {
        _ if finding.change >= 0.0 || !shown.is_open(finding) => String::new(),
        State::Regression if is_range => {
            format!("`outpace bisect {before} {after}` names the commit.")
        }
        State::Regression => {
            format!("Mend it, or accept it: `outpace regressions --bless {after}`.")
        }
        State::Pending if finding.standing == Standing::Found => {
            "`outpace regressions` measures it again.".to_owned()
        }
        State::Pending if is_range => {
            format!("`outpace bisect {before} {after}` names the commit.")
        }
        _ => String::new(),
    }
}

/// The fresh trial of a change: its gain, its bounds, and how sure they are.
pub(super) fn trial(finding: &Finding) -> Option<String> {
    let proof = finding.proof.as_ref()?;
    let speedup = proof.speedup?;
    let bounds = match (proof.at_least, proof.at_most) {
        (Some(low), Some(high)) => format!(", between {} and {}", gain(low), gain(high)),
        (None, Some(high)) => format!(", at most {}", gain(high)),
        (Some(low), None) => format!(", at least {}", gain(low)),
        (None, None) => String::new(),
    };
    Some(format!(
        "{}{bounds} at {} error, {}",
        gain(speedup),
        exact_share(proof.alpha),
        plural(proof.blocks.len(), "block")
    ))
}

/// The commits of a change, abbreviated; a backtick would end a command that names them.
fn ends(shown: &Shown<'_>, finding: &Finding) -> [String; 2] {
    [finding.before, finding.after].map(|i| revision(&shown.point(i).commit).replace('`', "'"))
}
