//! The pictures of the page, each with its words.

use maud::{Markup, PreEscaped, html};
use outpace_record::Run;
use outpace_text::plain;

use super::parts::{empty, prose};
use crate::campaign_summary::CampaignSummary;
use crate::captions;
use crate::data::ReportData;
use crate::error::ReportError;
use crate::format;
use crate::history::{points, workloads};
use crate::plot;
use crate::plot::picture::Picture;
use crate::plot::units::Layout;
use crate::text::{NAME, TITLE, revision};

/// Most workloads with a history picture.
const MOST_WORKLOADS: usize = 12;

pub(super) fn campaign(data: &ReportData) -> Result<Markup, ReportError> {
    let Some(campaign) = &data.campaign else {
        return Ok(html! {});
    };
    let summary = CampaignSummary::new(campaign, &data.attempts);
    let figure = if data.attempts.is_empty() {
        empty(
            "No attempt has ended yet. Resume the campaign with",
            "outpace research --resume",
        )
    } else {
        let wide = plot::campaign::picture(campaign, &data.attempts, Layout::Wide)?;
        let narrow = plot::campaign::picture(campaign, &data.attempts, Layout::Narrow)?;
        html! { figure { (both(&wide, &narrow, "campaign")) figcaption { (prose(&captions::campaign(campaign, &summary))) } } }
    };
    Ok(
        html! { section aria-labelledby="h-campaign" { h2 #h-campaign { "Campaign" } (figure) (merges(&summary)) } },
    )
}

/// Throughput over commits: the history's runs.
pub(super) fn history(data: &ReportData) -> Result<Markup, ReportError> {
    let workloads = workloads(&data.runs).into_iter();
    let mut pictures = Vec::new();
    for (i, workload) in workloads.take(MOST_WORKLOADS).enumerate() {
        pictures.push(run_history(&data.runs, workload, i)?);
    }
    Ok(html! {
        section aria-labelledby="h-history" {
            h2 #h-history { "Throughput over commits" }
            @for picture in &pictures { (picture) }
            @if pictures.is_empty() {
                (empty("No run is in the history yet. Add one with", "outpace bench"))
            }
        }
    })
}

fn run_history(runs: &[Run], workload: &str, index: usize) -> Result<Markup, ReportError> {
    let wide = plot::history::picture(runs, workload, Layout::Wide)?;
    let narrow = plot::history::picture(runs, workload, Layout::Narrow)?;
    let mut sentences = captions::history(&points(runs, workload));
    sentences.push(captions::HISTORY_SIGNS.to_owned());
    Ok(html! {
        h3 { (plain(workload, NAME)) }
        figure { (both(&wide, &narrow, &format!("history-{index}"))) figcaption { (prose(&sentences)) } }
    })
}

/// What the campaign merged, in the figures of its picture.
fn merges(summary: &CampaignSummary<'_>) -> Markup {
    let steps: Vec<_> = summary.merged().collect();
    html! {
        @if !steps.is_empty() {
            h3 { "Merged" }
            div.scroll tabindex="0" role="region" aria-label="Merged commits" {
                table {
                    thead { tr { th { "commit" } th { "patch" } th.n { "gain" } th.n { "at least" } th.n { (summary.unit_text()) ", estimated" } th.n { "proven" } } }
                    tbody {
                        @for step in steps {
                            @let verdict = step.attempt.main_verdict();
                            tr {
                                td { code { (step.attempt.merged.as_deref().map(revision).unwrap_or_default()) } }
                                td.long { (plain(&step.attempt.title, TITLE)) }
                                td.n { (format::gain_or_none(verdict.and_then(|v| v.speedup))) }
                                td.n { (format::gain_or_none(verdict.and_then(|v| v.at_least))) }
                                td.n { (summary.level_text(step.estimate)) }
                                td.n { (format::gain(summary.gain_of(step.proven))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One picture in two shapes; the style sheet shows the one that fits the window.
fn both(wide: &Picture, narrow: &Picture, id: &str) -> Markup {
    html! {
        div.wide { (PreEscaped(wide.inline(id))) }
        div.narrow { (PreEscaped(narrow.inline(&format!("{id}-narrow")))) }
    }
}
