//! Where a series changes its level: robust L0 segmentation.
//!
//! A series of readings `x_i` is cut into stretches of one level each. Chosen are the cuts and
//! levels that minimise
//!
//! ```text
//! sum over i of min(((x_i - level) / s_i)^2, 9)  +  25 f (number of cuts)
//! ```
//!
//! The loss is the biweight loss of P. Fearnhead and G. Rigaill, *Changepoint detection in the
//! presence of outliers*, JASA 2019: a reading three deviations away or more costs 9, so that a
//! single wild one is never worth a level of its own, and three are at the least. `s_i` is the
//! largest of the reading's own standard error, of the spread between neighbours (the median
//! absolute difference over all of them, which few changes do not move), and of the median size of
//! the residuals of a first segmentation. `f = (1 + rho) / (1 - rho)` is how many readings of
//! autocorrelation `rho` say as much as one independent reading: noise that wanders makes a cut
//! dearer. Minimised by dynamic programming over a grid of levels, in time
//! of readings times levels.

use crate::{MEDIAN_ERROR, NORMAL_PER_MAD, median};

/// Cost of a reading beyond three deviations.
const MOST_LOSS: f64 = 9.0;
/// Cost of a cut between independent readings.
const CUT: f64 = 25.0;
/// Distance of two levels of the grid, in deviations. The loss of a reading is then at most
/// `(0.125)^2` above that of the best level.
const STEP: f64 = 0.25;
/// Most levels of the grid; with more, its step is wider.
const MOST_LEVELS: usize = 800;
/// Autocorrelation above which it is no longer told from a change.
const MOST_RHO: f64 = 0.8;
/// Fewest residuals that an autocorrelation is worth computing from.
const FEW: usize = 12;
/// The newest readings say nothing of the noise: they may be a change that is not seen yet.
const UNSETTLED: usize = 8;
/// Share of the standard error of an autocorrelation that is taken off.
const CHANCE: f64 = 0.5;

/// One reading of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Its value, in any unit.
    pub value: f64,
    /// Its standard error in the same unit; 0 where unknown.
    pub sd: f64,
}

/// Readings of one level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// Index of its first reading.
    pub start: usize,
    /// Index after its last.
    pub end: usize,
    /// Median of its readings.
    pub level: f64,
    /// Standard error of the level.
    pub sd: f64,
}

/// A series in segments.
#[derive(Debug, Clone, PartialEq)]
pub struct Segmentation {
    /// All of them, without a gap; none for an empty series.
    pub segments: Vec<Segment>,
    /// Spread of neighbours, as a standard deviation.
    pub scale: f64,
    /// Autocorrelation of neighbouring residuals, from 0 to 0.8.
    pub autocorrelation: f64,
}

/// Cuts a series into segments. A reading that is not finite counts as an outlier.
pub fn segment(readings: &[Reading]) -> Segmentation {
    let finite: Vec<f64> = readings
        .iter()
        .map(|r| r.value)
        .filter(|v| v.is_finite())
        .collect();
    if finite.is_empty() {
        let none = readings.is_empty();
        let whole = Segment {
            start: 0,
            end: readings.len(),
            level: f64::NAN,
            sd: f64::NAN,
        };
        return Segmentation {
            segments: if none { Vec::new() } else { vec![whole] },
            scale: 0.0,
            autocorrelation: 0.0,
        };
    }
    let first = spread(&finite);
    let rough = cut(readings, first, &grid(&finite, first), CUT);
    let residuals = residuals(readings, &rough);
    let scale = first.max(deviation(&residuals));
    let autocorrelation = neighbours(&residuals, scale);
    let dearer = (1.0 + autocorrelation) / (1.0 - autocorrelation);
    let cuts = cut(readings, scale, &grid(&finite, scale), CUT * dearer);
    Segmentation {
        segments: cuts
            .windows(2)
            .map(|w| described(readings, w[0], w[1], scale))
            .collect(),
        scale,
        autocorrelation,
    }
}

/// The deviation of the noise: the median absolute difference of neighbours. Where more than half
/// of them are equal, the mean of the differences that are not; where all are, next to nothing.
fn spread(values: &[f64]) -> f64 {
    let differences = values.windows(2).map(|w| (w[1] - w[0]).abs());
    let differences: Vec<f64> = differences.collect();
    let size = values.iter().fold(0.0_f64, |size, v| size.max(v.abs()));
    let least = (size * 1e-9).max(f64::MIN_POSITIVE * 1e9);
    if differences.is_empty() {
        return least;
    }
    let mad = median(&differences) * NORMAL_PER_MAD / 2.0_f64.sqrt();
    let mut moved: Vec<f64> = differences.into_iter().filter(|d| *d > 0.0).collect();
    if mad > 0.0 || moved.is_empty() {
        return mad.max(least);
    }
    // The smallest of them: the larger ones may be changes.
    moved.sort_by(f64::total_cmp);
    let share = moved.len() as f64 / values.len() as f64;
    (moved[moved.len() / 4] * share).max(least)
}

/// Levels that a segment may have: those of medians of three neighbours, which outliers do not
/// move.
fn grid(values: &[f64], scale: f64) -> Vec<f64> {
    let mut medians: Vec<f64> = match values.len() {
        0..=2 => values.to_vec(),
        _ => values.windows(3).map(median).collect(),
    };
    medians.sort_by(f64::total_cmp);
    let range = medians[medians.len() - 1] - medians[0];
    let step = (STEP * scale).max(range / MOST_LEVELS as f64);
    let mut levels: Vec<f64> = Vec::new();
    for value in medians {
        if levels.last().is_none_or(|last| value - last >= step) {
            levels.push(value);
        }
    }
    levels
}

/// The places of the cuts that cost least, with both ends of the series.
fn cut(readings: &[Reading], scale: f64, levels: &[f64], price: f64) -> Vec<usize> {
    let best = |costs: &[f64]| {
        let numbered = costs.iter().enumerate();
        numbered
            .min_by(|a, b| a.1.total_cmp(b.1))
            .map_or(0, |(index, _)| index)
    };
    let mut costs = vec![0.0; levels.len()];
    // Of each reading and level: the level before, where a cut stands in between.
    let mut from: Vec<Vec<Option<u32>>> = Vec::with_capacity(readings.len());
    for (index, reading) in readings.iter().enumerate() {
        let before = best(&costs);
        let jump = costs[before] + price;
        let s = scale.max(reading.sd);
        let mut row = vec![None; levels.len()];
        for (level, cost) in costs.iter_mut().enumerate() {
            if index > 0 && jump < *cost {
                *cost = jump;
                row[level] = u32::try_from(before).ok();
            }
            *cost += loss((reading.value - levels[level]) / s);
        }
        from.push(row);
    }
    let mut cuts = vec![readings.len()];
    let mut level = best(&costs);
    for index in (1..readings.len()).rev() {
        if let Some(before) = from[index][level] {
            cuts.push(index);
            level = before as usize;
        }
    }
    cuts.push(0);
    cuts.reverse();
    cuts
}

/// The biweight loss of a distance in deviations; what is no number is an outlier.
fn loss(z: f64) -> f64 {
    let square = z * z;
    if square < MOST_LOSS {
        square
    } else {
        MOST_LOSS
    }
}

/// Distances from the levels of a first segmentation, segment by segment, without the last few
/// readings.
fn residuals(readings: &[Reading], cuts: &[usize]) -> Vec<Vec<f64>> {
    let settled = readings
        .len()
        .saturating_sub(UNSETTLED)
        .max(FEW.min(readings.len()));
    let of_segment = |ends: &[usize]| {
        let part = &readings[ends[0]..ends[1]];
        let level = level(part);
        let n = settled.saturating_sub(ends[0]).min(part.len());
        let distances = part[..n].iter().map(|r| r.value - level);
        distances.filter(|d| d.is_finite()).collect()
    };
    cuts.windows(2).map(of_segment).collect()
}

/// The deviation of residuals, from their median size.
fn deviation(residuals: &[Vec<f64>]) -> f64 {
    let sizes: Vec<f64> = residuals.iter().flatten().map(|r| r.abs()).collect();
    if sizes.len() < FEW {
        return 0.0;
    }
    median(&sizes) * NORMAL_PER_MAD
}

/// Autocorrelation of neighbouring residuals within segments; outliers count as three deviations.
/// Half of what chance gives is taken off: independent noise shall not make a cut dearer.
fn neighbours(residuals: &[Vec<f64>], scale: f64) -> f64 {
    let (mut product, mut square, mut n) = (0.0, 0.0, 0);
    for part in residuals {
        let clipped: Vec<f64> = part.iter().map(|r| (r / scale).clamp(-3.0, 3.0)).collect();
        square += clipped.iter().map(|r| r * r).sum::<f64>();
        product += clipped.windows(2).map(|w| w[0] * w[1]).sum::<f64>();
        n += clipped.len();
    }
    if n < FEW || square <= 0.0 {
        return 0.0;
    }
    let chance = (n as f64).sqrt().recip();
    (product / square - CHANCE * chance).clamp(0.0, MOST_RHO)
}

/// The median of readings.
fn level(part: &[Reading]) -> f64 {
    let values: Vec<f64> = part
        .iter()
        .map(|r| r.value)
        .filter(|v| v.is_finite())
        .collect();
    median(&values)
}

fn described(readings: &[Reading], start: usize, end: usize, scale: f64) -> Segment {
    let part = &readings[start..end];
    let n = part.iter().filter(|r| r.value.is_finite()).count();
    let own = part.iter().map(|r| r.sd.max(scale)).fold(0.0, f64::max);
    Segment {
        start,
        end,
        level: level(part),
        sd: MEDIAN_ERROR * own / (n.max(1) as f64).sqrt(),
    }
}
