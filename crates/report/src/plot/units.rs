//! Lengths of a drawing, in tenths of a pixel: plotters counts in whole units.

/// Units of a drawing in one pixel.
pub(crate) const TENTHS: f64 = 10.0;

/// Pixels to the units of a drawing.
pub(crate) fn tenths(px: f64) -> i32 {
    (px * TENTHS).round() as i32
}

/// Whether a picture is drawn for a wide window or for a phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Wide,
    Narrow,
}

impl Layout {
    pub(crate) fn is_wide(self) -> bool {
        self == Self::Wide
    }

    /// Size of the words in pixels: a narrow picture is shown smaller than it is drawn.
    pub(crate) fn font(self) -> f64 {
        if self.is_wide() { 13.0 } else { 15.0 }
    }
}
