//! The list of attempts, or of single verdicts. Each is a line that opens to all of its details.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::details::details;
use super::entry::{Entry, badge};
use super::parts::{empty, tight};
use crate::campaign_summary::CampaignSummary;
use crate::captions;
use crate::data::ReportData;
use crate::error::ReportError;
use crate::format;
use crate::samples;
use crate::status::AttemptStatus;
use crate::text::{REASON, revision};

/// So many of the latest attempts get verdict pictures. Merged ones always do.
const RECENT: usize = 100;

/// Bytes that all details may take together. What does not fit is in the JSON report.
const BUDGET: usize = 7 << 20;

pub(super) fn attempts(data: &ReportData) -> Result<Markup, ReportError> {
    if data.campaign.is_none() && data.attempts.is_empty() {
        return Ok(html! {});
    }
    let entries = attempt_entries(data);
    let list = if entries.is_empty() {
        empty("No attempt has ended yet.", "")
    } else {
        list(&entries, "a")?
    };
    Ok(html! { section aria-labelledby="h-attempts" { h2 #h-attempts { "Attempts" } (list) } })
}

fn attempt_entries(data: &ReportData) -> Vec<Entry<'_>> {
    let Some(campaign) = &data.campaign else {
        let alone = |attempt| Entry::of_attempt(attempt, None);
        return data.attempts.iter().map(alone).collect();
    };
    let summary = CampaignSummary::new(campaign, &data.attempts);
    let steps = summary.steps.iter();
    steps
        .map(|step| Entry::of_attempt(step.attempt, summary.step_text(step)))
        .collect()
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
    let mut opened = all_details(entries, prefix)?;
    let heading = samples::heading(entries.iter().filter_map(|e| e.verdicts.first()));
    Ok(html! {
        (filters(entries, prefix))
        div.list {
            div.row.heads aria-hidden="true" {
                span.c-n { "#" } span.c-title { "patch" } span.c-status { "verdict" } span.c-gain { "gain" }
                span.c-least { "at least" } span.c-blocks { (heading) } span.c-time { "time" } span.c-why { "reason" }
            }
            @for entry in entries {
                details class=(entry.status.class()) id={ (prefix) (entry.number) } {
                    summary.row { (cells(entry)) }
                    @match opened.remove(&entry.number) {
                        Some(inside) => (inside),
                        None => p.empty { "Its details are too long for this page. They are in report.json." },
                    }
                }
            }
        }
    })
}

/// Buttons that show one kind of entry only. They are radio buttons; the style sheet hides the
/// other entries.
fn filters(entries: &[Entry<'_>], prefix: &str) -> Markup {
    let count = |status: AttemptStatus| entries.iter().filter(|e| e.status == status).count();
    let present: Vec<AttemptStatus> = AttemptStatus::ALL
        .into_iter()
        .filter(|f| count(*f) > 0)
        .collect();
    html! {
        @if prefix == "a" && present.len() > 1 && entries.len() > 5 {
            fieldset.filters {
                legend.hidden { "Show" }
                input type="radio" name="show" id="show-all" checked;
                label for="show-all" { "all " (format::count(entries.len() as f64)) }
                @for status in present {
                    input type="radio" name="show" id={ "show-" (status.class()) };
                    label for={ "show-" (status.class()) } { (status.word()) " " (format::count(count(status) as f64)) }
                }
            }
        }
    }
}

fn cells(entry: &Entry<'_>) -> Markup {
    let verdict = entry.verdicts.first();
    let timed = verdict.filter(|v| samples::count(v) > 0);
    let number = timed.map_or_else(
        || format::NONE.to_owned(),
        |v| format::count(samples::count(v) as f64),
    );
    let name = format!("{}s ", verdict.map_or("block", samples::one));
    let least = timed.and_then(|v| v.at_least).filter(|g| *g > 0.0);
    html! {
        span.c-n { (entry.number) }
        span.c-title { (entry.title) }
        span.c-status { (badge(entry.status)) }
        (figure("c-gain", "gain ", &format::gain_or_none(timed.and_then(|v| v.speedup))))
        (figure("c-least", "at least ", &format::gain_or_none(least)))
        (figure("c-blocks", &name, &number))
        (figure("c-time", "time ", &entry.seconds.map_or_else(|| format::NONE.to_owned(), format::duration)))
        span.c-why { (reason(entry)) }
    }
}

/// A number, and its name where the head of its column is not shown.
fn figure(class: &str, name: &str, text: &str) -> Markup {
    html! { span class={ (class) @if text == format::NONE { " none" } } { i { (name) } (tight(text)) } }
}

fn reason(entry: &Entry<'_>) -> Markup {
    let merged = entry.attempt.and_then(|a| a.merged.as_deref());
    html! {
        @if let Some(commit) = merged { "into " code { (revision(commit)) } ", " }
        (tight(&captions::reason(entry.reason, REASON)))
    }
}

/// The details of each entry within the budget: merged ones first, then the latest.
fn all_details(
    entries: &[Entry<'_>],
    prefix: &str,
) -> Result<BTreeMap<usize, Markup>, ReportError> {
    let mut order: Vec<(usize, &Entry<'_>)> = entries.iter().rev().enumerate().collect();
    order.sort_by_key(|(age, e)| (e.status != AttemptStatus::Merged, *age));
    let mut used = 0;
    let mut out = BTreeMap::new();
    for (age, entry) in order {
        let with_pictures = entry.status == AttemptStatus::Merged || age < RECENT;
        let inside = details(entry, with_pictures, &format!("{prefix}{}", entry.number))?;
        if used + inside.0.len() <= BUDGET {
            used += inside.0.len();
            out.insert(entry.number, inside);
        }
    }
    Ok(out)
}
