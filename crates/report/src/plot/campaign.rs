//! The campaign: attempt number to the right, throughput upwards, what is proven as a staircase.

mod attempts;
mod legend;
mod names;
mod stairs;

use std::ops::Range;

use outpace_record::{Attempt, Campaign};

use super::chart::{Chart, Frame, span, whole};
use super::marks::Marks;
use super::picture::{Area, Picture, PlotError, draw};
use super::units::Layout;
use crate::campaign_summary::{CampaignSummary, Unit};
use crate::captions;
use crate::error::ReportError;
use crate::status::AttemptStatus;

/// Attempts further below the start than this share of the rise are drawn at the edge.
const BELOW: f64 = 0.6;

/// The same above the last step.
const ABOVE: f64 = 0.35;

/// What is shown on both sides of a start that nothing was merged on, as a share of it.
const AROUND: f64 = 0.15;

/// Width and height in pixels.
fn size(layout: Layout) -> (u32, u32) {
    if layout.is_wide() {
        (960, 480)
    } else {
        (400, 440)
    }
}

pub(crate) fn picture(
    campaign: &Campaign,
    attempts: &[Attempt],
    layout: Layout,
) -> Result<Picture, ReportError> {
    let summary = CampaignSummary::new(campaign, attempts);
    let description = captions::campaign(campaign, &summary).join(" ");
    let title = format!("Campaign {}: every attempt and what is proven", campaign.id);
    let words = (title.as_str(), description.as_str());
    draw("campaign", size(layout), words, |area, marks| {
        paint(area, marks, &summary, layout)
    })
}

fn paint(
    area: &Area<'_>,
    marks: &mut Marks,
    summary: &CampaignSummary<'_>,
    layout: Layout,
) -> Result<(), PlotError> {
    let width = f64::from(size(layout).0);
    let legend_height = legend::paint(marks, summary, (layout.font(), width));
    let y = y_range(summary);
    let level_text = |v: &f64| summary.tick_text(*v, y.end - y.start);
    let frame = Frame {
        y_text: &level_text,
        ..frame(summary, layout, legend_height)
    };
    let mut chart = Chart::new(area, marks, &frame)?;
    stairs::paint(&mut chart, summary, frame.x.end)?;
    attempts::paint(&chart, marks, summary, &frame.y);
    names::merges(&chart, marks, summary, &frame);
    names::line_ends(&chart, marks, summary, &frame, layout);
    Ok(())
}

/// The frame, still without words at the ticks of its levels.
fn frame(summary: &CampaignSummary<'_>, layout: Layout, legend_height: f64) -> Frame<'static> {
    let is_wide = layout.is_wide();
    let last = summary.steps.last();
    let last = last.map_or(1, |s| s.attempt.number.max(1)) as f64;
    let (right, left) = if is_wide { (138.0, 64.0) } else { (66.0, 62.0) };
    Frame {
        x: 0.0..last + (0.02 * last).max(0.5),
        y: y_range(summary),
        room: [legend_height + 26.0, right, 44.0, left],
        ticks: if is_wide { (12, 8) } else { (6, 7) },
        x_text: &whole,
        y_text: &|_: &f64| String::new(),
        y_name: match summary.unit {
            Unit::TokensPerS => "tokens/s",
            Unit::Relative => "speed, the start = 1",
            Unit::ToLoss => "1 / time to the loss, the start = 1",
        },
        x_name: "attempt",
        font: layout.font(),
    }
}

/// From the lowest to the highest level that matters; attempts outside are drawn at the edge.
fn y_range(summary: &CampaignSummary<'_>) -> Range<f64> {
    let top = summary
        .steps
        .iter()
        .map(|s| s.estimate)
        .fold(summary.start, f64::max);
    let floor = summary
        .steps
        .iter()
        .map(|s| s.proven)
        .fold(summary.start, f64::min);
    let rise = (top - floor).max(0.03 * summary.start);
    let [below, above] = match summary.count(AttemptStatus::Merged) {
        0 => [AROUND * summary.start; 2],
        _ => [BELOW * rise, ABOVE * rise],
    };
    let levels = || summary.steps.iter().filter(|s| s.is_timed).map(|s| s.level);
    let low = levels().fold(floor, f64::min).max(floor - below);
    let high = levels().fold(top, f64::max).min(top + above);
    let range = span(low, high, 0.03 * summary.start);
    let height = range.end - range.start;
    let names = if summary.count(AttemptStatus::Merged) > 0 {
        0.30
    } else {
        0.06
    };
    range.start - 0.06 * height..range.end + names * height
}
