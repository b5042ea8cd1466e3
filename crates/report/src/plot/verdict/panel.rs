//! What both panels share.

use std::ops::Range;

use outpace_record::Verdict;
use outpace_stats::block_log_ratio;

use super::super::chart::{Frame, whole};

/// Size of the words in pixels.
pub(super) const FONT: f64 = 12.5;

/// Most blocks that are drawn. A trial has at most 100 unless its limit was raised.
const MOST_BLOCKS: usize = 1000;

/// The blocks of a verdict as log ratios; empty where nothing was timed.
pub(crate) fn log_ratios(verdict: &Verdict) -> Vec<f64> {
    let blocks = verdict.blocks.iter().take(MOST_BLOCKS);
    blocks
        .filter_map(|b| block_log_ratio(&b.pairs).ok())
        .filter(|x| x.is_finite())
        .collect()
}

pub(super) fn frame<'f>(
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
