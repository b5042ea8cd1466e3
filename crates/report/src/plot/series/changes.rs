//! The changes of a series in its picture: a line for each, and names where there is room.

use std::ops::Range;

use outpace_track::{Finding, Standing};

use super::super::chart::Chart;
use super::super::ink::Ink;
use super::super::marks::{Anchor, Marks, text_width};
use super::super::picture::PlotError;
use super::super::units::{TENTHS, tenths};
use crate::nightly::{Shown, label};

/// Most changes that are drawn, the latest ones.
const MOST: usize = 40;

/// Most rows of names above the chart.
const MOST_ROWS: usize = 2;

/// Height of a row, in sizes of the font.
const ROW: f64 = 1.35;

/// Least room between two names, in drawing units.
const APART: f64 = 120.0;

/// From this urgency on a change has no name in the picture.
const UNNAMED: u8 = 4;

/// The changes that are drawn, each with the place of its name.
pub(super) struct Changes<'a> {
    font: f64,
    /// The most urgent ones first.
    all: Vec<Line<'a>>,
}

struct Line<'a> {
    finding: &'a Finding,
    /// Row above the chart, left end in drawing units, and text.
    name: Option<(usize, f64, String)>,
}

impl<'a> Changes<'a> {
    /// `chart` is from the left to the right side of the chart in drawing units; names may stand a
    /// little beyond.
    pub(super) fn new(shown: &Shown<'a>, font: f64, chart: Range<f64>) -> Self {
        let findings = &shown.findings;
        let mut drawn = findings[findings.len().saturating_sub(MOST)..].to_vec();
        drawn.sort_by_key(|f| (urgency(f.standing), std::cmp::Reverse(f.after)));
        let mut rows: [Vec<Range<f64>>; MOST_ROWS] = Default::default();
        let line = |finding: &'a Finding| {
            let name = if urgency(finding.standing) < UNNAMED {
                let share = (middle(finding) - 0.5) / shown.len() as f64;
                let x = chart.start + share * (chart.end - chart.start);
                place(&mut rows, label(finding, shown), font, x, &chart)
            } else {
                None
            };
            Line { finding, name }
        };
        let all = drawn.into_iter().map(line).collect();
        Self { font, all }
    }

    /// Height of the names in pixels.
    pub(super) fn room(&self) -> f64 {
        let rows = self
            .all
            .iter()
            .filter_map(|line| Some(line.name.as_ref()?.0 + 1));
        rows.max().unwrap_or(0) as f64 * ROW * self.font
    }

    /// Where several commits lie between, all of them are tinted: it may be any of them.
    pub(super) fn tints(&self, chart: &mut Chart<'_, '_>) -> Result<(), PlotError> {
        let findings = self.all.iter().map(|line| line.finding);
        for finding in findings.filter(|f| f.after - f.before > 1) {
            let range = finding.before as f64 + 1.0..finding.after as f64 + 1.0;
            chart.band(range, ink(finding.standing), 0.12)?;
        }
        Ok(())
    }

    pub(super) fn draw(&self, chart: &Chart<'_, '_>, marks: &mut Marks) {
        for line in &self.all {
            let (top, bottom) = chart.sides(middle(line.finding));
            let ink = ink(line.finding.standing);
            let row = line.name.as_ref().map(|(row, ..)| *row as f64);
            let up = row.map_or(0, |row| tenths(self.font * (0.2 + ROW * row)));
            let path = format!("M{} {}V{}", top.0, top.1 - up, bottom.1);
            if is_dashed(line.finding.standing) {
                marks.dashed(ink, &path, 1.4);
            } else {
                marks.path(ink, &path, 1.6, "");
            }
            if let Some((_, start, text)) = &line.name {
                let at = (*start as i32, top.1 - up - tenths(self.font * 0.25));
                marks.text(ink, at, Anchor::Start, self.font, text);
            }
        }
    }
}

/// Finds room for a name around an x: the lowest row in which it touches no other.
fn place(
    rows: &mut [Vec<Range<f64>>; MOST_ROWS],
    text: String,
    font: f64,
    x: f64,
    chart: &Range<f64>,
) -> Option<(usize, f64, String)> {
    let width = text_width(&text, font);
    let right = chart.end + 60.0 * TENTHS;
    let start = (x - width / 2.0).min(right - width).max(chart.start);
    let wanted = start..start + width;
    let is_free =
        |taken: &Range<f64>| taken.end + APART <= wanted.start || taken.start >= wanted.end + APART;
    let row = rows.iter().position(|row| row.iter().all(is_free))?;
    rows[row].push(wanted);
    Some((row, start, text))
}

/// Where its line stands: between its commits.
fn middle(finding: &Finding) -> f64 {
    (finding.before + finding.after) as f64 / 2.0 + 1.0
}

fn urgency(standing: Standing) -> u8 {
    match standing {
        Standing::Regression => 0,
        Standing::Unconfirmed | Standing::Found | Standing::Unmeasurable => 1,
        Standing::Faster => 2,
        Standing::Accepted | Standing::Mended => 3,
        Standing::Small | Standing::NotProven => UNNAMED,
    }
}

fn ink(standing: Standing) -> Ink {
    match standing {
        Standing::Regression => Ink::Bad,
        Standing::Unconfirmed | Standing::Found | Standing::Unmeasurable => Ink::Need,
        Standing::Faster => Ink::Good,
        Standing::Accepted | Standing::Mended => Ink::Muted,
        Standing::Small | Standing::NotProven => Ink::Axis,
    }
}

fn is_dashed(standing: Standing) -> bool {
    matches!(
        standing,
        Standing::Accepted | Standing::Mended | Standing::Small | Standing::NotProven
    )
}
