//! The night as Markdown, for a job summary or an issue.

use std::fmt::Write as _;

use outpace_record::Timestamp;
use outpace_track::Finding;

use super::rows::{Difference, Row};
use super::shown::State;
use super::{Night, captions};
use crate::format;
use crate::markdown::escape::cell;
use crate::markdown::{LIMIT, fill};
use crate::text::{NAME, TITLE};

/// One table of series, and a list of open regressions; below 1 MiB.
pub fn nightly_markdown(night: &Night) -> String {
    let rows = Row::all(night);
    let mut out = format!("## {}\n\n", cell(&night.title, TITLE));
    regressions(&mut out, &rows);
    if rows.is_empty() {
        out.push_str("No commit has been measured yet.\n\n");
    } else {
        out.push_str(
            "| workload | machine class | state | latest | in 7 days | since first | commits | measured |\n",
        );
        out.push_str("|:--|:--|:--|--:|--:|--:|--:|--:|\n");
        let left_out = fill(&mut out, rows.iter().map(series), LIMIT - LIMIT / 10);
        if left_out > 0 {
            let _ = writeln!(out, "\n{left_out} more series left out.");
        }
        out.push('\n');
    }
    if !night.failures.is_empty() {
        let failures = format::plural(night.failures.len(), "commit");
        let _ = writeln!(out, "{failures} could not be measured.\n");
    }
    let _ = writeln!(out, "<sub>outpace · {} UTC</sub>", night.generated.minute());
    out
}

fn regressions(out: &mut String, rows: &[Row<'_>]) {
    let open = |wanted: State| {
        let all = rows
            .iter()
            .flat_map(|row| row.shown.open().map(move |f| (row, f)));
        all.filter(move |(_, f)| State::of(f.standing) == wanted)
    };
    if open(State::Regression).next().is_none() {
        out.push_str("**No open regression.**");
    } else {
        out.push_str("### Open regressions\n\n");
        let items = open(State::Regression).map(|(row, finding)| item(row, finding));
        let left_out = fill(out, items, LIMIT / 2);
        if left_out > 0 {
            let _ = writeln!(out, "- and {left_out} more");
        }
    }
    let pending = open(State::Pending).count();
    if pending > 0 {
        let _ = write!(
            out,
            "\n{} not settled.",
            format::plural(pending, "more slowdown")
        );
    }
    out.push_str("\n\n");
}

fn item(row: &Row<'_>, finding: &Finding) -> String {
    let series = row.shown.series;
    let trial = captions::trial(finding).map(|t| cell(&format!("Fresh trial: {t}."), 300));
    let trial = trial.map_or_else(String::new, |trial| format!(" {trial}"));
    format!(
        "- **{}** on {}: {}{}\n",
        cell(&series.workload, NAME),
        cell(&series.machine_class, NAME),
        sentence(&captions::slowdown(&row.shown, finding)),
        trial
    )
}

/// A sentence of ours, its commands as code. Inside code only a backtick could end it, and there is
/// none: it is what the text was split at.
fn sentence(text: &str) -> String {
    let part = |(i, part): (usize, &str)| match i % 2 {
        1 => format!("`{}`", part.replace('|', " ")),
        _ if part.trim().is_empty() => part.to_owned(),
        _ => {
            let (start, end) = (part.starts_with(' '), part.ends_with(' '));
            let space = |is: bool| if is { " " } else { "" };
            format!("{}{}{}", space(start), cell(part, 2000), space(end))
        }
    };
    text.split('`').enumerate().map(part).collect()
}

fn series(row: &Row<'_>) -> String {
    let shown = &row.shown;
    let latest = shown.latest().map(|i| shown.throughput(i));
    let measured = shown.measured().map(Timestamp::date);
    let none = || format::NONE.to_owned();
    let word = match row.state {
        State::Regression => format!("**{}**", row.word()),
        _ => row.word().to_owned(),
    };
    format!(
        "| {} | {} | {word} | {} | {} | {} | {} | {} |\n",
        cell(&shown.series.workload, NAME),
        cell(&shown.series.machine_class, NAME),
        latest.unwrap_or_else(none),
        difference(row.week),
        difference(row.first),
        format::count(shown.len() as f64),
        measured.unwrap_or_else(none),
    )
}

fn difference(difference: Difference) -> String {
    match difference {
        Difference::None => format::NONE.to_owned(),
        Difference::NoCommit => "no commit".to_owned(),
        Difference::Gain {
            gain,
            is_noise: true,
        } => format!("{} (noise)", format::gain(gain)),
        Difference::Gain { gain, .. } => format::gain(gain),
    }
}
