//! A series over its commits: the ratio to the anchor with its bounds, levels between changes, the
//! changes themselves, and where anchor or environment became others.

mod changes;

use std::fmt::Write as _;
use std::ops::Range;

use super::chart::{Chart, Frame, span};
use super::ink::Ink;
use super::labels::ends;
use super::marks::{Anchor, Marks};
use super::picture::{Area, Picture, PlotError, draw};
use super::units::{Layout, TENTHS, tenths};
use crate::error::ReportError;
use crate::format::gain;
use crate::nightly::{Column, Place, Shown, columns};
use changes::Changes;

/// Up to so many points each is a dot with its bounds; wide and narrow.
const MOST_DOTS: [usize; 2] = [500, 160];

/// Columns above that: each two pixels wide.
const COLUMNS: [usize; 2] = [400, 140];

/// Above this many dots they shrink.
const MANY: usize = 120;

/// Most shaded edges and most lines of anchors, the latest ones.
const MOST_LINES: usize = 40;

/// Pixels to the left and to the right of the chart.
const LEFT: f64 = 66.0;
const RIGHT: f64 = 70.0;

/// Bounds do not widen the scale by more than this share of the course's own height.
const MOST_BOUNDS: f64 = 0.6;

/// Least height of the scale, as a gain: noise does not fill a picture.
const LEAST_SPAN: f64 = 0.02;

/// A picture, and where its points are.
pub(crate) struct Drawn {
    pub(crate) picture: Picture,
    pub(crate) places: Vec<Place>,
    /// Whether the points were too many for one dot each.
    pub(crate) is_summed: bool,
}

pub(crate) fn picture(
    shown: &Shown<'_>,
    words: (&str, &str),
    layout: Layout,
) -> Result<Drawn, ReportError> {
    let plan = Plan::new(shown, layout);
    let mut places = Vec::new();
    let picture = draw("series", plan.size(), words, |area, marks| {
        places = plan.paint(area, marks)?;
        Ok(())
    })?;
    Ok(Drawn {
        picture,
        places,
        is_summed: plan.is_summed,
    })
}

struct Plan<'s, 'a> {
    shown: &'s Shown<'a>,
    layout: Layout,
    columns: Vec<Column>,
    is_summed: bool,
}

impl<'s, 'a> Plan<'s, 'a> {
    fn new(shown: &'s Shown<'a>, layout: Layout) -> Self {
        let index = usize::from(!layout.is_wide());
        let is_summed = shown.len() > MOST_DOTS[index];
        let most = if is_summed {
            COLUMNS[index]
        } else {
            shown.len()
        };
        Self {
            columns: columns(0..shown.len(), most, |i| shown.gain(i)),
            shown,
            layout,
            is_summed,
        }
    }

    fn size(&self) -> (u32, u32) {
        if self.layout.is_wide() {
            (960, 380)
        } else {
            (400, 380)
        }
    }

    fn paint(&self, area: &Area<'_>, marks: &mut Marks) -> Result<Vec<Place>, PlotError> {
        let font = self.layout.font();
        let day = |x: &f64| self.day(*x);
        let percent = |v: &f64| gain(*v);
        let is_wide = self.layout.is_wide();
        let right = f64::from(self.size().0) - RIGHT;
        let changes = Changes::new(self.shown, font, LEFT * TENTHS..right * TENTHS);
        let frame = Frame {
            x: 0.5..self.shown.len().max(1) as f64 + 0.5,
            y: self.y_range(),
            room: [34.0 + changes.room(), RIGHT, 44.0, LEFT],
            ticks: (self.shown.len().clamp(1, if is_wide { 8 } else { 2 }), 6),
            x_text: &day,
            y_text: &percent,
            y_name: "",
            x_name: "commit, oldest first, by its day",
            font,
        };
        let mut chart = Chart::new(area, marks, &frame)?;
        let name = if self.shown.has_anchor() {
            "throughput against the first anchor"
        } else {
            "throughput against the first commit"
        };
        let top_left = (tenths(4.0), tenths(font + 2.0));
        marks.text(Ink::Muted, top_left, Anchor::Start, font, name);
        self.environments(&mut chart, marks)?;
        changes.tints(&mut chart)?;
        chart.level(0.0, Ink::Axis, 1.2)?;
        if self.is_summed {
            self.bars(&chart, marks);
        } else {
            self.dots(&chart, marks);
        }
        self.levels(&chart, marks);
        changes.draw(&chart, marks);
        self.end(&chart, marks, &frame);
        Ok(self.places(&chart))
    }

    /// The day of the commit at a tick.
    fn day(&self, x: f64) -> String {
        let is_whole = (x - x.round()).abs() < 1e-6 && x >= 1.0;
        let i = x.round() as usize;
        if is_whole && i <= self.shown.len() {
            self.shown.date(i - 1).date()
        } else {
            String::new()
        }
    }

    fn y_range(&self) -> Range<f64> {
        let extend = |(low, high): (f64, f64), v: f64| (low.min(v), high.max(v));
        let values = self.columns.iter().flat_map(|c| [c.low, c.high]);
        let (low, high) = values.fold((0.0, 0.0), extend);
        let most = MOST_BOUNDS * (high - low).max(LEAST_SPAN);
        let bounds = (0..self.shown.len())
            .flat_map(|i| self.shown.bounds(i))
            .flatten();
        let bounds = bounds.map(|v| v.clamp(low - most, high + most));
        let with_bounds = bounds.fold((low, high), extend);
        let (low, high) = if self.is_summed {
            (low, high)
        } else {
            with_bounds
        };
        let range = span(low, high, LEAST_SPAN);
        let margin = 0.08 * (range.end - range.start);
        // Nothing is slower than -100 %.
        (range.start - margin).max(-1.0)..range.end + margin
    }

    /// A shaded edge where the environment became another, a dashed line where the anchor did.
    fn environments(&self, chart: &mut Chart<'_, '_>, marks: &mut Marks) -> Result<(), PlotError> {
        let points = &self.shown.series.points;
        let half = 0.006 * points.len() as f64;
        let edges = (1..points.len())
            .rev()
            .filter(|&i| points[i - 1].environment != points[i].environment);
        for i in edges.take(MOST_LINES) {
            let x = i as f64 + 0.5;
            chart.band(x - half.max(0.2)..x + half.max(0.2), Ink::Axis, 0.4)?;
        }
        let anchors = (1..points.len())
            .rev()
            .filter(|&i| points[i - 1].anchor != points[i].anchor);
        for i in anchors.take(MOST_LINES) {
            let (top, bottom) = chart.sides(i as f64 + 0.5);
            marks.dashed(
                Ink::Axis,
                &format!("M{} {}V{}", top.0, top.1, bottom.1),
                1.4,
            );
        }
        Ok(())
    }

    /// Each point with its bounds; hollow where it was not timed itself.
    fn dots(&self, chart: &Chart<'_, '_>, marks: &mut Marks) {
        let r = if self.columns.len() > MANY { 2.0 } else { 3.4 };
        let (mut whiskers, mut dots, mut hollow) = (String::new(), Vec::new(), Vec::new());
        for column in &self.columns {
            let i = column.points.start;
            let x = i as f64 + 1.0;
            if let [Some(low), Some(high)] = self.shown.bounds(i) {
                let (a, b) = (chart.inside(x, low), chart.inside(x, high));
                let _ = write!(whiskers, "M{} {}V{}", a.0, a.1, b.1);
            }
            let at = chart.at(x, column.median);
            dots.push(at);
            if self.shown.point(i).same_as.is_some() {
                hollow.push(at);
            }
        }
        marks.path(Ink::Axis, &whiskers, 1.2, "");
        marks.dots(Ink::Dot, &dots, r);
        marks.dots(Ink::Paper, &hollow, r - 1.2);
    }

    /// Lowest to highest of each column, and the course of their medians.
    fn bars(&self, chart: &Chart<'_, '_>, marks: &mut Marks) {
        let mut bars = String::new();
        for column in &self.columns {
            let x = column.middle() + 1.0;
            let (low, high) = (chart.at(x, column.low), chart.at(x, column.high));
            let _ = write!(bars, "M{} {}V{}", low.0, low.1, high.1);
        }
        marks.path(Ink::Axis, &bars, 1.6, "");
        let medians = self.columns.iter().map(|c| (c.middle() + 1.0, c.median));
        let course: Vec<String> = medians
            .map(|(x, y)| chart.at(x, y))
            .map(|at| format!("{} {}", at.0, at.1))
            .collect();
        marks.path(Ink::Dot, &format!("M{}", course.join("L")), 1.2, "");
    }

    /// The level between two changes: the median of its points that were timed.
    fn levels(&self, chart: &Chart<'_, '_>, marks: &mut Marks) {
        let findings = &self.shown.findings;
        let starts = std::iter::once(0).chain(findings.iter().map(|f| f.after));
        let ends = findings
            .iter()
            .map(|f| f.before + 1)
            .chain([self.shown.len()]);
        let mut path = String::new();
        for (start, end) in starts.zip(ends) {
            let timed = (start..end).filter(|&i| self.shown.point(i).same_as.is_none());
            let mut values: Vec<f64> = timed.filter_map(|i| self.shown.gain(i)).collect();
            values.sort_unstable_by(f64::total_cmp);
            if let Some(&level) = values.get(values.len() / 2) {
                let (from, to) = (start as f64 + 0.6, end as f64 + 0.4);
                let (from, to) = (chart.at(from, level), chart.at(to, level));
                // Writing to a String does not fail.
                let _ = write!(path, "M{} {}H{}", from.0, from.1, to.0);
            }
        }
        marks.path(Ink::Good, &path, 1.8, "");
    }

    /// The latest figure, at the right end.
    fn end(&self, chart: &Chart<'_, '_>, marks: &mut Marks, frame: &Frame<'_>) {
        let latest = self
            .shown
            .latest()
            .and_then(|i| Some((i, self.shown.gain(i)?)));
        if let Some((i, latest)) = latest {
            marks.dots(Ink::Text, &[chart.at(i as f64 + 1.0, latest)], 3.4);
            let at = chart.at(frame.x.end, latest);
            ends(
                marks,
                at.0,
                frame.font,
                vec![(at.1, Ink::Text, gain(latest))],
            );
        }
    }

    fn places(&self, chart: &Chart<'_, '_>) -> Vec<Place> {
        let place = |column: &Column| Place {
            at: chart.at(column.middle() + 1.0, column.median),
            points: column.points.clone(),
        };
        self.columns.iter().map(place).collect()
    }
}
