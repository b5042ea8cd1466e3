//! Pictures: plotters draws axes and lines, [`Marks`] adds what it cannot (hover text, slanted names), [`Picture`] is the result.
//!
//! Everything is drawn in tenths of a pixel, because plotters counts in whole ones. Colours are drawn as those of the light scheme;
//! for the page they are turned into classes, so that one style sheet decides for light, dark and print.

pub(crate) mod campaign;
mod chart;
pub(crate) mod history;
mod labels;
mod marks;
pub(crate) mod verdict;

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea, RGBColor, SVGBackend};

use crate::ReportError;
pub(crate) use chart::{Chart, Frame};
pub(crate) use marks::{Anchor, Marks};

/// Units of a drawing in one pixel.
pub(crate) const TENTHS: f64 = 10.0;

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

/// A part of a picture that is being drawn.
pub(crate) type Area<'b> = DrawingArea<SVGBackend<'b>, Shift>;

/// What a colour stands for. The page gives each a value for light, dark and print.
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
    const ALL: [Self; 10] = [
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

    /// Its colour in the light scheme; no two are equal, so that a colour names its ink.
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

/// A finished picture, still without its outer element.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    /// Width and height in pixels.
    size: (u32, u32),
    /// A name for those who cannot see it.
    title: String,
    /// What it shows, in words.
    description: String,
    /// SVG elements.
    body: String,
}

impl Picture {
    /// As a file of its own: light colours on white.
    pub(crate) fn standalone(&self) -> String {
        let (w, h) = self.size;
        let head = self.head(
            "",
            &format!(" xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\""),
        );
        let paper = format!(
            "<rect width=\"100%\" height=\"100%\" fill=\"{}\"/>",
            Ink::Paper.hex()
        );
        format!("{head}{paper}\n{}</svg>\n", self.body)
    }

    /// As part of a page whose style sheet knows the classes. `id` is unique there.
    pub(crate) fn inline(&self, id: &str) -> String {
        let mut body = self.body.clone();
        for ink in Ink::ALL {
            let (hex, class) = (ink.hex(), ink.class());
            body = body.replace(&format!("fill=\"{hex}\""), &format!("class=\"f-{class}\""));
            body = body.replace(
                &format!("stroke=\"{hex}\""),
                &format!("class=\"s-{class}\""),
            );
        }
        for idle in [
            " fill=\"none\"",
            " stroke=\"none\"",
            " font-family=\"sans-serif\"",
        ] {
            body = body.replace(idle, "");
        }
        format!("{}{body}</svg>", self.head(id, ""))
    }

    fn head(&self, id: &str, more: &str) -> String {
        let (w, h) = (
            f64::from(self.size.0) * TENTHS,
            f64::from(self.size.1) * TENTHS,
        );
        let (title, description) = (
            crate::text::xml(&self.title, 120),
            crate::text::xml(&self.description, 1000),
        );
        let (label, t, d) = if id.is_empty() {
            (String::new(), String::new(), String::new())
        } else {
            (
                format!(" aria-labelledby=\"{id}-t {id}-d\""),
                format!(" id=\"{id}-t\""),
                format!(" id=\"{id}-d\""),
            )
        };
        format!(
            "<svg{more} viewBox=\"0 0 {w} {h}\" role=\"img\"{label}><title{t}>{title}</title><desc{d}>{description}</desc>\n"
        )
    }
}

/// Draws a picture of `size` pixels.
pub(crate) fn draw(
    name: &'static str,
    size: (u32, u32),
    (title, description): (&str, &str),
    paint: impl FnOnce(&Area<'_>, &mut Marks) -> Result<(), PlotError>,
) -> Result<Picture, ReportError> {
    let mut text = String::new();
    let mut marks = Marks::default();
    {
        let backend = SVGBackend::with_string(
            &mut text,
            (tenths(size.0.into()) as u32, tenths(size.1.into()) as u32),
        );
        let area = backend.into_drawing_area();
        let painted = paint(&area, &mut marks).and_then(|()| area.present());
        painted.map_err(|error| ReportError::Draw {
            picture: name,
            reason: error.to_string(),
        })?;
    }
    let body = compact(&text) + &marks.into_svg();
    Ok(Picture {
        size,
        title: title.to_owned(),
        description: description.to_owned(),
        body,
    })
}

/// An error of plotters; drawing into a string has no others.
pub(crate) type PlotError = DrawingAreaErrorKind<std::io::Error>;

/// Pixels to the units of a drawing.
pub(crate) fn tenths(px: f64) -> i32 {
    (px * TENTHS).round() as i32
}

/// What plotters wrote, without its outer element and without what says nothing.
fn compact(svg: &str) -> String {
    let inner = svg.split_once('\n').map_or("", |(_, rest)| rest);
    let inner = inner.strip_suffix("</svg>\n").unwrap_or(inner);
    inner
        .replace(" opacity=\"1\"", "")
        .replace("\n</text>", "</text>")
        .replace(" \"/>", "\"/>")
}
