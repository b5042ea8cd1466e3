//! One verdict: its blocks, and the evidence growing block by block.

mod evidence;

use std::ops::Range;

use outpace_record::Verdict;
use outpace_stats::{block_log_ratio, median, robust_deviation};

use super::chart::{span, whole};
use super::labels::ends;
use super::{Area, Chart, Frame, Ink, Marks, Picture, PlotError, draw};
use crate::format::gain;
use crate::{ReportError, words};

/// Size of one of the two panels in pixels.
const PANEL: (u32, u32) = (400, 260);

const FONT: f64 = 12.5;

/// Most blocks that are drawn; a trial has 100 at most unless somebody asked for more.
const MOST_BLOCKS: usize = 1000;

/// Blocks further from the median than this many deviations are drawn at the edge.
const DEVIATIONS: f64 = 6.0;

/// The blocks of a verdict as log ratios; empty where nothing was timed.
pub(crate) fn log_ratios(verdict: &Verdict) -> Vec<f64> {
    let blocks = verdict.blocks.iter().take(MOST_BLOCKS);
    blocks
        .filter_map(|b| block_log_ratio(&b.pairs).ok())
        .filter(|x| x.is_finite())
        .collect()
}

/// Both panels in one picture.
pub(crate) fn picture(verdict: &Verdict) -> Result<Picture, ReportError> {
    let x = log_ratios(verdict);
    let text = describe(verdict);
    draw(
        "verdict",
        (2 * PANEL.0, PANEL.1),
        (&text.0, &text.1),
        |area, marks| {
            let (left, right) = area.split_horizontally(super::tenths(PANEL.0.into()));
            paint_blocks(&left, marks, verdict, &x)?;
            evidence::paint(&right, marks, verdict, &x)
        },
    )
}

/// The panels one by one, so that a narrow window can put them below each other.
pub(crate) fn panels(verdict: &Verdict) -> Result<[Picture; 2], ReportError> {
    let x = log_ratios(verdict);
    let (title, text) = describe(verdict);
    let blocks = format!("{title}: blocks");
    let evidence = format!("{title}: evidence");
    Ok([
        draw("verdict", PANEL, (&blocks, &text), |area, marks| {
            paint_blocks(area, marks, verdict, &x)
        })?,
        draw("verdict", PANEL, (&evidence, &text), |area, marks| {
            evidence::paint(area, marks, verdict, &x)
        })?,
    ])
}

fn describe(verdict: &Verdict) -> (String, String) {
    (
        format!("{}: {}", verdict.workload, words::kind(verdict.verdict)),
        words::verdict(verdict).join(" "),
    )
}

fn paint_blocks(
    area: &Area<'_>,
    marks: &mut Marks,
    verdict: &Verdict,
    x: &[f64],
) -> Result<(), PlotError> {
    let y = blocks_range(verdict, x);
    let ticks = |v: &f64| {
        if v.abs() < 1e-9 {
            "0".to_owned()
        } else {
            crate::format::figure((v * 1e6).round() / 1e6)
        }
    };
    let frame = frame(
        y.clone(),
        x.len(),
        &ticks,
        "gain of each block, 100 ln(base / candidate)",
    );
    let mut chart = Chart::new(area, marks, &frame)?;
    bounds(&mut chart, marks, verdict, x, &y)?;
    let edge = 0.02 * (y.end - y.start);
    for (i, x) in x.iter().enumerate() {
        let hover = format!("block {}: {}", i + 1, gain(x.exp_m1()));
        let shown = (100.0 * x).clamp(y.start + edge, y.end - edge);
        let at = chart.at((i + 1) as f64, shown);
        if (shown - 100.0 * x).abs() < 1e-9 {
            marks.dot(Ink::Text, at, 3.4, &hover);
        } else {
            marks.triangle(Ink::Text, at, 4.2, shown > 100.0 * x, &hover);
        }
    }
    Ok(())
}

/// Zero, the minimum, the median and the interval that is proven.
fn bounds(
    chart: &mut Chart<'_, '_>,
    marks: &mut Marks,
    verdict: &Verdict,
    x: &[f64],
    y: &Range<f64>,
) -> Result<(), PlotError> {
    let end = x.len() as f64 + 0.5;
    let (low, high) = (percent(verdict.at_least), percent(verdict.at_most));
    if low.is_some() || high.is_some() {
        let (low, high) = (
            low.unwrap_or(y.start).max(y.start),
            high.unwrap_or(y.end).min(y.end),
        );
        chart.tint(
            vec![(0.5, low), (end, low), (end, high), (0.5, high)],
            Ink::Good,
            0.12,
        )?;
    }
    chart.level(0.0, Ink::Muted, 1.2)?;
    let mut list = vec![(0.0, Ink::Muted, "no difference".to_owned())];
    if let Some(least) = percent(Some(verdict.min_speedup)).filter(|v| *v > y.start && *v < y.end) {
        chart.dashed_level(marks, least, Ink::Need);
        list.push((
            least,
            Ink::Need,
            format!("minimum {}", gain(verdict.min_speedup)),
        ));
    }
    if !x.is_empty() {
        let middle = 100.0 * median(x);
        chart.level(middle, Ink::Good, 1.6)?;
        list.push((
            middle,
            Ink::Good,
            format!("median {}", gain((middle / 100.0).exp_m1())),
        ));
    }
    if let Some(low) = low.filter(|v| *v > y.start) {
        list.push((
            low,
            Ink::Good,
            format!("at least {}", gain((low / 100.0).exp_m1())),
        ));
    }
    list.sort_by(|a, b| a.0.total_cmp(&b.0));
    let words = list
        .into_iter()
        .rev()
        .map(|(v, ink, text)| (chart.at(end, v).1, ink, text));
    ends(marks, chart.at(end, 0.0).0, FONT, words.collect());
    Ok(())
}

fn blocks_range(verdict: &Verdict, x: &[f64]) -> Range<f64> {
    let middle = if x.is_empty() { 0.0 } else { 100.0 * median(x) };
    let reach = if x.is_empty() {
        1.0
    } else {
        100.0 * DEVIATIONS * robust_deviation(x).max(0.002)
    };
    let near = |v: &f64| (v - middle).abs() <= reach;
    let marked = [0.0, 100.0 * verdict.min_speedup.ln_1p()]
        .into_iter()
        .filter(|v| v.is_finite() && v.abs() < 1000.0);
    let dots = x.iter().map(|x| 100.0 * x).filter(near);
    let (low, high) = marked
        .chain(dots)
        .fold((middle, middle), |(l, h), v| (l.min(v), h.max(v)));
    let range = span(low, high, 1.0);
    let margin = 0.12 * (range.end - range.start);
    range.start - margin..range.end + margin
}

fn frame<'f>(
    y: Range<f64>,
    blocks: usize,
    y_text: &'f dyn Fn(&f64) -> String,
    y_name: &'f str,
) -> Frame<'f> {
    Frame {
        x: 0.5..blocks.max(1) as f64 + 0.5,
        y,
        room: [30.0, 118.0, 44.0, 50.0],
        ticks: (10, 6),
        x_text: &whole,
        y_text,
        y_name,
        x_name: "block",
        font: FONT,
    }
}

fn percent(gain: Option<f64>) -> Option<f64> {
    gain.map(|g| 100.0 * g.ln_1p()).filter(|v| v.is_finite())
}
