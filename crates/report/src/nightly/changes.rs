//! Tables of what changed in a series: its level, its anchor, its environment.

use maud::{Markup, html};
use outpace_text::plain;
use outpace_track::{Finding, Standing};

use super::captions;
use super::glance::sentence;
use super::index::badge;
use super::links::Links;
use super::shown::{Shown, State};
use crate::format::{self, plural};
use crate::html::parts::{empty, tight};
use crate::text::{REASON, TITLE};

/// Most changes and most marks that are listed, the latest ones.
const MOST: usize = 100;

/// Changes of level, newest first.
pub(super) fn table(shown: &Shown<'_>, links: Links<'_>) -> Markup {
    let left_out = shown.findings.len().saturating_sub(MOST);
    html! {
        section aria-labelledby="h-changes" {
            h2 #h-changes { "Changes" }
            @if shown.findings.is_empty() {
                (empty("Its level has not changed.", ""))
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Changes" {
                    table.changes {
                        thead { tr { th { "standing" } th.n { "change" } th { "where" } th { "fresh trial" } th { "what follows" } } }
                        tbody { @for finding in shown.findings.iter().rev().take(MOST) { (row(shown, finding, links)) } }
                    }
                }
                p.words { "A change lies between two measured commits. Those between them that were not measured may have made it." }
                @if left_out > 0 { p.empty { (plural(left_out, "earlier change")) " left out." } }
            }
        }
    }
}

fn row(shown: &Shown<'_>, finding: &Finding, links: Links<'_>) -> Markup {
    let state = State::of(finding.standing);
    html! {
        tr {
            td { (badge(state, finding.standing.as_str())) }
            td.n { (tight(&format::gain(finding.change.exp_m1()))) }
            td.long { (place(shown, finding, links)) }
            td.long { (tight(&captions::trial(finding).unwrap_or_else(|| none(finding).to_owned()))) }
            td.long {
                (sentence(&capital(&captions::standing(finding)))) ". "
                (sentence(&captions::follows(shown, finding)))
            }
        }
    }
}

/// In the place of a fresh trial: only slowdowns get one.
fn none(finding: &Finding) -> &'static str {
    if finding.standing == Standing::Found {
        "none yet"
    } else {
        format::NONE
    }
}

/// Its commits with their subjects.
fn place(shown: &Shown<'_>, finding: &Finding, links: Links<'_>) -> Markup {
    let [before, after] = [finding.before, finding.after].map(|i| shown.point(i));
    let between = finding.after - finding.before - 1;
    html! {
        @if between > 0 {
            "somewhere between " (links.commit(&before.commit)) " and " (links.commit(&after.commit))
            ", " (plural(between, "more commit")) " between them"
        } @else {
            (links.commit(&after.commit)) ", after " (links.commit(&before.commit))
        }
        div.sub { (plain(&after.summary, TITLE)) " · " (shown.date(finding.after).date()) }
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

/// Where anchor or environment became others, newest first.
pub(super) fn marks(shown: &Shown<'_>) -> Markup {
    let marks = shown.series.marks();
    let left_out = marks.len().saturating_sub(MOST);
    html! {
        @if !marks.is_empty() {
            section aria-labelledby="h-marks" {
                h2 #h-marks { "Environment and anchors" }
                dl.settings {
                    @for mark in marks.iter().rev().take(MOST) {
                        div {
                            dt { "from " code { (crate::text::revision(&shown.point(mark.from).commit)) } }
                            dd { (plain(&mark.what, REASON)) ", " (shown.date(mark.from).date()) }
                        }
                    }
                }
                @if left_out > 0 { p.empty { (plural(left_out, "earlier one")) " left out." } }
            }
        }
    }
}
