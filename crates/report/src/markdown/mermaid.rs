//! Charts that GitHub draws: Mermaid's xychart. They hold numbers and no untrusted text.

use crate::campaign_summary::{CampaignSummary, Step, Unit};
use crate::history::Point;

/// Most points: a chart of that size shows no more.
const MOST_POINTS: usize = 60;

/// The estimate (upper line) and what is proven (lower line) after each attempt.
pub(super) fn staircase(summary: &CampaignSummary<'_>) -> String {
    let scale = |level: f64| match summary.unit {
        Unit::TokensPerS => level,
        Unit::Relative => 100.0 * (level - 1.0),
        Unit::ToLoss => 100.0 * (1.0 - 1.0 / level),
    };
    let name = match summary.unit {
        Unit::TokensPerS => "tokens/s",
        Unit::Relative => "gain in %",
        Unit::ToLoss => "less time to the loss in %",
    };
    let levels = |of: fn(&Step<'_>) -> f64| {
        let all = std::iter::once(summary.start)
            .chain(summary.steps.iter().map(of))
            .map(scale);
        thin(&all.collect::<Vec<_>>())
    };
    let (estimate, proven) = (levels(|s| s.estimate), levels(|s| s.proven));
    let last = summary.steps.last().map_or(1, |s| s.attempt.number);
    chart(
        "estimate above, proven below",
        &format!("\"attempt\" 0 --> {last}"),
        name,
        &[estimate, proven],
    )
}

/// The gain of each run, oldest first.
pub(super) fn history(points: &[Point<'_>]) -> String {
    if points.len() < 2 {
        return String::new();
    }
    let gains: Vec<f64> = points.iter().map(|p| 100.0 * p.gain).collect();
    chart(
        "gain over the first run",
        &format!("\"run\" 1 --> {}", points.len()),
        "gain in %",
        &[thin(&gains)],
    )
}

fn chart(title: &str, x: &str, y: &str, lines: &[Vec<f64>]) -> String {
    let all = || lines.iter().flatten().copied();
    let (low, high) = (
        all().fold(f64::MAX, f64::min),
        all().fold(f64::MIN, f64::max),
    );
    let margin = (0.05 * (high - low)).max(0.01 * high.abs()).max(0.1);
    let digits = if high.abs() >= 1000.0 { 0 } else { 2 };
    let mut out = format!(
        "```mermaid\nxychart-beta\n    title \"{title}\"\n    x-axis {x}\n    y-axis \"{y}\" {:.digits$} --> {:.digits$}\n",
        low - margin,
        high + margin
    );
    for line in lines {
        let values: Vec<String> = line.iter().map(|v| format!("{v:.digits$}")).collect();
        out += &format!("    line [{}]\n", values.join(", "));
    }
    out + "```\n\n"
}

/// Every n-th value, the last one included.
fn thin(values: &[f64]) -> Vec<f64> {
    let last = values.len().saturating_sub(1);
    let steps = last.clamp(1, MOST_POINTS);
    (0..=steps)
        .map(|i| values[(i * last).div_ceil(steps).min(last)])
        .collect()
}
