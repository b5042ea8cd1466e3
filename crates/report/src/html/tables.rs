//! Baselines, machine and settings, and how to recompute what the page says.

use maud::{Markup, html};
use outpace_record::{Campaign, Machine, SandboxTier};

use super::{empty, tight};
use crate::text::{NAME, REASON, line};
use crate::{ReportData, format};

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
    let rows: Vec<(String, String)> = rows(data)
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
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

/// Name and value of everything that was set or found; an empty value means that it is not known.
pub(crate) fn rows(data: &ReportData) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    if let Some(c) = &data.campaign {
        rows.extend(machine(&c.machine_class, &c.machine, c.sandbox_tier));
        rows.extend(campaign(c));
    } else if let Some(v) = data.verdicts.last() {
        rows.extend(machine(&v.machine_class, &v.machine, v.sandbox_tier));
        rows.push(("outpace".to_owned(), v.outpace_version.clone()));
    } else if let Some(r) = data.runs.last() {
        rows.extend(machine(&r.machine_class, &r.machine, r.sandbox_tier));
        rows.push(("outpace".to_owned(), r.outpace_version.clone()));
    }
    rows.extend(data.settings.iter().cloned());
    rows
}

fn machine(class: &str, machine: &Machine, tier: SandboxTier) -> Vec<(String, String)> {
    let cpu = if machine.cpu.is_empty() {
        String::new()
    } else {
        format!("{} x {}", machine.cpu, machine.cpus)
    };
    let memory = if machine.memory_mib == 0 {
        String::new()
    } else {
        format!("{} MiB", format::count(machine.memory_mib as f64))
    };
    let optional = |value: &Option<String>| value.clone().unwrap_or_default();
    named([
        ("machine class", class.to_owned()),
        ("CPU", cpu),
        (
            "GPU",
            if machine.gpus.is_empty() {
                "none".to_owned()
            } else {
                machine.gpus.join(", ")
            },
        ),
        ("memory", memory),
        ("system", machine.os.clone()),
        ("hypervisor", optional(&machine.hypervisor)),
        ("frequency governor", optional(&machine.governor)),
        ("huge pages", optional(&machine.huge_pages)),
        ("sandbox", tier.as_str().to_owned()),
    ])
}

fn campaign(c: &Campaign) -> Vec<(String, String)> {
    let budget = c
        .budget_s
        .map_or_else(|| "none".to_owned(), format::duration);
    named([
        (
            "noise (A/A)",
            c.aa_sd
                .map_or_else(String::new, |sd| format!("{} a block", format::share(sd))),
        ),
        ("workloads", c.workloads.join(", ")),
        ("agent", c.agent.clone()),
        (
            "started from",
            format!("{} {}", format::short(&c.start), c.start_summary),
        ),
        ("merged into", c.into.clone()),
        (
            "budget",
            format!("{budget}, {} used", format::duration(c.used_s)),
        ),
        (
            "most attempts",
            c.max_experiments
                .map_or_else(|| "no limit".to_owned(), |n| format::count(n as f64)),
        ),
        (
            "share of false merges",
            format!("at most {}", format::share(c.fdr)),
        ),
        ("confidence of the bounds", format::share(1.0 - c.alpha)),
        ("smallest gain that counts", format::share(c.min_speedup)),
        ("seed", c.seed.to_string()),
        ("outpace", c.outpace_version.clone()),
        ("campaign", c.id.clone()),
        ("last written", format!("{} UTC", c.updated.minute())),
    ])
}

fn named<const N: usize>(rows: [(&str, String); N]) -> Vec<(String, String)> {
    rows.into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Feeds the raw samples of this report to the judge again.
pub(crate) const JUDGE: &str = "jq -c '(.attempts[].verdicts[], .verdicts[]) | select(.n_blocks > 0) | {blocks, min_speedup, alpha, threshold, screen}' report.json | outpace judge -";

pub(super) fn recompute(data: &ReportData) -> Markup {
    let range = data.campaign.as_ref().map_or_else(String::new, |c| {
        format!(" {}..{}", format::short(&c.start), line(&c.into, NAME))
    });
    html! {
        section aria-labelledby="h-recompute" {
            h2 #h-recompute { "Recompute it" }
            p.words { "Every merge carries its raw samples in baselines/proofs/. Any clone can judge them again, without a clock:" }
            pre { "outpace audit" (range) }
            p.words { "So can every verdict of this report, from the samples in report.json:" }
            pre { (JUDGE) }
            p.words { "To measure a recorded trial again on another machine, with its seeds:" }
            pre { "outpace reproduce VERDICT" }
        }
    }
}
