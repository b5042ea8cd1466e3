//! Names in the campaign picture: of merged patches, and of both lines at their right end.

use super::super::chart::{Chart, Frame};
use super::super::ink::Ink;
use super::super::labels::{Name, Room, ends, names};
use super::super::marks::Marks;
use super::super::units::{Layout, tenths};
use super::stairs::staircase;
use crate::campaign_summary::CampaignSummary;
use crate::format::gain;
use crate::status::AttemptStatus;

/// Names of merged patches, above the staircase.
pub(super) fn merges(
    chart: &Chart<'_, '_>,
    marks: &mut Marks,
    summary: &CampaignSummary<'_>,
    frame: &Frame<'_>,
) {
    let list: Vec<Name> = summary
        .merged()
        .map(|s| Name {
            at: chart.at(s.attempt.number as f64, s.estimate),
            text: s.attempt.title.clone(),
            weight: s.estimate / s.base,
        })
        .collect();
    let stairs: Vec<(f64, f64)> = staircase(summary, frame.x.end, |s| s.estimate)
        .into_iter()
        .map(|(x, y)| chart.at(x, y))
        .map(|(x, y)| (f64::from(x), f64::from(y)))
        .collect();
    let floor = |x: f64| {
        let step = stairs.iter().rev().find(|p| p.0 <= x);
        step.map_or(f64::MAX, |p| p.1)
    };
    let (from, to) = (
        chart.top_at(frame.x.start),
        chart.at(frame.x.end, frame.y.start),
    );
    let to = (to.0 + tenths(frame.room[1] * 0.5), to.1);
    let room = Room {
        from,
        to,
        font: frame.font,
        floor: &floor,
    };
    names(marks, list, &room);
}

/// Names of both lines at their right end.
pub(super) fn line_ends(
    chart: &Chart<'_, '_>,
    marks: &mut Marks,
    summary: &CampaignSummary<'_>,
    frame: &Frame<'_>,
    layout: Layout,
) {
    let word = |level: f64, what: &str| {
        let percent = gain(summary.gain_of(level));
        if layout.is_wide() {
            format!("{percent} {what}")
        } else {
            percent
        }
    };
    let end = chart.at(frame.x.end, summary.start).0;
    let mut list = vec![(
        chart.at(0.0, summary.proven()).1,
        Ink::Good,
        word(summary.proven(), "proven"),
    )];
    if summary.count(AttemptStatus::Merged) > 0 {
        list.push((
            chart.at(0.0, summary.estimate()).1,
            Ink::Muted,
            word(summary.estimate(), "estimated"),
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
