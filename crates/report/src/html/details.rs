//! The details of an entry: its facts, each verdict with picture, words and checks, and the patch.

use maud::{Markup, PreEscaped, html};
use outpace_record::{Attempt, Check, Verdict};
use outpace_text::plain;

use super::diff::diff;
use super::entry::{Entry, badge};
use super::parts::{prose, tight};
use crate::captions;
use crate::error::ReportError;
use crate::format;
use crate::plot;
use crate::status::AttemptStatus;
use crate::text::{NAME, REASON, revision};

/// Most checks of a verdict.
const MOST_CHECKS: usize = 40;

/// Most workloads of an attempt.
const MOST_VERDICTS: usize = 8;

pub(super) fn details(
    entry: &Entry<'_>,
    with_pictures: bool,
    id: &str,
) -> Result<Markup, ReportError> {
    let mut verdicts = Vec::new();
    for (i, verdict) in entry.verdicts.iter().take(MOST_VERDICTS).enumerate() {
        // The campaign's picture and tables are about the first workload.
        let level = entry.level.clone().filter(|_| i == 0);
        let speed = level.or_else(|| captions::speed(verdict));
        let title = heading(verdict, speed);
        verdicts.push(one_verdict(
            verdict,
            title,
            with_pictures,
            &format!("{id}-{i}"),
        )?);
    }
    Ok(html! {
        div.inside {
            @if verdicts.is_empty() { p.words { (captions::reason(entry.reason, REASON)) } }
            @for verdict in &verdicts { (verdict) }
            @if let Some(attempt) = entry.attempt {
                (facts(attempt))
                @if !attempt.diff.is_empty() { h4 { "Patch" } (diff(&attempt.diff)) }
            }
        }
    })
}

fn facts(attempt: &Attempt) -> Markup {
    let times = [
        ("proposed in", attempt.propose_s),
        ("built in", attempt.build_s),
        ("checked in", attempt.check_s),
        ("all in", attempt.total_s),
    ];
    html! {
        dl.facts {
            div { dt { "base" } dd { code { (revision(&attempt.base)) } } }
            @if let Some(commit) = &attempt.merged { div { dt { "merged as" } dd { code { (revision(commit)) } } } }
            @if let Some(hash) = &attempt.patch_sha256 { div { dt { "patch" } dd { code { (plain(hash, 13)) } } } }
            div { dt { "agent" } dd { (plain(&attempt.agent, NAME)) } }
            @for (name, seconds) in times {
                @if seconds > 0.0 { div { dt { (name) } dd { (tight(&format::duration(seconds))) } } }
            }
            @if let Some(t) = attempt.tested { div { dt { "candidate" } dd { "number " (t) " that was timed, after " (format::plural(attempt.merges_before as usize, "merge")) } } }
            @if let Some(path) = captions::log_path(&attempt.reason) { div { dt { "log" } dd { code { (path) } } } }
            div { dt { "ended" } dd { (attempt.finished.minute()) " UTC" } }
        }
    }
}

fn heading(verdict: &Verdict, speed: Option<String>) -> Markup {
    html! {
        h4 {
            (plain(&verdict.workload, NAME)) " " (badge(AttemptStatus::of_kind(verdict.verdict)))
            @if let Some(speed) = speed { " " small { (tight(&speed)) } }
        }
    }
}

fn one_verdict(
    verdict: &Verdict,
    heading: Markup,
    with_picture: bool,
    id: &str,
) -> Result<Markup, ReportError> {
    let has_samples = plot::verdict::has_samples(verdict);
    let panels = if has_samples && with_picture {
        Some(plot::verdict::panels(verdict)?)
    } else {
        None
    };
    Ok(html! {
        (heading)
        @if let Some(panels) = &panels {
            figure.panels {
                @for (i, panel) in panels.iter().enumerate() { div { (PreEscaped(panel.inline(&format!("{id}-{i}")))) } }
            }
        } @else if has_samples {
            p.empty { "Its picture is left out to keep this page small. The samples are in report.json." }
        }
        (prose(&captions::verdict(verdict)))
        (checks(&verdict.checks))
    })
}

fn checks(checks: &[Check]) -> Markup {
    html! {
        @if !checks.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="Checks" {
                table.checks {
                    thead { tr { th { "check" } th { "" } th.n { "measured" } th.n { "allowed" } th { "what it says" } } }
                    tbody {
                        @for check in checks.iter().take(MOST_CHECKS) {
                            tr.failed[!check.passed] {
                                td { (plain(&check.name, NAME)) }
                                td { @if check.passed { "✓ ok" } @else { "× failed" } }
                                td.n { (check.value.map_or_else(|| format::NONE.to_owned(), format::figure)) }
                                td.n { (check.allowed.map_or_else(|| format::NONE.to_owned(), format::figure)) }
                                td.long { (plain(&format::with_figures(&check.detail), REASON)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
