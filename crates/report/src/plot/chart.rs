//! One chart: a frame with ticks, and the lines inside it.

use std::ops::Range;

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::types::RangedCoordf64;
use plotters::element::{PathElement, Polygon, Rectangle};
use plotters::prelude::{Cartesian2d, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, ShapeStyle, TextStyle};

use super::ink::Ink;
use super::marks::{Anchor, At, Marks};
use super::picture::{Area, PlotError};
use super::units::{TENTHS, tenths};
use crate::format::count;

/// plotters divides each font size by this before it writes it.
const FONT_FACTOR: f64 = 1.24;

/// What a chart looks like before anything is in it. Lengths are in pixels.
pub(crate) struct Frame<'f> {
    /// Values to the right.
    pub(crate) x: Range<f64>,
    /// Values upwards.
    pub(crate) y: Range<f64>,
    /// Room above, right, below and left of the lines.
    pub(crate) room: [f64; 4],
    /// Most ticks of x and y.
    pub(crate) ticks: (usize, usize),
    /// Words at the ticks. An empty one leaves the tick without a label.
    pub(crate) x_text: &'f dyn Fn(&f64) -> String,
    pub(crate) y_text: &'f dyn Fn(&f64) -> String,
    /// What is counted upwards, written above the axis unless it is empty.
    pub(crate) y_name: &'f str,
    /// What is counted to the right, written below the axis.
    pub(crate) x_name: &'f str,
    /// Size of the words.
    pub(crate) font: f64,
}

/// A chart with its frame drawn.
pub(crate) struct Chart<'a, 'b> {
    context: ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>,
    x: Range<f64>,
    y: Range<f64>,
}

impl<'a, 'b> Chart<'a, 'b> {
    /// Draws the frame.
    pub(crate) fn new(
        area: &'a Area<'b>,
        marks: &mut Marks,
        frame: &Frame<'_>,
    ) -> Result<Self, PlotError> {
        let [top, right, below, left] = frame.room.map(tenths);
        let mut context = ChartBuilder::on(area)
            .margin_top(top)
            .margin_right(right)
            .x_label_area_size(below)
            .y_label_area_size(left)
            .build_cartesian_2d(frame.x.clone(), frame.y.clone())?;
        let font = ("sans-serif", frame.font * FONT_FACTOR * TENTHS).into_font();
        let muted = Ink::Muted.colour();
        let label = TextStyle::from(font).color(&muted);
        context
            .configure_mesh()
            .disable_x_mesh()
            .max_light_lines(0)
            .bold_line_style(line(Ink::Grid, 1.0))
            .axis_style(line(Ink::Axis, 1.0))
            .set_all_tick_mark_size(tenths(4.0))
            .x_labels(frame.ticks.0)
            .y_labels(frame.ticks.1)
            .x_label_style(label.clone().pos(Pos::new(HPos::Center, VPos::Top)))
            .y_label_style(label.pos(Pos::new(HPos::Right, VPos::Center)))
            .x_label_formatter(frame.x_text)
            .y_label_formatter(frame.y_text)
            .draw()?;
        let chart = Self {
            context,
            x: frame.x.clone(),
            y: frame.y.clone(),
        };
        chart.name_axes(marks, frame);
        Ok(chart)
    }

    fn name_axes(&self, marks: &mut Marks, frame: &Frame<'_>) {
        let (left, top) = self.at(self.x.start, self.y.end);
        let (right, bottom) = self.at(self.x.end, self.y.start);
        let (above, below) = (
            top - tenths(8.0),
            bottom + tenths(frame.room[2]) - tenths(4.0),
        );
        let names_left = left - tenths(frame.room[3]) + tenths(4.0);
        if !frame.y_name.is_empty() {
            marks.text(
                Ink::Muted,
                (names_left, above),
                Anchor::Start,
                frame.font,
                frame.y_name,
            );
        }
        marks.text(
            Ink::Muted,
            ((left + right) / 2, below),
            Anchor::Middle,
            frame.font,
            frame.x_name,
        );
    }

    /// A tick of the axis below with its words, for a scale whose ticks plotters does not know.
    pub(crate) fn tick_below(&self, marks: &mut Marks, x: f64, font: f64, text: &str) {
        let (x, y) = self.at(x, self.y.start);
        let length = tenths(4.0);
        marks.path(Ink::Axis, &format!("M{x} {y}v{length}"), 1.0, "");
        let at = (x, y + length + tenths(1.15 * font));
        marks.text(Ink::Muted, at, Anchor::Middle, font, text);
    }

    /// Where a value lies in the drawing.
    pub(crate) fn at(&self, x: f64, y: f64) -> At {
        self.context.backend_coord(&(x, y))
    }

    /// A line through points.
    pub(crate) fn line(
        &mut self,
        points: Vec<(f64, f64)>,
        ink: Ink,
        width: f64,
    ) -> Result<(), PlotError> {
        self.context
            .draw_series([PathElement::new(points, line(ink, width))])
            .map(drop)
    }

    /// The same, moved to the nearer side where it lies above or below the chart.
    pub(crate) fn inside(&self, x: f64, y: f64) -> At {
        self.at(x, y.clamp(self.y.start, self.y.end))
    }

    /// The upper and the lower side of the chart at an x.
    pub(crate) fn sides(&self, x: f64) -> (At, At) {
        (self.at(x, self.y.end), self.at(x, self.y.start))
    }

    /// A horizontal line over the whole width.
    pub(crate) fn level(&mut self, y: f64, ink: Ink, width: f64) -> Result<(), PlotError> {
        self.line(vec![(self.x.start, y), (self.x.end, y)], ink, width)
    }

    /// The same, dashed.
    pub(crate) fn dashed_level(&self, marks: &mut Marks, y: f64, ink: Ink) {
        let (from, to) = (self.at(self.x.start, y), self.at(self.x.end, y));
        marks.dashed(ink, &format!("M{} {}H{}", from.0, from.1, to.0), 1.2);
    }

    /// A tinted polygon.
    pub(crate) fn tint(
        &mut self,
        points: Vec<(f64, f64)>,
        ink: Ink,
        opacity: f64,
    ) -> Result<(), PlotError> {
        self.context
            .draw_series([Polygon::new(points, ink.colour().mix(opacity))])
            .map(drop)
    }

    /// A tinted band between two values of x, over the whole height.
    pub(crate) fn band(&mut self, x: Range<f64>, ink: Ink, opacity: f64) -> Result<(), PlotError> {
        let corners = [(x.start, self.y.start), (x.end, self.y.end)];
        self.context
            .draw_series([Rectangle::new(corners, ink.colour().mix(opacity).filled())])
            .map(drop)
    }

    /// Where an x lies, whatever its y.
    pub(crate) fn top_at(&self, x: f64) -> At {
        self.at(x, self.y.end)
    }
}

fn line(ink: Ink, width: f64) -> ShapeStyle {
    ink.colour().stroke_width(tenths(width) as u32)
}

/// Widens an empty range, so that a scale always has two ends.
pub(crate) fn span(low: f64, high: f64, least: f64) -> Range<f64> {
    let missing = (least - (high - low)).max(0.0);
    low - missing / 2.0..high + missing / 2.0
}

/// Labels of whole numbers only.
pub(crate) fn whole(value: &f64) -> String {
    if (value - value.round()).abs() < 1e-6 {
        count(value.round())
    } else {
        String::new()
    }
}
