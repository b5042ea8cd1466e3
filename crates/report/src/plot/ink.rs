//! The colours of a picture.
//!
//! Pictures are drawn in the colours of the light scheme. On the page each colour becomes a
//! class, so that one style sheet decides for light, dark and print.

use plotters::prelude::RGBColor;

/// What a colour stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Text,
    Muted,
    Axis,
    Grid,
    Dot,
    Good,
    Bad,
    Need,
    Shade,
    Paper,
}

impl Ink {
    pub(crate) const ALL: [Self; 10] = [
        Self::Text,
        Self::Muted,
        Self::Axis,
        Self::Grid,
        Self::Dot,
        Self::Good,
        Self::Bad,
        Self::Need,
        Self::Shade,
        Self::Paper,
    ];

    /// Its colour in the light scheme. No two are equal, so that a colour names its ink.
    fn rgb(self) -> (u8, u8, u8) {
        match self {
            Self::Text => (0x1f, 0x23, 0x28),
            Self::Muted => (0x59, 0x63, 0x6e),
            Self::Axis => (0xaf, 0xb8, 0xc1),
            Self::Grid => (0xe6, 0xe9, 0xed),
            Self::Dot => (0x8a, 0x93, 0x9e),
            Self::Good => (0x1a, 0x7f, 0x37),
            Self::Bad => (0xcf, 0x22, 0x2e),
            Self::Need => (0x95, 0x5f, 0x00),
            Self::Shade => (0xf1, 0xf4, 0xf7),
            Self::Paper => (0xff, 0xff, 0xff),
        }
    }

    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Muted => "muted",
            Self::Axis => "axis",
            Self::Grid => "grid",
            Self::Dot => "dot",
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Need => "need",
            Self::Shade => "shade",
            Self::Paper => "paper",
        }
    }

    pub(crate) fn colour(self) -> RGBColor {
        let (r, g, b) = self.rgb();
        RGBColor(r, g, b)
    }

    /// As plotters writes it.
    pub(crate) fn hex(self) -> String {
        let (r, g, b) = self.rgb();
        format!("#{r:02X}{g:02X}{b:02X}")
    }
}
