//! Placeholder until the branch with the full version is merged.
use crate::{NORMAL_PER_MAD, median};
/// One reading of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Value.
    pub value: f64,
    /// Standard error.
    pub sd: f64,
}
/// A stretch of one level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// First.
    pub start: usize,
    /// One after the last.
    pub end: usize,
    /// Level.
    pub level: f64,
    /// Its standard error.
    pub sd: f64,
}
/// All stretches.
#[derive(Debug, Clone, PartialEq)]
pub struct Segmentation {
    /// Stretches.
    pub segments: Vec<Segment>,
}
/// Segments a series.
pub fn segment(readings: &[Reading]) -> Segmentation {
    let x: Vec<f64> = readings.iter().map(|r| r.value).collect();
    if x.is_empty() {
        return Segmentation { segments: vec![] };
    }
    let d: Vec<f64> = x.windows(2).map(|w| (w[1] - w[0]).abs()).collect();
    let s = if d.is_empty() {
        1.0
    } else {
        (median(&d) * NORMAL_PER_MAD / 2_f64.sqrt()).max(1e-9)
    };
    let (lo, hi) = x
        .iter()
        .fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
    let k = (((hi - lo) / (0.2 * s)).ceil() as usize + 1).clamp(1, 2000);
    let grid: Vec<f64> = (0..k)
        .map(|i| lo + (hi - lo) * i as f64 / (k.max(2) - 1) as f64)
        .collect();
    let mut cost = vec![0.0; k];
    let mut from = Vec::new();
    for v in &x {
        let best = (0..k)
            .min_by(|a, b| f64::total_cmp(&cost[*a], &cost[*b]))
            .unwrap_or(0);
        let b = cost[best] + 25.0;
        let mut row = vec![usize::MAX; k];
        for j in 0..k {
            if b < cost[j] {
                cost[j] = b;
                row[j] = best;
            }
            cost[j] += ((v - grid[j]) / s).powi(2).min(9.0);
        }
        from.push(row);
    }
    let mut j = (0..k)
        .min_by(|a, b| f64::total_cmp(&cost[*a], &cost[*b]))
        .unwrap_or(0);
    let mut cuts = vec![x.len()];
    for i in (1..x.len()).rev() {
        if from[i][j] != usize::MAX {
            j = from[i][j];
            cuts.push(i);
        }
    }
    cuts.push(0);
    cuts.reverse();
    let segments = cuts.windows(2).map(|w| Segment {
        start: w[0],
        end: w[1],
        level: median(&x[w[0]..w[1]]),
        sd: s,
    });
    Segmentation {
        segments: segments.collect(),
    }
}
