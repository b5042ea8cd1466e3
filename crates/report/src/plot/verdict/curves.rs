//! The loss curves of all seeds, the target, and where the median run of each side meets it.

use std::f64::consts::LN_10;
use std::ops::Range;

use outpace_record::{LossCurve, SeedRun, Verdict};

use super::super::chart::{Chart, Frame, span};
use super::super::ink::Ink;
use super::super::labels::ends;
use super::super::marks::Marks;
use super::super::picture::{Area, PlotError};
use super::super::units::tenths;
use super::panel::{FONT, ROOM};
use super::samples::MOST_SEEDS;
use crate::format::{count, figure};
use crate::seeds::{End, Seed, seeds};

/// The curves begin at this share of the steps to the target: what comes before is steep, and would
/// leave the crossing no room.
const FROM: f64 = 0.2;

/// Points of all curves together. A picture of this size shows no more.
const MOST_POINTS: usize = 5000;

/// Lines of more seeds than this are thinner.
const MANY: usize = 30;

/// A loss above this is no loss in nats, and would ruin the scale.
const LARGEST: f64 = 1e6;

/// Most ticks of the axis of steps.
const MOST_TICKS: usize = 6;

/// Ticks between two powers of ten, the finest first.
const TICKS: [&[f64]; 3] = [
    &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
    &[1.0, 2.0, 5.0],
    &[1.0],
];

/// A point of a curve: ln of the steps, and the loss.
type Point = (f64, f64);

/// A side of all seeds.
struct Side {
    name: &'static str,
    ink: Ink,
    curve: fn(&SeedRun) -> &LossCurve,
    end: fn(&Seed) -> End,
}

const SIDES: [Side; 2] = [
    Side {
        name: "base",
        ink: Ink::Dot,
        curve: |run| &run.base,
        end: |seed| seed.base,
    },
    Side {
        name: "candidate",
        ink: Ink::Good,
        curve: |run| &run.candidate,
        end: |seed| seed.candidate,
    },
];

pub(super) fn paint(
    area: &Area<'_>,
    marks: &mut Marks,
    verdict: &Verdict,
) -> Result<(), PlotError> {
    let seeds = seeds(verdict);
    let target = verdict.target.map(|of| of.target_loss);
    let target = target.filter(|loss| loss.abs() < LARGEST);
    let medians = verdict.steps_to_loss();
    let x = steps_range(verdict, medians);
    let y = loss_range(verdict, &seeds, target, &x);
    let frame = Frame {
        x: x.clone(),
        y: y.clone(),
        room: ROOM,
        // Those of plotters do not know that the scale is logarithmic.
        ticks: (0, 6),
        x_text: &|_| String::new(),
        y_text: &|v| figure((v * 1e6).round() / 1e6),
        y_name: "validation loss in nats, a line each run",
        x_name: "steps",
        font: FONT,
    };
    let mut chart = Chart::new(area, marks, &frame)?;
    for steps in ticks(&x) {
        chart.tick_below(marks, steps.ln(), FONT, &count(steps));
    }
    lines(&mut chart, verdict, &x, &y)?;
    unreached(&chart, marks, verdict, &seeds, (&x, &y));
    if let Some(target) = target {
        crossings(&chart, marks, target, medians);
    }
    name(&chart, marks, &frame, target, medians);
    Ok(())
}

/// From a fifth of the steps to the target, as ln of the steps, to the end of the longest run.
fn steps_range(verdict: &Verdict, medians: [Option<f64>; 2]) -> Range<f64> {
    let runs = verdict.runs.iter().take(MOST_SEEDS);
    let curves = runs.flat_map(|run| [&run.base, &run.candidate]);
    let steps = curves.flat_map(points).map(|point| point.0);
    let ends = (f64::INFINITY, f64::NEG_INFINITY);
    let (first, last) = steps.fold(ends, |(low, high), v| (low.min(v), high.max(v)));
    let crossings = medians.iter().flatten();
    let crossing = crossings.fold(f64::INFINITY, |low, v| low.min(*v));
    let from = match crossing.is_finite() {
        true => first.max((FROM * crossing).ln()),
        false => first,
    };
    if from < last { from..last } else { 0.0..1.0 }
}

/// The losses of runs that came to the target, and the target: one that did not may lie anywhere.
/// Where none came there, those of all.
fn loss_range(
    verdict: &Verdict,
    seeds: &[Seed],
    target: Option<f64>,
    x: &Range<f64>,
) -> Range<f64> {
    let ends = seeds.iter().flat_map(|seed| [seed.base, seed.candidate]);
    let none = ends.clone().all(|end| end.steps().is_none());
    let curves = verdict
        .runs
        .iter()
        .flat_map(|run| [&run.base, &run.candidate]);
    let shown = curves
        .zip(ends)
        .filter(|(_, end)| none || end.steps().is_some());
    let points = shown.flat_map(|(curve, _)| points(curve));
    let losses = points.filter(|p| p.0 >= x.start).map(|p| p.1).chain(target);
    let ends = (f64::INFINITY, f64::NEG_INFINITY);
    let (low, high) = losses.fold(ends, |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return 0.0..1.0;
    }
    let range = span(low, high, 1e-3 * low.abs().max(1e-3));
    let margin = 0.04 * (range.end - range.start);
    range.start - margin..range.end + margin
}

/// Points that a scale can hold.
fn points(curve: &LossCurve) -> Vec<Point> {
    let points = curve.points().into_iter();
    points
        .filter(|(steps, loss)| *steps > 0 && loss.abs() < LARGEST)
        .map(|(steps, loss)| ((steps as f64).ln(), loss))
        .collect()
}

/// Every run as a line, both sides in turn, so that neither hides the other. What is above the
/// picture runs along its edge.
fn lines(
    chart: &mut Chart<'_, '_>,
    verdict: &Verdict,
    x: &Range<f64>,
    y: &Range<f64>,
) -> Result<(), PlotError> {
    let runs = verdict.runs.len().clamp(1, MOST_SEEDS);
    let most = MOST_POINTS / (SIDES.len() * runs);
    let width = if runs > MANY { 0.5 } else { 0.9 };
    for run in verdict.runs.iter().take(MOST_SEEDS) {
        for side in &SIDES {
            let points = points((side.curve)(run)).into_iter();
            let points = points.filter(|p| p.0 >= x.start);
            let line: Vec<Point> = points.map(|p| (p.0, p.1.clamp(y.start, y.end))).collect();
            chart.line(thin(&line, most), side.ink, width)?;
        }
    }
    Ok(())
}

/// Every n-th point, and the last one.
fn thin(line: &[Point], most: usize) -> Vec<Point> {
    let every = line.len().div_ceil(most.max(1)).max(1);
    let last = line.len().saturating_sub(1);
    let kept = line.iter().enumerate();
    kept.filter(|(i, _)| i % every == 0 || *i == last)
        .map(|(_, point)| *point)
        .collect()
}

/// A cross at the end of each run that did not come to the target.
fn unreached(
    chart: &Chart<'_, '_>,
    marks: &mut Marks,
    verdict: &Verdict,
    seeds: &[Seed],
    (x, y): (&Range<f64>, &Range<f64>),
) {
    for (seed, run) in seeds.iter().zip(&verdict.runs).take(MOST_SEEDS) {
        for side in &SIDES {
            let last = points((side.curve)(run)).last().copied();
            let last = last.filter(|p| p.0 >= x.start);
            if let (None, Some((steps, loss))) = ((side.end)(seed).steps(), last) {
                let at = chart.at(steps, loss.clamp(y.start, y.end));
                let hover = format!("{} of {}", side.name, seed.text());
                marks.cross(side.ink, at, 3.2, &hover);
            }
        }
    }
}

/// The target, and the median steps of each side to it.
fn crossings(chart: &Chart<'_, '_>, marks: &mut Marks, target: f64, medians: [Option<f64>; 2]) {
    chart.dashed_level(marks, target, Ink::Need);
    for (side, median) in SIDES.iter().zip(medians) {
        if let Some(steps) = median {
            let (at, below) = (chart.at(steps.ln(), target), chart.sides(steps.ln()).1);
            marks.path(
                side.ink,
                &format!("M{} {}V{}", at.0, at.1, below.1),
                1.2,
                "",
            );
            let steps = count(steps.round());
            marks.dot(
                side.ink,
                at,
                3.6,
                &format!("{}: {steps} steps at the median", side.name),
            );
        }
    }
}

/// Words at the right: a legend above, where no curve ends, and the target at its line.
fn name(
    chart: &Chart<'_, '_>,
    marks: &mut Marks,
    frame: &Frame<'_>,
    target: Option<f64>,
    medians: [Option<f64>; 2],
) {
    let (x, top) = chart.top_at(frame.x.end);
    let mut words = vec![(top + tenths(4.0), Ink::Muted, "median steps".to_owned())];
    for (side, median) in SIDES.iter().zip(medians) {
        let steps = median.map_or_else(|| "none".to_owned(), |steps| count(steps.round()));
        let ink = match side.ink {
            Ink::Dot => Ink::Muted,
            ink => ink,
        };
        words.push((top + tenths(5.0), ink, format!("{} {steps}", side.name)));
    }
    if let Some(target) = target {
        let y = chart.at(frame.x.start, target).1;
        words.push((y, Ink::Need, format!("target {}", figure(target))));
    }
    ends(marks, x, FONT, words);
}

/// Round numbers of steps for a logarithmic scale, given as ln of the steps.
fn ticks(x: &Range<f64>) -> Vec<f64> {
    let mut finest_first = TICKS.map(|list| ticks_of(list, x)).into_iter();
    let fitting = finest_first.find(|ticks| ticks.len() <= MOST_TICKS);
    fitting.unwrap_or_else(|| ticks_of(&[1.0], x))
}

fn ticks_of(list: &[f64], x: &Range<f64>) -> Vec<f64> {
    let exponent = |ln: f64| (ln / LN_10).floor() as i32;
    let powers = (exponent(x.start)..=exponent(x.end)).map(|k| 10_f64.powi(k));
    let all = powers.flat_map(|power| list.iter().map(move |m| m * power));
    all.filter(|n| n.fract() == 0.0 && x.contains(&n.ln()))
        .collect()
}
