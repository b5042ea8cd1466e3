//! The index page: a row a series, with what needs a reader first.

use std::collections::BTreeSet;

use maud::{Markup, PreEscaped, html};
use outpace_record::{Failure, Timestamp};
use outpace_text::plain;

use super::glance;
use super::links::{Links, is_local};
use super::page::page as whole_page;
use super::rows::{Difference, Row, since};
use super::shown::State;
use super::sparkline::sparkline;
use super::{Night, SERIES};
use crate::format;
use crate::html::parts::{empty, tight};
use crate::text::{NAME, REASON, TITLE, revision};

const SCRIPT: &str = include_str!("index.js");

/// Spans of time to choose from, in days.
const WINDOWS: [i64; 3] = [7, 30, 90];

/// Most campaigns and most failures on the page, the latest ones.
const MOST_LISTED: usize = 50;

pub(super) fn page(night: &Night, rows: &[Row<'_>]) -> String {
    let body = html! {
        header {
            p.brand { "outpace" }
            h1 { (plain(&night.title, TITLE)) }
            p.sub { "Each commit beside an anchor in the same job, as of " (night.generated.minute()) " UTC" }
        }
        main {
            (glance::tiles(night, rows))
            (glance::slowdowns(rows))
            section aria-labelledby="h-series" {
                h2 #h-series { "Series" }
                @if rows.is_empty() {
                    (empty("No commit has been measured yet. Begin with", "outpace bench"))
                } @else {
                    (filter(rows))
                    (table(night, rows))
                    p #nothing .empty hidden { "No series is left by this filter." }
                }
            }
            (campaigns(night))
            (failures(night, None))
        }
    };
    whole_page(night, &night.title, SCRIPT, &body)
}

/// Only the script can use it, so only the script shows it.
fn filter(rows: &[Row<'_>]) -> Markup {
    let names = |of: fn(&outpace_track::Series) -> &str| {
        let names = rows.iter().map(|row| plain(of(row.shown.series), NAME));
        names.collect::<BTreeSet<String>>()
    };
    html! {
        form #filter .filter hidden {
            label { "workload" select name="workload" { (options("all", &names(|s| &s.workload))) } }
            label { "machine class" select name="class" { (options("all", &names(|s| &s.machine_class))) } }
            label { "time" select name="days" {
                option value="" { "all" }
                @for days in WINDOWS { option value=(days) { "last " (days) " days" } }
            } }
            label { "state" select name="state" {
                option value="" { "all" }
                @for state in State::ALL { option value=(state.class()) { (state.word()) } }
            } }
            button type="reset" { "Reset" }
            output #shown aria-live="polite" {}
        }
    }
}

fn options(all: &str, names: &BTreeSet<String>) -> Markup {
    html! {
        option value="" { (all) }
        @for name in names { option value=(name) { (name) } }
    }
}

fn table(night: &Night, rows: &[Row<'_>]) -> Markup {
    html! {
        table #series .series {
            thead { tr {
                th { "workload, machine class" } th { "course" } th.n { "latest" } th.n { "in 7 days" }
                th.n { "since first" } th.n { "commits" } th { "state" } th.n { "measured" }
            } }
            tbody { @for row in rows { (series_row(night, row)) } }
        }
    }
}

fn series_row(night: &Night, row: &Row<'_>) -> Markup {
    let (shown, series) = (&row.shown, row.shown.series);
    let (workload, class) = (
        plain(&series.workload, NAME),
        plain(&series.machine_class, NAME),
    );
    let speed = shown
        .latest()
        .map(|i| shown.throughput(i))
        .unwrap_or_default();
    html! {
        tr data-workload=(workload) data-class=(class) data-state=(row.state.class()) data-age=[row.age_days(night)] {
            td.name {
                a href=(format!("{SERIES}/{}.html", row.name)) { (workload) }
                div.sub { (class) }
                @if shown.has_anchor() { div.sub { "anchor " code { (revision(&series.first)) } } }
            }
            td.course { (courses(night, row)) }
            td.n data-name="latest" { (amount(&speed)) }
            td.n data-name="in 7 days" { (difference(row.week)) }
            td.n data-name="since first" { (difference(row.first)) }
            td.n data-name="commits" { (format::count(shown.len() as f64)) }
            td.state data-name="state" { (badge(row.state, row.word())) @if let Some(failure) = row.failure { (failed(failure)) } }
            td.n data-name="measured" { (shown.measured().map_or_else(|| format::NONE.to_owned(), Timestamp::date)) }
        }
    }
}

/// One small picture for each span of time; without a script the first, of all commits.
fn courses(night: &Night, row: &Row<'_>) -> Markup {
    let (n, now_s) = (row.shown.len(), night.generated.unix_seconds());
    let starts = WINDOWS.map(|days| (days, since(&row.shown, now_s, days)));
    let part = |start: usize| PreEscaped(sparkline(&row.shown, start..n));
    html! {
        div.all { (part(0)) }
        @for (days, start) in starts { div class={ "d" (days) } { (part(start)) } }
    }
}

/// A figure and, smaller, its unit.
fn amount(text: &str) -> Markup {
    let (figure, unit) = text.split_once(' ').unwrap_or((text, ""));
    html! { (figure) @if !unit.is_empty() { " " small { (unit) } } }
}

fn difference(difference: Difference) -> Markup {
    html! {
        @match difference {
            Difference::None => (format::NONE),
            Difference::NoCommit => span.faint { "no commit" },
            Difference::Gain { gain, is_noise } => {
                @let class = if is_noise { "faint" } else if gain < 0.0 { "lower" } else { "higher" };
                span class=(class) { (tight(&format::gain(gain))) }
            }
        }
    }
}

pub(super) fn badge(state: State, word: &str) -> Markup {
    html! { span class={ "badge b-" (state.class()) } { span.sign aria-hidden="true" { (state.sign()) } (word) } }
}

fn failed(failure: &Failure) -> Markup {
    html! { div.sub { code { (revision(&failure.commit)) } " " (failure.stage.as_str()) } }
}

fn campaigns(night: &Night) -> Markup {
    let base = Links::new(night).base();
    let is_linked = |href: &str| {
        let below = base
            .and_then(|base| href.strip_prefix(base))
            .and_then(|h| h.strip_prefix('/'));
        is_local(href) || below.is_some_and(is_local)
    };
    html! {
        @if !night.campaigns.is_empty() {
            section aria-labelledby="h-campaigns" {
                h2 #h-campaigns { "Campaigns" }
                ul.open {
                    @for c in night.campaigns.iter().take(MOST_LISTED) {
                        li {
                            @if is_linked(&c.href) { a href=(c.href) { (plain(&c.title, TITLE)) } } @else { (plain(&c.title, TITLE)) }
                            " " span.faint { (tight(&plain(&c.line, REASON))) }
                        }
                    }
                }
            }
        }
    }
}

/// Commits that could not be measured, the latest first; of one series or of all.
pub(super) fn failures(night: &Night, of: Option<&outpace_track::Series>) -> Markup {
    let links = Links::new(night);
    let is_of = |f: &&Failure| {
        of.is_none_or(|s| s.workload == f.workload && s.machine_class == f.machine_class)
    };
    let mut failures: Vec<&Failure> = night.failures.iter().filter(is_of).collect();
    failures.sort_by_key(|f| std::cmp::Reverse(f.finished));
    let left_out = failures.len().saturating_sub(MOST_LISTED);
    html! {
        @if !failures.is_empty() {
            section aria-labelledby="h-failures" {
                h2 #h-failures { "Not measured" }
                div.scroll tabindex="0" role="region" aria-label="Commits that could not be measured" {
                    table {
                        thead { tr { th { "commit" } th { "subject" } @if of.is_none() { th { "workload, machine class" } } th { "why" } th.n { "tried" } } }
                        tbody {
                            @for f in failures.iter().take(MOST_LISTED) {
                                tr {
                                    td { (links.commit(&f.commit)) }
                                    td.long { (plain(&f.summary, TITLE)) }
                                    @if of.is_none() { td { (plain(&f.workload, NAME)) " on " (plain(&f.machine_class, NAME)) } }
                                    td.long { (f.stage.as_str()) ": " (plain(&f.reason, REASON)) }
                                    td.n { (f.finished.date()) }
                                }
                            }
                        }
                    }
                }
                @if left_out > 0 { p.empty { (format::plural(left_out, "earlier failure")) " left out." } }
            }
        }
    }
}
