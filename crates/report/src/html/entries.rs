//! The list of attempts, or of single verdicts: a line each that opens to everything known about it.

use std::collections::BTreeMap;

use maud::{Markup, html};
use outpace_record::{Attempt, Verdict};

use super::details::details;
use super::{empty, tight};
use crate::story::{Fate, Story};
use crate::text::{REASON, TITLE, line};
use crate::{ReportData, ReportError, format, words};

/// Of attempts that were not merged, this many of the latest get verdict pictures.
const RECENT: usize = 100;

/// Bytes that all opened-up parts may take together; the rest of them is in the JSON report.
const BUDGET: usize = 7 << 20;

/// What a line is made from: an attempt of a campaign, or a verdict of its own.
pub(super) struct Entry<'a> {
    pub(super) number: usize,
    pub(super) title: String,
    pub(super) fate: Fate,
    pub(super) reason: &'a str,
    pub(super) seconds: Option<f64>,
    pub(super) verdicts: &'a [Verdict],
    pub(super) attempt: Option<&'a Attempt>,
    /// Where the campaign stood before and after it, in the figures of the campaign's picture.
    pub(super) level: Option<String>,
}

impl<'a> Entry<'a> {
    fn of_attempt(attempt: &'a Attempt) -> Self {
        Self {
            number: attempt.number,
            title: line(&attempt.title, TITLE),
            fate: Fate::of(attempt),
            reason: &attempt.reason,
            seconds: Some(attempt.total_s),
            verdicts: &attempt.verdicts,
            attempt: Some(attempt),
            level: None,
        }
    }

    fn of_verdict((i, verdict): (usize, &'a Verdict)) -> Self {
        let candidate = verdict
            .candidate
            .as_deref()
            .map_or_else(|| "patch".to_owned(), format::short);
        let title = match verdict.title.as_str() {
            "" => format!(
                "{}: {} → {candidate}",
                verdict.workload,
                format::short(&verdict.base)
            ),
            title => format!("{}: {title}", verdict.workload),
        };
        Self {
            number: i + 1,
            title: line(&title, TITLE),
            fate: Fate::of_kind(verdict.verdict),
            reason: &verdict.reason,
            seconds: verdict.trial_s,
            verdicts: std::slice::from_ref(verdict),
            attempt: None,
            level: None,
        }
    }
}

pub(super) fn attempts(data: &ReportData) -> Result<Markup, ReportError> {
    if data.campaign.is_none() && data.attempts.is_empty() {
        return Ok(html! {});
    }
    let mut entries: Vec<_> = data.attempts.iter().map(Entry::of_attempt).collect();
    if let Some(campaign) = &data.campaign {
        let story = Story::new(campaign, &data.attempts);
        for (entry, step) in entries.iter_mut().zip(&story.steps) {
            entry.level = story.step_text(step);
        }
    }
    let list = if entries.is_empty() {
        empty("No attempt has ended yet.", "")
    } else {
        list(&entries, "a")?
    };
    Ok(html! { section aria-labelledby="h-attempts" { h2 #h-attempts { "Attempts" } (list) } })
}

pub(super) fn verdicts(data: &ReportData) -> Result<Markup, ReportError> {
    if data.verdicts.is_empty() {
        let nothing = data.campaign.is_none() && data.attempts.is_empty();
        return Ok(html! {
            @if nothing {
                section aria-labelledby="h-verdicts" {
                    h2 #h-verdicts { "Verdicts" }
                    (empty("No verdict has been recorded yet. Judge a patch with", "outpace gate --patch FILE"))
                }
            }
        });
    }
    let entries: Vec<_> = data
        .verdicts
        .iter()
        .enumerate()
        .map(Entry::of_verdict)
        .collect();
    Ok(
        html! { section aria-labelledby="h-verdicts" { h2 #h-verdicts { "Verdicts" } (list(&entries, "v")?) } },
    )
}

fn list(entries: &[Entry<'_>], prefix: &str) -> Result<Markup, ReportError> {
    let mut opened = open_up(entries, prefix)?;
    Ok(html! {
        (filters(entries, prefix))
        div.list {
            div.row.heads aria-hidden="true" {
                span.c-n { "#" } span.c-title { "patch" } span.c-fate { "verdict" } span.c-gain { "gain" }
                span.c-least { "at least" } span.c-blocks { "blocks" } span.c-time { "time" } span.c-why { "reason" }
            }
            @for entry in entries {
                details class=(entry.fate.class()) id={ (prefix) (entry.number) } {
                    summary.row { (cells(entry)) }
                    @match opened.remove(&entry.number) {
                        Some(inside) => (inside),
                        None => p.empty { "Its details would make this page too heavy; they are in report.json." },
                    }
                }
            }
        }
    })
}

/// Buttons that show one kind of entry only; plain radio buttons, the style sheet does the rest.
fn filters(entries: &[Entry<'_>], prefix: &str) -> Markup {
    let count = |fate: Fate| entries.iter().filter(|e| e.fate == fate).count();
    let present: Vec<Fate> = Fate::ALL.into_iter().filter(|f| count(*f) > 0).collect();
    html! {
        @if prefix == "a" && present.len() > 1 && entries.len() > 5 {
            fieldset.filters {
                legend.hidden { "Show" }
                input type="radio" name="show" id="show-all" checked;
                label for="show-all" { "all " (format::count(entries.len() as f64)) }
                @for fate in present {
                    input type="radio" name="show" id={ "show-" (fate.class()) };
                    label for={ "show-" (fate.class()) } { (fate.word()) " " (format::count(count(fate) as f64)) }
                }
            }
        }
    }
}

fn cells(entry: &Entry<'_>) -> Markup {
    let verdict = entry.verdicts.first();
    let timed = verdict.filter(|v| v.n_blocks > 0);
    let blocks = timed.map_or_else(
        || format::NONE.to_owned(),
        |v| format::count(v.n_blocks as f64),
    );
    let least = timed.and_then(|v| v.at_least).filter(|g| *g > 0.0);
    html! {
        span.c-n { (entry.number) }
        span.c-title { (entry.title) }
        span.c-fate { (badge(entry.fate)) }
        (figure("c-gain", "gain ", &format::gain_or_none(timed.and_then(|v| v.speedup))))
        (figure("c-least", "at least ", &format::gain_or_none(least)))
        (figure("c-blocks", "blocks ", &blocks))
        (figure("c-time", "time ", &entry.seconds.map_or_else(|| format::NONE.to_owned(), format::duration)))
        span.c-why { (reason(entry)) }
    }
}

/// A number, and its name for those who do not see the head of its column.
fn figure(class: &str, name: &str, text: &str) -> Markup {
    html! { span class={ (class) @if text == format::NONE { " none" } } { i { (name) } (tight(text)) } }
}

/// A sign and a word, so that colour is not needed.
pub(super) fn badge(fate: Fate) -> Markup {
    let sign = match fate {
        Fate::Merged => "●",
        Fate::Faster => "○",
        Fate::NotProven => "·",
        Fate::Same => "=",
        Fate::Slower => "▾",
        Fate::Rejected => "×",
    };
    html! { span class={ "badge b-" (fate.class()) } { span.sign aria-hidden="true" { (sign) } (fate.word()) } }
}

fn reason(entry: &Entry<'_>) -> Markup {
    let merged = entry.attempt.and_then(|a| a.merged.as_deref());
    html! {
        @if let Some(commit) = merged { "into " code { (format::short(commit)) } ", " }
        (tight(&words::reason(entry.reason, REASON)))
    }
}

/// What stands inside each entry, as far as the budget goes: merged ones first, then the latest.
fn open_up(entries: &[Entry<'_>], prefix: &str) -> Result<BTreeMap<usize, Markup>, ReportError> {
    let mut order: Vec<(usize, &Entry<'_>)> = entries.iter().rev().enumerate().collect();
    order.sort_by_key(|(age, e)| (e.fate != Fate::Merged, *age));
    let mut used = 0;
    let mut out = BTreeMap::new();
    for (age, entry) in order {
        let with_pictures = entry.fate == Fate::Merged || age < RECENT;
        let inside = details(entry, with_pictures, &format!("{prefix}{}", entry.number))?;
        if used + inside.0.len() <= BUDGET {
            used += inside.0.len();
            out.insert(entry.number, inside);
        }
    }
    Ok(out)
}
