//! The report as one page. It has no script, loads nothing, and can be read on a phone, in the
//! dark and on paper.

mod details;
mod diff;
mod entries;
mod entry;
mod figures;
pub(crate) mod parts;
mod tables;

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};
use outpace_record::{Campaign, Verdict};
use outpace_text::plain;

use crate::campaign_summary::{CampaignSummary, Unit};
use crate::captions;
use crate::data::ReportData;
use crate::error::ReportError;
use crate::format;
use crate::samples;
use crate::status::AttemptStatus;
use crate::text::{NAME, TITLE, revision};
use parts::tile;

/// Most verdicts at the top of the page.
const MOST_TILES: usize = 4;

/// The style sheet that all pages share.
pub(crate) const STYLE: &str = include_str!("html/style.css");

/// Nothing may be loaded, sent or run. The style sheet is in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                      base-uri 'none'; form-action 'none'";

/// The whole report as one self-contained HTML page.
///
/// # Errors
/// A picture cannot be drawn.
pub fn html(data: &ReportData) -> Result<String, ReportError> {
    let title = plain(&data.title, TITLE);
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="generator" content="outpace";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(data, &title))
                main { (sections(data)?) }
                footer { p { "Made by outpace, " (data.generated.minute()) " UTC. This page loads nothing and runs no script." } }
            }
        }
    };
    Ok(page.into_string())
}

fn sections(data: &ReportData) -> Result<Markup, ReportError> {
    Ok(markup! {
        (headline(data))
        (figures::campaign(data)?)
        (entries::attempts(data)?)
        (entries::verdicts(data)?)
        (figures::history(data)?)
        (tables::baselines(data))
        (tables::settings(data))
        (tables::recompute(data))
    })
}

fn header(data: &ReportData, title: &str) -> Markup {
    let campaign = data.campaign.as_ref();
    let machine = campaign.map(|c| c.machine.describe());
    markup! {
        header {
            p.brand { "outpace" }
            h1 { (title) }
            @if let Some(c) = campaign {
                p.sub {
                    "agent " b { (plain(&c.agent, NAME)) } ", into " b { (plain(&c.into, NAME)) }
                    " from " code { (revision(&c.start)) } " " (plain(&c.start_summary, TITLE))
                }
                p.sub { (plain(&machine.unwrap_or_default(), 160)) ", " (c.started.minute()) " UTC" }
            }
        }
    }
}

/// The answer, before any picture.
fn headline(data: &ReportData) -> Markup {
    match &data.campaign {
        Some(campaign) => campaign_headline(campaign, data),
        None => verdict_headline(data),
    }
}

fn campaign_headline(campaign: &Campaign, data: &ReportData) -> Markup {
    let summary = CampaignSummary::new(campaign, &data.attempts);
    let (merged, tried) = (summary.count(AttemptStatus::Merged), summary.steps.len());
    let of = format!("of {} merged", format::count(tried as f64));
    let budget = campaign.budget_s.map_or_else(
        || "no time limit".to_owned(),
        |b| format!("of {}", format::duration(b)),
    );
    let (unit, proven) = (summary.unit_text(), proven(&summary));
    markup! {
        section.tiles aria-label="Summary" {
            (tile(&levels(&summary), unit, "estimated, start to end"))
            (tile(&proven, "", "proven at least, since the start"))
            (tile(&merged.to_string(), &of, &unmerged(&summary)))
            (tile(&format::duration(campaign.used_s), "", &budget))
        }
    }
}

/// `+11.2 %`, or `27.0 % less time`.
fn proven(summary: &CampaignSummary<'_>) -> String {
    let gain = summary.proven_gain();
    match summary.unit {
        Unit::TokensPerS | Unit::Relative => format::gain(gain),
        Unit::ToLoss => format::change_of_time(gain),
    }
}

/// `30 not proven, 3 rejected`.
fn unmerged(summary: &CampaignSummary<'_>) -> String {
    let others: Vec<String> = AttemptStatus::ALL
        .into_iter()
        .filter(|s| *s != AttemptStatus::Merged && summary.count(*s) > 0)
        .map(|s| format!("{} {}", format::count(summary.count(s) as f64), s.word()))
        .collect();
    others.join(", ")
}

fn levels(summary: &CampaignSummary<'_>) -> String {
    let start = summary.level_text(summary.start);
    if summary.count(AttemptStatus::Merged) == 0 {
        start
    } else {
        format!("{start} → {}", summary.level_text(summary.estimate()))
    }
}

fn verdict_headline(data: &ReportData) -> Markup {
    let verdicts = data.verdicts.iter().take(MOST_TILES);
    markup! {
        @if !data.verdicts.is_empty() {
            section.tiles aria-label="Summary" { @for verdict in verdicts { (verdict_tile(verdict)) } }
        }
    }
}

fn verdict_tile(verdict: &Verdict) -> Markup {
    let gain = verdict.speedup.map(format::gain).unwrap_or_default();
    let note = format!("{}{}", plain(&verdict.workload, NAME), note(verdict));
    tile(captions::kind(verdict.verdict), &gain, &note)
}

/// What a tile says of a verdict, behind the name of its workload.
fn note(verdict: &Verdict) -> String {
    if let Some(reached) = captions::reached(verdict) {
        return format!(" {reached}");
    }
    let bound = verdict
        .at_least
        .map_or_else(String::new, |g| format!(", at least {}", format::gain(g)));
    let speed = captions::speed(verdict).map_or_else(String::new, |s| format!(", {s}"));
    let samples = match (samples::count(verdict), samples::by_seeds(verdict)) {
        (0, false) => "nothing timed".to_owned(),
        (0, true) => "no seed run".to_owned(),
        _ => samples::text(verdict),
    };
    format!("{bound}{speed}, {samples}")
}
