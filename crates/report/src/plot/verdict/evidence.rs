//! The e-value after each block or seed on a scale of powers of ten, and the threshold.

use std::f64::consts::LN_10;

use outpace_record::{Kind, Verdict};

use super::super::chart::{Chart, whole};
use super::super::ink::Ink;
use super::super::labels::ends;
use super::super::marks::Marks;
use super::super::picture::{Area, PlotError};
use super::panel::{FONT, frame};
use super::samples::Samples;
use crate::format::{count, e_value};

/// Evidence below 1 in 10,000 is drawn along the edge: how weak it is makes no difference.
const LOWEST: f64 = -4.0;

/// The e-value after each block or seed and its threshold, as powers of ten.
struct Climb {
    name: &'static str,
    /// With the number of samples after which it is that.
    log10: Vec<(usize, f64)>,
    need: f64,
}

impl Climb {
    fn of(verdict: &Verdict, x: &Samples) -> Self {
        let (name, log_e, need) = match verdict.verdict {
            Kind::Slower => (
                "evidence that it is slower (e-value)",
                x.mirrored().trajectory(verdict, 0.0),
                1.0 / verdict.alpha,
            ),
            Kind::NotSlower => (
                "evidence that it is not slower (e-value)",
                x.trajectory(verdict, 1.0 / (1.0 + verdict.margin.unwrap_or(0.0)) - 1.0),
                1.0 / verdict.alpha,
            ),
            Kind::Same => (
                "evidence that it is the same (e-value)",
                same(verdict, x),
                1.0 / verdict.alpha,
            ),
            _ => (
                "evidence that it is faster (e-value)",
                x.trajectory(verdict, verdict.min_speedup),
                verdict.threshold,
            ),
        };
        Self {
            name,
            log10: log_e.into_iter().map(|(n, v)| (n, power(v))).collect(),
            need: power(need.ln()),
        }
    }

    /// From the weakest evidence to the threshold or above.
    fn range(&self) -> std::ops::Range<f64> {
        let ends = (-0.5, self.need);
        let (low, high) = self
            .log10
            .iter()
            .fold(ends, |(l, h): (f64, f64), (_, v)| (l.min(*v), h.max(*v)));
        low.max(LOWEST) - 0.15..high + 0.3
    }

    /// Number of each and how high its evidence is drawn.
    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        let numbered = self.log10.iter();
        numbered.map(|(n, v)| (*n as f64, v.max(LOWEST)))
    }
}

/// The weaker of the evidence against both differences.
fn same(verdict: &Verdict, x: &Samples) -> Vec<(usize, f64)> {
    let lost = 1.0 / (1.0 + verdict.min_speedup) - 1.0;
    let above = x.trajectory(verdict, lost);
    let below = x.mirrored().trajectory(verdict, lost);
    let both = above.iter().zip(below);
    both.map(|((n, a), (_, b))| (*n, a.min(b))).collect()
}

/// A natural logarithm as a power of ten that a scale can hold.
fn power(log_e: f64) -> f64 {
    if log_e.is_finite() {
        (log_e / LN_10).clamp(-40.0, 300.0)
    } else {
        0.0
    }
}

pub(super) fn paint(
    area: &Area<'_>,
    marks: &mut Marks,
    verdict: &Verdict,
    samples: &Samples,
) -> Result<(), PlotError> {
    let climb = Climb::of(verdict, samples);
    let frame = frame(climb.range(), samples, &tick, climb.name);
    let mut chart = Chart::new(area, marks, &frame)?;
    chart.level(0.0, Ink::Muted, 1.2)?;
    chart.dashed_level(marks, climb.need, Ink::Need);
    let start = std::iter::once((0.5, 0.0));
    chart.line(start.chain(climb.points()).collect(), Ink::Good, 2.0)?;
    for ((n, v), (_, log10)) in climb.points().zip(&climb.log10) {
        let hover = format!("after {} {n}: {}", samples.one(), e_value(log10 * LN_10));
        marks.dot(Ink::Good, chart.at(n, v), 3.2, &hover);
    }
    let end = chart.at(frame.x.end, 0.0).0;
    ends(marks, end, FONT, labels(&chart, &climb));
    Ok(())
}

/// Words at the right end of the lines.
fn labels(chart: &Chart<'_, '_>, climb: &Climb) -> Vec<(i32, Ink, String)> {
    let at = |v: f64| chart.at(1.0, v).1;
    let needs = format!("needs {}", e_value(climb.need * LN_10));
    let mut list = vec![
        (at(climb.need), Ink::Need, needs),
        (at(0.0), Ink::Muted, "no evidence".to_owned()),
    ];
    if let (Some(last), Some((_, log10))) = (climb.points().last(), climb.log10.last()) {
        let reached = format!("reached {}", e_value(log10 * LN_10));
        list.push((at(last.1), Ink::Good, reached));
    }
    list
}

/// Labels of whole powers only.
fn tick(value: &f64) -> String {
    if whole(value).is_empty() {
        String::new()
    } else {
        power_of_ten(value.round())
    }
}

fn power_of_ten(exponent: f64) -> String {
    match exponent {
        e if (0.0..=6.0).contains(&e) => count(10_f64.powf(e)),
        e if (-3.0..0.0).contains(&e) => format!("{}", 10_f64.powf(e)),
        e => format!("1e{e}"),
    }
}
