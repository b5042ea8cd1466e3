//! The answer of the night, before the table.

use maud::{Markup, html};
use outpace_text::plain;

use super::captions;
use super::rows::{Row, since};
use super::shown::State;
use super::{Night, SERIES};
use crate::format::{count, plural};
use crate::html::parts::{tight, tile};
use crate::text::NAME;

/// Most slowdowns in the list.
const MOST: usize = 20;

/// Days that "new" is about.
const DAYS: i64 = 7;

pub(super) fn tiles(night: &Night, rows: &[Row<'_>]) -> Markup {
    let open = |state: State| {
        let findings = rows.iter().flat_map(|row| row.shown.open());
        findings.filter(|f| State::of(f.standing) == state).count()
    };
    let (regressions, pending) = (open(State::Regression), open(State::Pending));
    let commits: usize = rows.iter().map(|row| row.shown.len()).sum();
    let now_s = night.generated.unix_seconds();
    let fresh = rows
        .iter()
        .map(|row| row.shown.len() - since(&row.shown, now_s, DAYS));
    let settled = if pending == 0 {
        "no slowdown waits for its proof".to_owned()
    } else {
        format!("{} not settled", plural(pending, "more slowdown"))
    };
    html! {
        section.tiles aria-label="Summary" {
            div.alarm[regressions > 0] {
                (tile(&count(regressions as f64), word(regressions, "open regression"), &settled))
            }
            (tile(&count(rows.len() as f64), "series", &classes(night)))
            (tile(&count(commits as f64), "commits", &format!("measured, {} of the last {DAYS} days", count(fresh.sum::<usize>() as f64))))
            (tile(&count(night.failures.len() as f64), "failed", "could not be measured"))
        }
    }
}

fn word(n: usize, one: &'static str) -> &'static str {
    match one {
        "open regression" if n != 1 => "open regressions",
        other => other,
    }
}

/// `3 workloads on 2 machine classes`.
fn classes(night: &Night) -> String {
    let distinct = |of: fn(&outpace_track::Series) -> &str| {
        let names = night.series.iter().map(|item| of(&item.series));
        names.collect::<std::collections::BTreeSet<_>>().len()
    };
    let (workloads, classes) = (distinct(|s| &s.workload), distinct(|s| &s.machine_class));
    let classes = match classes {
        1 => "1 machine class".to_owned(),
        n => format!("{n} machine classes"),
    };
    format!("{} on {classes}", plural(workloads, "workload"))
}

/// Regressions, and slowdowns that are not settled, each as a sentence.
pub(super) fn slowdowns(rows: &[Row<'_>]) -> Markup {
    let mut open: Vec<_> = rows
        .iter()
        .flat_map(|row| {
            row.shown
                .open()
                .map(move |f| (State::of(f.standing), row, f))
        })
        .filter(|(state, ..)| *state <= State::Pending)
        .collect();
    // The rows are sorted; so are the changes of each, and the sort is stable.
    open.sort_by_key(|(state, ..)| *state);
    let left_out = open.len().saturating_sub(MOST);
    html! {
        @if !open.is_empty() {
            section aria-labelledby="h-open" {
                h2 #h-open { "Open slowdowns" }
                ul.open {
                    @for (state, row, finding) in open.iter().take(MOST) {
                        li class=(state.class()) {
                            span class={ "badge b-" (state.class()) } { span.sign { (state.sign()) } (finding.standing.as_str()) }
                            " "
                            a href=(format!("{SERIES}/{}.html", row.name)) { (plain(&row.shown.series.workload, NAME)) }
                            " on " (plain(&row.shown.series.machine_class, NAME)) ". "
                            (sentence(&captions::slowdown(&row.shown, finding)))
                        }
                    }
                }
                @if left_out > 0 { p.empty { (plural(left_out, "more")) " in the pages of the series." } }
            }
        }
    }
}

/// A sentence of ours with its commands set as code.
pub(super) fn sentence(text: &str) -> Markup {
    html! {
        @for (i, part) in text.split('`').enumerate() {
            @if i % 2 == 1 { code { (part) } } @else { (tight(part)) }
        }
    }
}
