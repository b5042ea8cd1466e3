//! The right panel: the e-value after each block, on a scale of powers of ten, and the threshold that it has to reach.

use std::f64::consts::LN_10;

use outpace_record::{Kind, Verdict};
use outpace_stats::{Rule, trajectory};

use super::super::chart::{Chart, whole};
use super::super::labels::ends;
use super::super::{Area, Ink, Marks, PlotError};
use super::{FONT, frame};
use crate::format::{count, e_value};

/// The e-value after each block, and what it has to reach, as powers of ten.
struct Climb {
    name: &'static str,
    log10: Vec<f64>,
    need: f64,
}

fn climb(verdict: &Verdict, x: &[f64]) -> Climb {
    let rule = verdict.rule();
    let against = |x: &[f64], min_speedup: f64| {
        trajectory(
            x,
            &Rule {
                min_speedup,
                ..rule
            },
        )
    };
    let mirrored: Vec<f64> = x.iter().map(|v| -v).collect();
    let (name, log_e, need) = match verdict.verdict {
        Kind::Slower => (
            "evidence that it is slower (e-value)",
            against(&mirrored, 0.0),
            1.0 / verdict.alpha,
        ),
        Kind::Same => {
            let lost = 1.0 / (1.0 + verdict.min_speedup) - 1.0;
            let (above, below) = (against(x, lost), against(&mirrored, lost));
            let both = above.iter().zip(below).map(|(a, b)| a.min(b)).collect();
            (
                "evidence that it is the same (e-value)",
                both,
                1.0 / verdict.alpha,
            )
        }
        _ => (
            "evidence that it is faster (e-value)",
            trajectory(x, &rule),
            verdict.threshold,
        ),
    };
    let finite = |v: f64| {
        if v.is_finite() {
            (v / LN_10).clamp(-40.0, 300.0)
        } else {
            0.0
        }
    };
    Climb {
        name,
        log10: log_e.into_iter().map(finite).collect(),
        need: finite(need.ln()),
    }
}

pub(super) fn paint(
    area: &Area<'_>,
    marks: &mut Marks,
    verdict: &Verdict,
    x: &[f64],
) -> Result<(), PlotError> {
    let climb = climb(verdict, x);
    let (low, high) = climb
        .log10
        .iter()
        .fold((-0.5, climb.need), |(l, h): (f64, f64), v| {
            (l.min(*v), h.max(*v))
        });
    let ticks = |v: &f64| {
        if whole(v).is_empty() {
            String::new()
        } else {
            power_of_ten(v.round())
        }
    };
    // Weak evidence below 1 in 10,000 is all the same; the line then runs along the edge.
    let frame = frame(
        low.max(-4.0) - 0.15..high + 0.3,
        x.len(),
        &ticks,
        climb.name,
    );
    let mut chart = Chart::new(area, marks, &frame)?;
    chart.level(0.0, Ink::Muted, 1.2)?;
    chart.dashed_level(marks, climb.need, Ink::Need);
    let points: Vec<(f64, f64)> = climb
        .log10
        .iter()
        .enumerate()
        .map(|(i, v)| ((i + 1) as f64, v.max(-4.0)))
        .collect();
    let line = std::iter::once((0.5, 0.0))
        .chain(points.iter().copied())
        .collect();
    chart.line(line, Ink::Good, 2.0)?;
    for (&(n, v), log10) in points.iter().zip(&climb.log10) {
        let hover = format!("after block {n}: {}", e_value(log10 * LN_10));
        marks.dot(Ink::Good, chart.at(n, v), 3.2, &hover);
    }
    let end = chart.at(frame.x.end, 0.0).0;
    let mut list = vec![
        (
            chart.at(1.0, climb.need).1,
            Ink::Need,
            format!("needs {}", e_value(climb.need * LN_10)),
        ),
        (chart.at(1.0, 0.0).1, Ink::Muted, "no evidence".to_owned()),
    ];
    if let (Some(last), Some(log10)) = (points.last(), climb.log10.last()) {
        list.push((
            chart.at(1.0, last.1).1,
            Ink::Good,
            format!("reached {}", e_value(log10 * LN_10)),
        ));
    }
    ends(marks, end, FONT, list);
    Ok(())
}

fn power_of_ten(exponent: f64) -> String {
    match exponent {
        e if (0.0..=6.0).contains(&e) => count(10_f64.powf(e)),
        e if (-3.0..0.0).contains(&e) => format!("{}", 10_f64.powf(e)),
        e => format!("1e{e}"),
    }
}
