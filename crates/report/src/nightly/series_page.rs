//! The page of one series.

use maud::{Markup, PreEscaped, html};
use outpace_text::plain;

use super::links::Links;
use super::page::page as whole_page;
use super::rows::{Difference, Row};
use super::{Night, captions, changes, commits, glance, hover, index};
use crate::error::ReportError;
use crate::format;
use crate::html::parts::{empty, tight, tile};
use crate::plot::series::{Drawn, picture};
use crate::plot::units::Layout;
use crate::text::{NAME, revision};

const SCRIPT: &str = include_str!("series.js");

pub(super) fn page(night: &Night, row: &Row<'_>) -> Result<String, ReportError> {
    let shown = &row.shown;
    let series = shown.series;
    let links = Links::new(night);
    let workload = plain(&series.workload, NAME);
    let class = plain(&series.machine_class, NAME);
    let title = format!("{workload} on {class}");
    let body = html! {
        header {
            p.brand { "outpace" }
            p.back { a href="../index.html" { "← all series" } }
            h1 { (workload) }
            p.sub { "on " b { (class) } @if shown.has_anchor() { ", first anchor " (links.commit(&series.first)) @if series.anchor != series.first { ", now " (links.commit(&series.anchor)) } } }
        }
        main {
            (tiles(row))
            section aria-labelledby="h-course" {
                h2 #h-course { "Throughput over commits" }
                @if shown.latest().is_some() { (figure(row, links, &title)?) }
                @else { (empty("No commit of this series has been measured yet. Begin with", "outpace bench")) }
            }
            (changes::table(shown, links))
            (changes::marks(shown))
            (index::failures(night, Some(series)))
            (commits::table(row, links))
        }
    };
    Ok(whole_page(night, &title, SCRIPT, &body))
}

fn tiles(row: &Row<'_>) -> Markup {
    let shown = &row.shown;
    let Some(latest) = shown.latest() else {
        return html! {};
    };
    let speed = shown.throughput(latest);
    let (figure, unit) = speed.split_once(' ').unwrap_or((&speed, ""));
    let commit = format!("latest, {}", revision(&shown.point(latest).commit));
    let against = if shown.has_anchor() {
        "against the first anchor"
    } else {
        "against the first commit"
    };
    html! {
        section.tiles aria-label="Summary" {
            div.tile { p.value { (index::badge(row.state, row.word())) } p.note { (open(row)) } }
            (tile(figure, unit, &commit))
            (tile(&difference(row.first), "", against))
            (tile(&difference(row.week), "", "in 7 days"))
        }
    }
}

/// How many slowdowns are behind the state.
fn open(row: &Row<'_>) -> String {
    let n = row.shown.open().count();
    match n {
        0 => "no slowdown is open".to_owned(),
        n => format!("{} in its level", format::plural(n, "slowdown")),
    }
}

fn difference(difference: Difference) -> String {
    match difference {
        Difference::None => format::NONE.to_owned(),
        Difference::NoCommit => "no commit".to_owned(),
        Difference::Gain { gain, .. } => format::gain(gain),
    }
}

/// The picture in two shapes, its words, and what shows beside a point.
fn figure(row: &Row<'_>, links: Links<'_>, title: &str) -> Result<Markup, ReportError> {
    let shown = &row.shown;
    let sentences = captions::series(shown);
    let description = sentences.join(" ");
    let wide = picture(shown, (title, &description), Layout::Wide)?;
    let narrow = picture(shown, (title, &description), Layout::Narrow)?;
    Ok(html! {
        figure {
            (plot(&wide, "wide"))
            (plot(&narrow, "narrow"))
            p #tip-help .hint hidden {
                "Point at the picture or touch it, or focus it and press ← and →."
                @if links.base().is_some() { " Enter opens the commit." }
            }
            figcaption {
                @for text in &sentences { p.words { (glance::sentence(text)) } }
                p.words.signs { (tight(&captions::signs(shown, wide.is_summed))) }
            }
        }
        script #points type="application/json" { (PreEscaped(hover::json(shown, links, &wide, &narrow))) }
    })
}

fn plot(drawn: &Drawn, layout: &str) -> Markup {
    html! {
        div class={ (layout) " plot" } data-layout=(layout) { (PreEscaped(drawn.picture.inline(&format!("course-{layout}")))) }
    }
}
