//! Whether the clock that wrote a trial's times was fine enough to judge by them.

use crate::{Pair, median};

/// With this many distinct times no clock is called coarse.
///
/// Times with a standard deviation of s spread over about 5 s. On a clock that ticks every d they
/// take about 5 s / d values a side, and a tick moves a median by up to d / 2. Ten values a side
/// keep that at a quarter of s; below that the ticks decide where the middle is.
const ENOUGH_DISTINCT: usize = 20;

/// Each time has to occur this often on average. Few times are distinct where there are few times,
/// and a fine clock repeats almost none.
const REPEATS: usize = 2;

/// A tick below this share of the least gain cannot turn a verdict.
const HARMLESS_SHARE: f64 = 0.1;

/// Times this near to each other, relative to themselves, are one. Differences of two readings of
/// a clock that counts seconds since 1970 carry an error of 2e-7 s.
const SAME: f64 = 1e-5;

/// A clock whose ticks can decide a verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoarseClock {
    /// Distinct times among those of base and candidate together.
    pub distinct: usize,
    /// Smallest difference between two of them in seconds; infinite where all are equal.
    pub tick_s: f64,
    /// `tick_s` as a share of the median time.
    pub share: f64,
}

/// The clock of a trial if it was too coarse for a gain of `min_speedup`; nothing where it was fine
/// enough, or where there are too few times to tell.
///
/// Too coarse: fewer than 20 distinct times, each of which occurs twice or more on average, and
/// ticks of more than a tenth of `min_speedup`, as a share of the median time.
pub fn coarse_clock<B: AsRef<[Pair]>>(blocks: &[B], min_speedup: f64) -> Option<CoarseClock> {
    let times = || blocks.iter().flat_map(AsRef::as_ref).flatten();
    let distinct = few_distinct(times().copied())?;
    let all: Vec<f64> = times().copied().collect();
    if distinct.is_empty() || all.len() < REPEATS * distinct.len() {
        return None;
    }
    let gaps = distinct.windows(2).map(|pair| pair[1] - pair[0]);
    let tick_s = gaps.fold(f64::INFINITY, f64::min);
    let share = tick_s / median(&all);
    (share > HARMLESS_SHARE * min_speedup).then_some(CoarseClock {
        distinct: distinct.len(),
        tick_s,
        share,
    })
}

/// The distinct times in ascending order, or nothing once there are enough of them: a trial with a
/// fine clock costs the first few of its times.
fn few_distinct(times: impl Iterator<Item = f64>) -> Option<Vec<f64>> {
    let mut distinct: Vec<f64> = Vec::new();
    for time in times {
        let place = distinct.partition_point(|known| *known < time);
        let near = |known: &f64| (known - time).abs() <= SAME * time;
        let known = distinct[place.saturating_sub(1)..].iter().take(2).any(near);
        if !known {
            distinct.insert(place, time);
        }
        if distinct.len() >= ENOUGH_DISTINCT {
            return None;
        }
    }
    Some(distinct)
}
