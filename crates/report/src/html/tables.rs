//! Baselines, machine and settings, and how to recompute what the page says.

use maud::{Markup, html};

use super::{empty, tight};
use crate::text::{NAME, REASON, line};
use crate::{ReportData, format, recompute, settings};

pub(super) fn baselines(data: &ReportData) -> Markup {
    html! {
        @if !data.baselines.is_empty() {
            section aria-labelledby="h-baselines" {
                h2 #h-baselines { "Baselines" }
                div.scroll tabindex="0" role="region" aria-label="Baselines" {
                    table {
                        thead { tr { th { "workload" } th { "machine class" } th.n { "tokens/s" } th.n { "since the anchor" } th.n { "at least" } th.n { "merges" } th { "anchor" } th { "updated" } } }
                        tbody {
                            @for b in &data.baselines {
                                tr {
                                    td { (line(&b.workload, NAME)) }
                                    td { (line(&b.machine_class, NAME)) }
                                    td.n { (format::count(b.tokens_per_s)) }
                                    td.n { (format::gain(b.speedup)) }
                                    td.n { (format::gain(b.at_least)) }
                                    td.n { (b.merges) }
                                    td { code { (format::short(&b.anchor.commit)) } ", " (format::count(b.anchor.tokens_per_s)) " tokens/s" }
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
                    @for (name, value) in &rows { div { dt { (line(name, NAME)) } dd { (tight(&line(value, REASON))) } } }
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
