//! The table of measured commits.

use maud::{Markup, html};
use outpace_record::Timestamp;
use outpace_text::plain;

use super::links::Links;
use super::rows::Row;
use super::shown::Shown;
use crate::format::{self, plural};
use crate::html::parts::tight;
use crate::text::{TITLE, revision};

/// Most commits on the page; the rest is in the file beside it.
const MOST: usize = 300;

/// Newest first.
pub(super) fn table(row: &Row<'_>, links: Links<'_>) -> Markup {
    let shown = &row.shown;
    let left_out = shown.len().saturating_sub(MOST);
    html! {
        @if shown.len() > 0 {
            section aria-labelledby="h-commits" {
                h2 #h-commits { "Commits" }
                p.words {
                    @if left_out > 0 { "The latest " (MOST) " of " (plural(shown.len(), "commit")) ". All of them are in " }
                    @else { (plural(shown.len(), "commit")) ". As a table of their own: " }
                    a href=(format!("{}.csv", row.name)) { (row.name) ".csv" } "."
                }
                div.scroll tabindex="0" role="region" aria-label="Commits" {
                    table {
                        thead { tr {
                            th { "commit" } th { "subject" } th.n { "ratio" } th.n { "at least" } th.n { "at most" }
                            th.n { "throughput" } th.n { "committed" } th.n { "measured" }
                        } }
                        tbody { @for i in (left_out..shown.len()).rev() { (commit(shown, i, links)) } }
                    }
                }
            }
        }
    }
}

fn commit(shown: &Shown<'_>, i: usize, links: Links<'_>) -> Markup {
    let point = shown.point(i);
    let [low, high] = shown.bounds(i);
    let committed = point
        .committed
        .map_or_else(|| format::NONE.to_owned(), Timestamp::date);
    html! {
        tr {
            td { (links.commit(&point.commit)) }
            td.long {
                (plain(&point.summary, TITLE))
                @if let Some(other) = &point.same_as { div.sub { "same artefact as " code { (revision(other)) } ", not timed" } }
            }
            td.n { (tight(&format::gain_or_none(shown.gain(i)))) }
            td.n { (tight(&format::gain_or_none(low))) }
            td.n { (tight(&format::gain_or_none(high))) }
            td.n { (tight(&shown.throughput(i))) }
            td.n { (committed) }
            td.n { (point.measured.date()) }
        }
    }
}
