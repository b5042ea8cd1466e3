//! Baselines, machine and settings, and how to recompute what the page says.

use maud::{Markup, html};
use outpace_text::plain;

use super::parts::{empty, tight};
use crate::data::ReportData;
use crate::format;
use crate::recompute;
use crate::settings;
use crate::text::{NAME, REASON, revision};

/// Gains only: the throughputs of a baseline were measured in another hour than the other figures
/// of the page.
pub(super) fn baselines(data: &ReportData) -> Markup {
    html! {
        @if !data.baselines.is_empty() {
            section aria-labelledby="h-baselines" {
                h2 #h-baselines { "Baselines" }
                div.scroll tabindex="0" role="region" aria-label="Baselines" {
                    table {
                        thead { tr { th { "workload" } th { "machine class" } th.n { "since the anchor" } th.n { "at least" } th.n { "merges" } th { "anchor" } th { "updated" } } }
                        tbody {
                            @for b in &data.baselines {
                                tr {
                                    td { (plain(&b.workload, NAME)) }
                                    td { (plain(&b.machine_class, NAME)) }
                                    td.n { (format::gain(b.speedup)) }
                                    td.n { (format::gain(b.at_least)) }
                                    td.n { (b.merges) }
                                    td { code { (revision(&b.anchor.commit)) } }
                                    td { (b.updated.date()) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn settings(data: &ReportData) -> Markup {
    let rows = settings::rows(data);
    html! {
        section aria-labelledby="h-settings" {
            h2 #h-settings { "Machine and settings" }
            @if rows.is_empty() {
                (empty("No record names a machine yet. Look at this one with", "outpace doctor"))
            } @else {
                dl.settings {
                    @for (name, value) in &rows { div { dt { (plain(name, NAME)) } dd { (tight(&plain(value, REASON))) } } }
                }
            }
        }
    }
}

pub(super) fn recompute(data: &ReportData) -> Markup {
    let steps = recompute::steps(data);
    html! {
        @if !steps.is_empty() {
            section aria-labelledby="h-recompute" {
                h2 #h-recompute { "Recompute it" }
                @for step in &steps {
                    p.words { (step.purpose) }
                    pre { (step.command) }
                }
            }
        }
    }
}
