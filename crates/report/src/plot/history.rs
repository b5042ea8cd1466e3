//! Throughput over commits: each run against the first of its machine class. A change of the
//! machine is a shaded edge.

use std::ops::Range;

use outpace_record::Run;
use outpace_text::{plain, short};

use super::chart::{Chart, Frame, span};
use super::ink::Ink;
use super::labels::ends;
use super::marks::{Anchor, Marks};
use super::picture::{Area, Picture, PlotError, draw};
use super::units::{Layout, tenths};
use crate::captions;
use crate::error::ReportError;
use crate::format::{count, gain, share};
use crate::history::{Point, points};
use crate::text::NAME;

/// Widest whisker as a standard deviation of the logarithm; a wider one would flatten the rest.
const WIDEST: f64 = 1.0;

/// Longest commit below a tick.
const TICK: usize = 9;

/// Above this many machine changes their names are left out: they would touch.
const NAMED_CHANGES: usize = 2;

/// Above this many runs the dots shrink.
const MANY: usize = 100;

pub(crate) fn picture(
    runs: &[Run],
    workload: &str,
    layout: Layout,
) -> Result<Picture, ReportError> {
    let points = points(runs, workload);
    let size = if layout.is_wide() {
        (960, 320)
    } else {
        (400, 340)
    };
    let title = format!("Throughput of {} over commits", plain(workload, NAME));
    let description = captions::history(&points).join(" ");
    draw("history", size, (&title, &description), |area, marks| {
        paint(area, marks, &points, layout)
    })
}

fn paint(
    area: &Area<'_>,
    marks: &mut Marks,
    points: &[Point<'_>],
    layout: Layout,
) -> Result<(), PlotError> {
    let commit = |x: &f64| tick_commit(points, *x);
    let percent = |v: &f64| gain(*v);
    let frame = Frame {
        x_text: &commit,
        y_text: &percent,
        ..frame(points, layout)
    };
    let mut chart = Chart::new(area, marks, &frame)?;
    machine_changes(&mut chart, marks, points, frame.font)?;
    chart.level(0.0, Ink::Muted, 1.2)?;
    segments(&mut chart, points)?;
    dots(&chart, marks, points);
    if let Some(last) = points.last() {
        let end = chart.at(frame.x.end, last.gain);
        let label = (end.1, Ink::Good, gain(last.gain));
        ends(marks, end.0, frame.font, vec![label]);
    }
    Ok(())
}

/// The frame, still without words at its ticks.
fn frame(points: &[Point<'_>], layout: Layout) -> Frame<'static> {
    let is_wide = layout.is_wide();
    let above = if is_named(points) { 52.0 } else { 30.0 };
    let most_ticks = if is_wide { 10 } else { 2 };
    Frame {
        x: 0.5..points.len().max(1) as f64 + 0.5,
        y: y_range(points),
        room: [above, if is_wide { 76.0 } else { 66.0 }, 44.0, 66.0],
        ticks: (points.len().clamp(1, most_ticks), 6),
        x_text: &|_: &f64| String::new(),
        y_text: &|_: &f64| String::new(),
        y_name: if is_wide {
            "throughput against the first run on the same machine class"
        } else {
            "against the first run"
        },
        x_name: "commit, oldest first",
        font: layout.font(),
    }
}

fn y_range(points: &[Point<'_>]) -> Range<f64> {
    let ends = points.iter().flat_map(whisker);
    let (low, high) = ends.fold((0.0, 0.0), |(l, h): (f64, f64), v| (l.min(v), h.max(v)));
    let range = span(low, high, 0.02);
    let margin = 0.1 * (range.end - range.start);
    // Nothing is slower than -100 %.
    (range.start - margin).max(-1.0)..range.end + margin
}

/// Both ends of the whisker as gains. The spread is that of a logarithm, so the lower end stays
/// above -100 %. A spread that is not a positive figure is not drawn.
fn whisker(point: &Point<'_>) -> [f64; 2] {
    let sd = point.run.process_sd;
    let sd = if sd.is_finite() && sd > 0.0 {
        sd.min(WIDEST)
    } else {
        0.0
    };
    [-sd, sd].map(|sd| (1.0 + point.gain) * sd.exp() - 1.0)
}

fn tick_commit(points: &[Point<'_>], x: f64) -> String {
    let is_whole = (x - x.round()).abs() < 1e-6 && x >= 1.0;
    let point = is_whole
        .then(|| points.get(x.round() as usize - 1))
        .flatten();
    point.map_or_else(String::new, |p| plain(short(&p.run.commit), TICK))
}

/// Lines connect runs of one machine class only.
fn segments(chart: &mut Chart<'_, '_>, points: &[Point<'_>]) -> Result<(), PlotError> {
    let mut segment = Vec::new();
    for (i, point) in points.iter().enumerate() {
        if point.is_new_machine {
            chart.line(std::mem::take(&mut segment), Ink::Good, 1.6)?;
        }
        segment.push(((i + 1) as f64, point.gain));
    }
    chart.line(segment, Ink::Good, 1.6)
}

fn dots(chart: &Chart<'_, '_>, marks: &mut Marks, points: &[Point<'_>]) {
    let r = if points.len() > MANY { 2.0 } else { 3.6 };
    for (i, point) in points.iter().enumerate() {
        let (run, x) = (point.run, (i + 1) as f64);
        let [low, high] = whisker(point).map(|gain| chart.at(x, gain));
        marks.path(
            Ink::Good,
            &format!("M{} {}V{}", low.0, low.1, high.1),
            1.2,
            "",
        );
        let speed = run
            .tokens_per_s
            .map_or_else(String::new, |t| format!(", {} tokens/s", count(t)));
        let hover = format!(
            "{} {}: {}{speed}, spread {} between processes",
            plain(short(&run.commit), NAME),
            plain(&run.summary, 80),
            gain(point.gain),
            share(run.process_sd)
        );
        marks.dot(Ink::Good, chart.at(x, point.gain), r, &hover);
    }
}

/// Whether the names of new machines are drawn.
fn is_named(points: &[Point<'_>]) -> bool {
    (1..=NAMED_CHANGES).contains(&points.iter().filter(|p| p.is_new_machine).count())
}

/// A shaded edge where the machine class changes, with the name of the new one.
fn machine_changes(
    chart: &mut Chart<'_, '_>,
    marks: &mut Marks,
    points: &[Point<'_>],
    font: f64,
) -> Result<(), PlotError> {
    let changes: Vec<usize> = (0..points.len())
        .filter(|&i| points[i].is_new_machine)
        .collect();
    for &i in &changes {
        let x = i as f64 + 0.5;
        chart.band(x - 0.2..x + 0.2, Ink::Axis, 0.35)?;
        if is_named(points) {
            let at = chart.top_at(x);
            let name = format!("now on {}", plain(&points[i].run.machine_class, 28));
            let anchor = if i * 2 < points.len() {
                Anchor::Start
            } else {
                Anchor::End
            };
            marks.text(
                Ink::Need,
                (at.0, at.1 - tenths(font * 2.1)),
                anchor,
                font,
                &name,
            );
        }
    }
    Ok(())
}
