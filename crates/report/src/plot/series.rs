//! A series over its commits: the ratio to the anchor with its bounds, levels between changes, the
//! changes themselves, and where anchor or environment became others.

use std::ops::Range;

use outpace_track::{Finding, Standing};

use super::chart::{Chart, Frame, span};
use super::ink::Ink;
use super::labels::ends;
use super::marks::{Anchor, Marks, text_width};
use super::picture::{Area, Picture, PlotError, draw};
use super::units::{Layout, tenths};
use crate::error::ReportError;
use crate::format::gain;
use crate::nightly::{Column, Place, Shown, columns, label};

/// Up to so many points each is a dot with its bounds; wide and narrow.
const MOST_DOTS: [usize; 2] = [500, 160];

/// Columns above that: each two pixels wide.
const COLUMNS: [usize; 2] = [400, 140];

/// Above this many dots they shrink.
const MANY: usize = 120;

/// Most changes and most other marks that are drawn, the latest ones.
const MOST_LINES: usize = 40;

/// Rows of names above the chart.
const NAME_ROWS: usize = 2;

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
        let names = NAME_ROWS as f64 * font * 1.35;
        let frame = Frame {
            x: 0.5..self.shown.len().max(1) as f64 + 0.5,
            y: self.y_range(),
            room: [34.0 + names, 70.0, 44.0, 66.0],
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
        self.places_of_changes(&mut chart)?;
        chart.level(0.0, Ink::Axis, 1.2)?;
        if self.is_summed {
            self.bars(&mut chart, marks)?;
        } else {
            self.dots(&chart, marks);
        }
        self.levels(&mut chart)?;
        self.changes(&chart, marks, font);
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

    /// Those changes that are drawn, the latest ones.
    fn drawn(&self) -> &[&'a Finding] {
        let findings = &self.shown.findings;
        &findings[findings.len().saturating_sub(MOST_LINES)..]
    }

    /// Where several commits lie between, all of them are tinted: it may be any of them.
    fn places_of_changes(&self, chart: &mut Chart<'_, '_>) -> Result<(), PlotError> {
        for finding in self.drawn().iter().filter(|f| f.after - f.before > 1) {
            let range = finding.before as f64 + 1.0..finding.after as f64 + 1.0;
            chart.band(range, ink(finding.standing), 0.12)?;
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
                whiskers.push_str(&format!("M{} {}V{}", a.0, a.1, b.1));
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
    fn bars(&self, chart: &mut Chart<'_, '_>, marks: &mut Marks) -> Result<(), PlotError> {
        let mut bars = String::new();
        for column in &self.columns {
            let x = column.middle() + 1.0;
            let (low, high) = (chart.at(x, column.low), chart.at(x, column.high));
            bars.push_str(&format!("M{} {}V{}", low.0, low.1, high.1));
        }
        marks.path(Ink::Axis, &bars, 1.6, "");
        let medians = self.columns.iter().map(|c| (c.middle() + 1.0, c.median));
        let course: Vec<String> = medians
            .map(|(x, y)| chart.at(x, y))
            .map(|at| format!("{} {}", at.0, at.1))
            .collect();
        marks.path(Ink::Dot, &format!("M{}", course.join("L")), 1.2, "");
        Ok(())
    }

    /// The level between two changes: the median of its points that were timed.
    fn levels(&self, chart: &mut Chart<'_, '_>) -> Result<(), PlotError> {
        let n = self.shown.len();
        let starts = self.shown.findings.iter().map(|f| f.after);
        let starts: Vec<usize> = std::iter::once(0).chain(starts).collect();
        for (k, &start) in starts.iter().enumerate() {
            let end = starts.get(k + 1).map_or(n, |&next| next.max(start));
            let timed = (start..end).filter(|&i| self.shown.point(i).same_as.is_none());
            let mut values: Vec<f64> = timed.filter_map(|i| self.shown.gain(i)).collect();
            values.sort_unstable_by(f64::total_cmp);
            if let Some(&level) = values.get(values.len() / 2) {
                let line = vec![(start as f64 + 0.6, level), (end as f64 + 0.4, level)];
                chart.line(line, Ink::Good, 1.6)?;
            }
        }
        Ok(())
    }

    /// A line for each change, and the names of those that have room, the most urgent first.
    fn changes(&self, chart: &Chart<'_, '_>, marks: &mut Marks, font: f64) {
        let mut drawn = self.drawn().to_vec();
        drawn.sort_by_key(|f| (urgency(f.standing), std::cmp::Reverse(f.after)));
        let mut rows: [Vec<Range<f64>>; NAME_ROWS] = Default::default();
        let (left, right) = (chart.sides(0.5).0.0, chart.right_end().0 + tenths(60.0));
        for finding in drawn {
            let x = (finding.before + finding.after) as f64 / 2.0 + 1.0;
            let (top, bottom) = chart.sides(x);
            let is_named = urgency(finding.standing) < UNNAMED;
            let text = label(finding, self.shown);
            let width = text_width(&text, font);
            let start = (f64::from(top.0) - width / 2.0)
                .min(f64::from(right) - width)
                .max(f64::from(left));
            let wanted = start - 60.0..start + width + 60.0;
            let is_free = |row: &Vec<Range<f64>>| {
                row.iter()
                    .all(|r| r.end <= wanted.start || r.start >= wanted.end)
            };
            let row = if is_named {
                rows.iter().position(is_free)
            } else {
                None
            };
            let up = row.map_or(0, |row| tenths(font * (0.2 + 1.35 * row as f64)));
            let line = format!("M{} {}V{}", top.0, top.1 - up, bottom.1);
            if is_dashed(finding.standing) {
                marks.dashed(ink(finding.standing), &line, 1.4);
            } else {
                marks.path(ink(finding.standing), &line, 1.6, "");
            }
            if let Some(row) = row {
                rows[row].push(wanted);
                let at = (start as i32, top.1 - up - tenths(font * 0.25));
                marks.text(ink(finding.standing), at, Anchor::Start, font, &text);
            }
        }
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

/// From this on a change has no name in the picture.
const UNNAMED: u8 = 4;

fn urgency(standing: Standing) -> u8 {
    match standing {
        Standing::Regression => 0,
        Standing::Unconfirmed | Standing::Found | Standing::Unmeasurable => 1,
        Standing::Faster => 2,
        Standing::Accepted => 3,
        Standing::Small | Standing::NotProven => UNNAMED,
    }
}

fn ink(standing: Standing) -> Ink {
    match standing {
        Standing::Regression => Ink::Bad,
        Standing::Unconfirmed | Standing::Found | Standing::Unmeasurable => Ink::Need,
        Standing::Faster => Ink::Good,
        Standing::Accepted => Ink::Muted,
        Standing::Small | Standing::NotProven => Ink::Axis,
    }
}

fn is_dashed(standing: Standing) -> bool {
    matches!(
        standing,
        Standing::Accepted | Standing::Small | Standing::NotProven
    )
}
