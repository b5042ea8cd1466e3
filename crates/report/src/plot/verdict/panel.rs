//! What the panels share.

use std::ops::Range;

use super::super::chart::{Frame, whole};
use super::samples::Samples;

/// Size of the words in pixels.
pub(super) const FONT: f64 = 12.5;

/// Room above, right, below and left of the lines.
pub(super) const ROOM: [f64; 4] = [30.0, 118.0, 44.0, 50.0];

/// A panel with blocks or seeds to the right.
pub(super) fn frame<'f>(
    y: Range<f64>,
    samples: &Samples,
    y_text: &'f dyn Fn(&f64) -> String,
    y_name: &'f str,
) -> Frame<'f> {
    Frame {
        x: 0.5..samples.len().max(1) as f64 + 0.5,
        y,
        room: ROOM,
        ticks: (10, 6),
        x_text: &whole,
        y_text,
        y_name,
        x_name: samples.one(),
        font: FONT,
    }
}
