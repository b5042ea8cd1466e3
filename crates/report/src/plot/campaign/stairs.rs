//! The two staircases: what is proven, and what was estimated.

use super::super::chart::Chart;
use super::super::ink::Ink;
use super::super::picture::PlotError;
use crate::campaign_summary::{CampaignSummary, Step};

/// What is estimated (thin), what is proven (thick), and the gap between them.
pub(super) fn paint(
    chart: &mut Chart<'_, '_>,
    summary: &CampaignSummary<'_>,
    end: f64,
) -> Result<(), PlotError> {
    let estimate = staircase(summary, end, |s| s.estimate);
    let proven = staircase(summary, end, |s| s.proven);
    let gap = estimate
        .iter()
        .copied()
        .chain(proven.iter().rev().copied())
        .collect();
    chart.tint(gap, Ink::Good, 0.10)?;
    chart.line(estimate, Ink::Good, 1.0)?;
    chart.line(proven, Ink::Good, 2.6)
}

/// Corners of a staircase, from the start to `end`.
pub(super) fn staircase(
    summary: &CampaignSummary<'_>,
    end: f64,
    level: impl Fn(&Step<'_>) -> f64,
) -> Vec<(f64, f64)> {
    let mut points = vec![(0.0, summary.start)];
    let mut now = summary.start;
    for step in summary.merged() {
        let x = step.attempt.number as f64;
        points.push((x, now));
        now = level(step);
        points.push((x, now));
    }
    points.push((end, now));
    points
}
