//! A sign for each attempt, with its figures as hover text.

use std::ops::Range;

use outpace_text::plain;

use super::super::chart::Chart;
use super::super::ink::Ink;
use super::super::marks::Marks;
use super::super::units::tenths;
use crate::campaign_summary::{CampaignSummary, Step};
use crate::captions;
use crate::format::{gain, gain_or_none};
use crate::samples;
use crate::status::AttemptStatus;

/// Above this many attempts there is no hover text: it would make the page too large.
const HOVERS: usize = 2000;

/// Above this many attempts the signs of those that were not merged shrink.
const MANY: usize = 120;

pub(super) fn paint(
    chart: &Chart<'_, '_>,
    marks: &mut Marks,
    summary: &CampaignSummary<'_>,
    y: &Range<f64>,
) {
    let is_merged = |s: &&Step<'_>| s.status == AttemptStatus::Merged;
    let (merged, others): (Vec<_>, Vec<_>) = summary.steps.iter().partition(is_merged);
    let scale = if summary.steps.len() > MANY { 0.7 } else { 1.0 };
    let has_hover = summary.steps.len() <= HOVERS;
    for step in others {
        let hover = if has_hover {
            hover(step)
        } else {
            String::new()
        };
        unmerged(chart, marks, step, y, (scale, &hover));
    }
    for step in merged {
        with_whisker(chart, marks, step);
    }
}

/// An attempt outside the picture is a triangle at its edge.
fn unmerged(
    chart: &Chart<'_, '_>,
    marks: &mut Marks,
    step: &Step<'_>,
    y: &Range<f64>,
    (scale, hover): (f64, &str),
) {
    let edge = 0.02 * (y.end - y.start);
    let x = step.attempt.number as f64;
    let level = step.level.clamp(y.start + edge, y.end - edge);
    let at = chart.at(x, level);
    if level == step.level {
        marks.status(step.status, at, scale, hover);
    } else {
        marks.triangle(Ink::Dot, at, 4.0 * scale, level > step.level, hover);
    }
}

/// The estimate, and a whisker down to what is proven.
fn with_whisker(chart: &Chart<'_, '_>, marks: &mut Marks, step: &Step<'_>) {
    let x = step.attempt.number as f64;
    let (at, foot) = (chart.at(x, step.estimate), chart.at(x, step.proven));
    let serif = tenths(4.0);
    let whisker = format!("M{} {}V{}m-{serif} 0h{}", at.0, at.1, foot.1, 2 * serif);
    marks.path(Ink::Good, &whisker, 1.4, "");
    marks.status(AttemptStatus::Merged, at, 1.0, &hover(step));
}

/// What a pointer on a sign shows.
fn hover(step: &Step<'_>) -> String {
    let attempt = step.attempt;
    let verdict = attempt.main_verdict();
    let figures = verdict
        .filter(|_| step.is_timed)
        .map_or_else(String::new, |v| {
            let bound = v
                .at_least
                .map_or_else(String::new, |b| format!(", at least {}", gain(b)));
            format!(" {}{bound}, {}", gain_or_none(v.speedup), samples::text(v))
        });
    let reason = if step.status == AttemptStatus::Merged {
        String::new()
    } else {
        format!(": {}", captions::reason(&attempt.reason, 120))
    };
    let title = plain(&attempt.title, 100);
    format!(
        "#{} {title} - {}{figures}{reason}",
        attempt.number,
        step.status.word()
    )
}
