//! The report as one page: no script, nothing loaded, readable on a phone, in the dark and on paper.

mod details;
mod diff;
mod entries;
mod figures;
pub(crate) mod tables;

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use crate::story::{Fate, Story};
use crate::text::{NAME, TITLE, line};
use crate::{ReportData, ReportError, format, words};

const STYLE: &str = include_str!("html/style.css");

/// Nothing may be loaded, sent or run; the style sheet is the page's own.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// The whole report as one self-contained HTML page.
///
/// # Errors
/// A picture cannot be drawn.
pub fn html(data: &ReportData) -> Result<String, ReportError> {
    let title = line(&data.title, TITLE);
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
                    "agent " b { (line(&c.agent, NAME)) } ", into " b { (line(&c.into, NAME)) }
                    " from " code { (format::short(&c.start)) } " " (line(&c.start_summary, TITLE))
                }
                p.sub { (line(&machine.unwrap_or_default(), 160)) ", " (c.started.minute()) " UTC" }
            }
        }
    }
}

/// The answer, before any picture.
fn headline(data: &ReportData) -> Markup {
    let Some(campaign) = &data.campaign else {
        return verdict_headline(data);
    };
    let story = Story::new(campaign, &data.attempts);
    let refused: Vec<String> = Fate::ALL
        .into_iter()
        .filter(|f| *f != Fate::Merged && story.count(*f) > 0)
        .map(|f| format!("{} {}", format::count(story.count(f) as f64), f.word()))
        .collect();
    let budget = campaign.budget_s.map_or_else(
        || "no time limit".to_owned(),
        |b| format!("of {}", format::duration(b)),
    );
    markup! {
        section.tiles aria-label="Summary" {
            (tile(&levels(&story), story.unit_text(), "estimated, start to end"))
            (tile(&format::gain(story.proven_gain()), "", "proven at least, since the start"))
            (tile(&story.count(Fate::Merged).to_string(), &format!("of {} merged", format::count(story.steps.len() as f64)), &refused.join(", ")))
            (tile(&format::duration(campaign.used_s), "", &budget))
        }
    }
}

fn levels(story: &Story<'_>) -> String {
    let start = story.level_text(story.start);
    if story.count(Fate::Merged) == 0 {
        start
    } else {
        format!("{start} → {}", story.level_text(story.estimate()))
    }
}

fn verdict_headline(data: &ReportData) -> Markup {
    markup! {
        @if !data.verdicts.is_empty() {
            section.tiles aria-label="Summary" {
                @for verdict in data.verdicts.iter().take(4) {
                    (tile(words::kind(verdict.verdict), &verdict.speedup.map(format::gain).unwrap_or_default(), &verdict_tile(verdict)))
                }
            }
        }
    }
}

fn verdict_tile(verdict: &outpace_record::Verdict) -> String {
    let bound = verdict
        .at_least
        .map_or_else(String::new, |g| format!(", at least {}", format::gain(g)));
    let speed = words::throughput(verdict).map_or_else(String::new, |s| format!(", {s}"));
    let blocks = if verdict.n_blocks == 0 {
        "nothing timed".to_owned()
    } else {
        format::plural(verdict.n_blocks, "block")
    };
    format!("{}{bound}{speed}, {blocks}", line(&verdict.workload, NAME))
}

fn tile(value: &str, unit: &str, note: &str) -> Markup {
    markup! {
        div.tile {
            p.value { (tight(value)) @if !unit.is_empty() { " " span.unit { (tight(unit)) } } }
            p.note { (tight(note)) }
        }
    }
}

/// Keeps a number and its unit on one line.
fn tight(text: &str) -> String {
    let mut out = text.to_owned();
    for unit in ["%", "s", "min", "h", "blocks", "block", "tokens/s"] {
        for digit in '0'..='9' {
            if out.contains(&format!("{digit} {unit}")) {
                out = out.replace(&format!("{digit} {unit}"), &format!("{digit}\u{a0}{unit}"));
            }
        }
    }
    out
}

/// Sentences below a picture.
fn prose(sentences: &[String]) -> Markup {
    markup! { p.words { (tight(&sentences.join(" "))) } }
}

/// Where there is nothing to show, and how that changes.
fn empty(text: &str, command: &str) -> Markup {
    markup! {
        p.empty { (text) @if !command.is_empty() { " " code { (command) } } }
    }
}
