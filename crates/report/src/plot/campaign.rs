//! The campaign: attempt number to the right, throughput upwards, what is proven as a staircase.

mod legend;

use std::ops::Range;

use outpace_record::{Attempt, Campaign};

use super::chart::{span, whole};
use super::labels::{Name, Room, ends, names};
use super::{Area, Chart, Frame, Ink, Layout, Marks, Picture, PlotError, draw, tenths};
use crate::format::{gain, gain_or_none, plural};
use crate::story::{Fate, Step, Story, Unit};
use crate::{ReportError, words};

/// Width and height in pixels.
fn size(layout: Layout) -> (u32, u32) {
    if layout.is_wide() {
        (960, 480)
    } else {
        (400, 440)
    }
}

/// More hover texts than this only make the page heavy.
const HOVERS: usize = 2000;

/// Above this many attempts the dots of refused ones shrink.
const MANY: usize = 120;

/// Attempts further below the start than this share of the picture's height are drawn at its edge.
const BELOW: f64 = 0.6;

/// The same above the last step.
const ABOVE: f64 = 0.35;

pub(crate) fn picture(
    campaign: &Campaign,
    attempts: &[Attempt],
    layout: Layout,
) -> Result<Picture, ReportError> {
    let story = Story::new(campaign, attempts);
    let description = words::campaign(campaign, &story).join(" ");
    let title = format!("Campaign {}: every attempt and what is proven", campaign.id);
    draw(
        "campaign",
        size(layout),
        (&title, &description),
        |area, marks| paint(area, marks, &story, layout),
    )
}

fn paint(
    area: &Area<'_>,
    marks: &mut Marks,
    story: &Story<'_>,
    layout: Layout,
) -> Result<(), PlotError> {
    let last = story.steps.last().map_or(1, |s| s.attempt.number.max(1)) as f64;
    let y = y_range(story);
    let legend_height = legend::paint(marks, story, layout);
    let level_text = |v: &f64| tick_text(story, *v);
    let frame = Frame {
        x: 0.0..last + (0.02 * last).max(0.5),
        y: y.clone(),
        room: [
            legend_height + 26.0,
            if layout.is_wide() { 138.0 } else { 66.0 },
            44.0,
            if layout.is_wide() { 64.0 } else { 62.0 },
        ],
        ticks: if layout.is_wide() { (12, 8) } else { (6, 7) },
        x_text: &whole,
        y_text: &level_text,
        y_name: if story.unit == Unit::TokensPerS {
            "tokens/s"
        } else {
            "speed, the start = 1"
        },
        x_name: "attempt",
        font: layout.font(),
    };
    let mut chart = Chart::new(area, marks, &frame)?;
    stairs(&mut chart, story, frame.x.end)?;
    dots(&chart, marks, story, &y);
    name_merges(&chart, marks, story, &frame);
    name_ends(&chart, marks, story, &frame, layout);
    Ok(())
}

/// From the lowest to the highest level that matters; attempts outside are drawn at the edge.
fn y_range(story: &Story<'_>) -> Range<f64> {
    let top = story
        .steps
        .iter()
        .map(|s| s.estimate)
        .fold(story.start, f64::max);
    let floor = story
        .steps
        .iter()
        .map(|s| s.proven)
        .fold(story.start, f64::min);
    let rise = (top - floor).max(0.03 * story.start);
    let levels = || story.steps.iter().filter(|s| s.is_timed).map(|s| s.level);
    let low = levels().fold(floor, f64::min).max(floor - BELOW * rise);
    let high = levels().fold(top, f64::max).min(top + ABOVE * rise);
    let range = span(low, high, 0.03 * story.start);
    let height = range.end - range.start;
    let names = if story.count(Fate::Merged) > 0 {
        0.30
    } else {
        0.06
    };
    range.start - 0.06 * height..range.end + names * height
}

fn tick_text(story: &Story<'_>, level: f64) -> String {
    match story.unit {
        Unit::TokensPerS => crate::format::count(level),
        Unit::Relative => format!("{level:.2}"),
    }
}

/// What is estimated (thin), what is proven (thick), and the gap between them.
fn stairs(chart: &mut Chart<'_, '_>, story: &Story<'_>, end: f64) -> Result<(), PlotError> {
    let estimate = staircase(story, end, |s| s.estimate);
    let proven = staircase(story, end, |s| s.proven);
    let gap = estimate
        .iter()
        .copied()
        .chain(proven.iter().rev().copied())
        .collect();
    chart.tint(gap, Ink::Good, 0.10)?;
    chart.line(estimate, Ink::Good, 1.0)?;
    chart.line(proven, Ink::Good, 2.6)
}

fn staircase(story: &Story<'_>, end: f64, level: impl Fn(&Step<'_>) -> f64) -> Vec<(f64, f64)> {
    let mut points = vec![(0.0, story.start)];
    let mut now = story.start;
    for step in story.merged() {
        let x = step.attempt.number as f64;
        points.push((x, now));
        now = level(step);
        points.push((x, now));
    }
    points.push((end, now));
    points
}

fn dots(chart: &Chart<'_, '_>, marks: &mut Marks, story: &Story<'_>, y: &Range<f64>) {
    let scale = if story.steps.len() > MANY { 0.7 } else { 1.0 };
    let edge = 0.02 * (y.end - y.start);
    let (merged, refused): (Vec<_>, Vec<_>) =
        story.steps.iter().partition(|s| s.fate == Fate::Merged);
    for step in refused {
        let hover = if story.steps.len() > HOVERS {
            String::new()
        } else {
            hover(step)
        };
        let x = step.attempt.number as f64;
        let level = step.level.clamp(y.start + edge, y.end - edge);
        if level == step.level {
            marks.fate(step.fate, chart.at(x, level), scale, &hover);
        } else {
            marks.triangle(
                Ink::Dot,
                chart.at(x, level),
                4.0 * scale,
                level > step.level,
                &hover,
            );
        }
    }
    for step in merged {
        let x = step.attempt.number as f64;
        let (at, foot) = (chart.at(x, step.estimate), chart.at(x, step.proven));
        let serif = tenths(4.0);
        let whisker = format!("M{} {}V{}m-{serif} 0h{}", at.0, at.1, foot.1, 2 * serif);
        marks.path(Ink::Good, &whisker, 1.4, "");
        marks.fate(Fate::Merged, at, 1.0, &hover(step));
    }
}

/// What a pointer that rests on a dot reads.
fn hover(step: &Step<'_>) -> String {
    let attempt = step.attempt;
    let verdict = attempt.main_verdict();
    let figures = verdict
        .filter(|_| step.is_timed)
        .map_or_else(String::new, |v| {
            let bound = v
                .at_least
                .map_or_else(String::new, |b| format!(", at least {}", gain(b)));
            format!(
                " {}{bound}, {}",
                gain_or_none(v.speedup),
                plural(v.n_blocks, "block")
            )
        });
    let reason = if step.fate == Fate::Merged {
        String::new()
    } else {
        format!(": {}", words::reason(&attempt.reason, 120))
    };
    let title = crate::text::line(&attempt.title, 100);
    format!(
        "#{} {title} - {}{figures}{reason}",
        attempt.number,
        step.fate.word()
    )
}

fn name_merges(chart: &Chart<'_, '_>, marks: &mut Marks, story: &Story<'_>, frame: &Frame<'_>) {
    let list: Vec<Name> = story
        .merged()
        .map(|s| Name {
            at: chart.at(s.attempt.number as f64, s.estimate),
            text: s.attempt.title.clone(),
            weight: s.estimate / s.base,
        })
        .collect();
    let stairs: Vec<(f64, f64)> = staircase(story, frame.x.end, |s| s.estimate)
        .into_iter()
        .map(|(x, y)| chart.at(x, y))
        .map(|(x, y)| (f64::from(x), f64::from(y)))
        .collect();
    let floor = |x: f64| {
        stairs
            .iter()
            .rev()
            .find(|p| p.0 <= x)
            .map_or(f64::MAX, |p| p.1)
    };
    let (from, to) = (
        chart.top_at(frame.x.start),
        chart.at(frame.x.end, frame.y.start),
    );
    let to = (to.0 + tenths(frame.room[1] * 0.5), to.1);
    names(
        marks,
        list,
        &Room {
            from,
            to,
            font: frame.font,
            floor: &floor,
        },
    );
}

fn name_ends(
    chart: &Chart<'_, '_>,
    marks: &mut Marks,
    story: &Story<'_>,
    frame: &Frame<'_>,
    layout: Layout,
) {
    let word = |level: f64, what: &str| {
        let percent = gain(story.gain_of(level));
        if layout.is_wide() {
            format!("{percent} {what}")
        } else {
            percent
        }
    };
    let end = chart.at(frame.x.end, story.start).0;
    let mut list = vec![(
        chart.at(0.0, story.proven()).1,
        Ink::Good,
        word(story.proven(), "proven"),
    )];
    if story.count(Fate::Merged) > 0 {
        list.push((
            chart.at(0.0, story.estimate()).1,
            Ink::Muted,
            word(story.estimate(), "estimated"),
        ));
    } else {
        list[0].2 = if layout.is_wide() {
            "nothing merged".to_owned()
        } else {
            "start".to_owned()
        };
    }
    ends(marks, end, frame.font, list);
}
