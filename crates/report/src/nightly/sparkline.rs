//! The small picture of a row: the gain over commits, the slowdowns that are still there as lines.

use std::fmt::Write as _;
use std::ops::Range;

use super::shown::State;
use super::{Shown, columns};
use crate::format;
use crate::text::xml;

/// Most points of one.
const MOST_POINTS: usize = 100;

/// Least height of the scale, as a gain: noise does not fill a picture.
const LEAST_SPAN: f64 = 0.03;

/// Size of the drawing.
const WIDTH: f64 = 280.0;
const HEIGHT: f64 = 56.0;

/// Room around the line for its dot.
const ROOM: f64 = 6.0;

/// The picture of some points of a series.
pub(super) fn sparkline(shown: &Shown<'_>, points: Range<usize>) -> String {
    let columns = columns(points.clone(), MOST_POINTS, |i| shown.gain(i));
    let Some(last) = columns.last() else {
        return String::new();
    };
    let medians = columns.iter().map(|c| c.median);
    let (low, high) = medians.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    let missing = (LEAST_SPAN - (high - low)).max(0.0);
    let (bottom, span) = (low - missing / 2.0, high - low + missing);
    let steps = (points.len().max(2) - 1) as f64;
    let x = |i: f64| ROOM + (WIDTH - 2.0 * ROOM) * (i - points.start as f64) / steps;
    let y = |gain: f64| HEIGHT - ROOM - (HEIGHT - 2.0 * ROOM) * (gain - bottom) / span;
    let mut out = format!(
        "<svg class=\"spark\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        xml(&label(low, high, last.median), 200)
    );
    for finding in shown.open().filter(|f| points.contains(&f.after)) {
        let class = State::of(finding.standing).class();
        let at = x((finding.before + finding.after) as f64 / 2.0).max(0.0);
        // Writing to a String does not fail.
        let _ = write!(
            out,
            "<path class=\"at-{class}\" d=\"M{at:.0} 0V{HEIGHT}\"/>"
        );
    }
    out.push_str("<path class=\"course\" d=\"");
    for (i, column) in columns.iter().enumerate() {
        let letter = if i == 0 {
            "M"
        } else if i == 1 {
            "L"
        } else {
            " "
        };
        let _ = write!(
            out,
            "{letter}{:.0} {:.0}",
            x(column.middle()),
            y(column.median)
        );
    }
    let _ = write!(
        out,
        "\"/><circle class=\"now\" cx=\"{:.0}\" cy=\"{:.0}\" r=\"4\"/></svg>",
        x(last.middle()),
        y(last.median)
    );
    out
}

fn label(low: f64, high: f64, last: f64) -> String {
    format!(
        "between {} and {}, now {}",
        format::gain(low),
        format::gain(high),
        format::gain(last)
    )
}
