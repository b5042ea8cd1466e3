//! Each block or seed as a dot, with zero, the minimum, the median and the bounds.

use std::ops::Range;

use outpace_record::Verdict;
use outpace_stats::{median, robust_deviation};

use super::super::chart::{Chart, span};
use super::super::ink::Ink;
use super::super::labels::ends;
use super::super::marks::Marks;
use super::super::picture::{Area, PlotError};
use super::panel::{FONT, frame};
use super::samples::Samples;
use crate::format::{figure, gain};

/// Blocks further from the median than this many deviations are drawn at the edge.
const DEVIATIONS: f64 = 6.0;

/// A value of the scale, its ink, and the words beside it.
type Label = (f64, Ink, String);

pub(super) fn paint(
    area: &Area<'_>,
    marks: &mut Marks,
    verdict: &Verdict,
    samples: &Samples,
) -> Result<(), PlotError> {
    let x = samples.log_ratios();
    // A seed in which one side never came to the loss has no place on a scale.
    let finite: Vec<f64> = x.iter().copied().filter(|x| x.is_finite()).collect();
    let y = range(&[0.0, 100.0 * verdict.min_speedup.ln_1p()], &finite);
    let frame = frame(y.clone(), samples, &tick, samples.title());
    let mut chart = Chart::new(area, marks, &frame)?;
    interval(&mut chart, verdict, &frame.x, &y)?;
    let mut labels = levels(&mut chart, marks, verdict, &y)?;
    labels.extend(gains(&mut chart, verdict, &x, &y)?);
    name(&chart, marks, labels, frame.x.end);
    dots(&chart, marks, x.iter().zip(&samples.hovers), &y);
    Ok(())
}

pub(super) fn tick(value: &f64) -> String {
    if value.abs() < 1e-9 {
        "0".to_owned()
    } else {
        figure((value * 1e6).round() / 1e6)
    }
}

/// One outside the picture is a triangle at its edge.
pub(super) fn dots<'x>(
    chart: &Chart<'_, '_>,
    marks: &mut Marks,
    all: impl Iterator<Item = (&'x f64, &'x String)>,
    y: &Range<f64>,
) {
    let edge = 0.02 * (y.end - y.start);
    for (i, (x, hover)) in all.enumerate() {
        let shown = (100.0 * x).clamp(y.start + edge, y.end - edge);
        let at = chart.at((i + 1) as f64, shown);
        if (shown - 100.0 * x).abs() < 1e-9 {
            marks.dot(Ink::Text, at, 3.4, hover);
        } else {
            marks.triangle(Ink::Text, at, 4.2, shown > 100.0 * x, hover);
        }
    }
}

/// Zero and the minimum.
fn levels(
    chart: &mut Chart<'_, '_>,
    marks: &mut Marks,
    verdict: &Verdict,
    y: &Range<f64>,
) -> Result<Vec<Label>, PlotError> {
    chart.level(0.0, Ink::Muted, 1.2)?;
    let mut labels = vec![(0.0, Ink::Muted, "no difference".to_owned())];
    if let Some(least) = percent(Some(verdict.min_speedup)).filter(|v| *v > y.start && *v < y.end) {
        chart.dashed_level(marks, least, Ink::Need);
        let text = format!("minimum {}", gain(verdict.min_speedup));
        labels.push((least, Ink::Need, text));
    }
    Ok(labels)
}

/// The interval that is proven, as far as it is in the picture.
fn interval(
    chart: &mut Chart<'_, '_>,
    verdict: &Verdict,
    x: &Range<f64>,
    y: &Range<f64>,
) -> Result<(), PlotError> {
    let (low, high) = (percent(verdict.at_least), percent(verdict.at_most));
    if low.is_none() && high.is_none() {
        return Ok(());
    }
    let low = low.unwrap_or(y.start).max(y.start);
    let high = high.unwrap_or(y.end).min(y.end);
    let corners = vec![(x.start, low), (x.end, low), (x.end, high), (x.start, high)];
    chart.tint(corners, Ink::Good, 0.12)
}

/// The median and the lower bound.
fn gains(
    chart: &mut Chart<'_, '_>,
    verdict: &Verdict,
    x: &[f64],
    y: &Range<f64>,
) -> Result<Vec<Label>, PlotError> {
    let mut labels = Vec::new();
    let middle = 100.0 * median(x);
    if middle.is_finite() {
        chart.level(middle, Ink::Good, 1.6)?;
        let text = format!("median {}", gain((middle / 100.0).exp_m1()));
        labels.push((middle, Ink::Good, text));
    }
    if let Some(low) = percent(verdict.at_least).filter(|v| *v > y.start) {
        let text = format!("at least {}", gain((low / 100.0).exp_m1()));
        labels.push((low, Ink::Good, text));
    }
    Ok(labels)
}

/// Words at the right end of the lines, the highest first.
pub(super) fn name(chart: &Chart<'_, '_>, marks: &mut Marks, mut labels: Vec<Label>, end: f64) {
    labels.sort_by(|a, b| b.0.total_cmp(&a.0));
    let words = labels
        .into_iter()
        .map(|(v, ink, text)| (chart.at(end, v).1, ink, text));
    ends(marks, chart.at(end, 0.0).0, FONT, words.collect());
}

/// From the lowest to the highest of the dots that are near, and of what is marked.
pub(super) fn range(marked: &[f64], x: &[f64]) -> Range<f64> {
    let middle = if x.is_empty() { 0.0 } else { 100.0 * median(x) };
    let reach = if x.is_empty() {
        1.0
    } else {
        100.0 * DEVIATIONS * robust_deviation(x).max(0.002)
    };
    let near = |v: &f64| (v - middle).abs() <= reach;
    let marked = marked.iter().copied();
    let marked = marked.filter(|v| v.is_finite() && v.abs() < 1000.0);
    let dots = x.iter().map(|x| 100.0 * x).filter(near);
    let (low, high) = marked
        .chain(dots)
        .fold((middle, middle), |(l, h), v| (l.min(v), h.max(v)));
    let range = span(low, high, 1.0);
    let margin = 0.12 * (range.end - range.start);
    range.start - margin..range.end + margin
}

fn percent(gain: Option<f64>) -> Option<f64> {
    gain.map(|g| 100.0 * g.ln_1p()).filter(|v| v.is_finite())
}
