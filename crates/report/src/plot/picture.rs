//! A finished picture, as a file of its own or as part of a page.

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea, SVGBackend};

use super::ink::Ink;
use super::marks::Marks;
use super::units::{TENTHS, tenths};
use crate::error::ReportError;
use crate::text::xml;

/// A part of a picture that is being drawn.
pub(crate) type Area<'b> = DrawingArea<SVGBackend<'b>, Shift>;

/// An error of plotters. Drawing into a string has no others.
pub(crate) type PlotError = DrawingAreaErrorKind<std::io::Error>;

/// A picture without its outer element.
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
        let (title, description) = (xml(&self.title, 120), xml(&self.description, 1000));
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
            "<svg{more} viewBox=\"0 0 {w} {h}\" role=\"img\"{label}>\
             <title{t}>{title}</title><desc{d}>{description}</desc>\n"
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
    Ok(Picture {
        size,
        title: title.to_owned(),
        description: description.to_owned(),
        body: compact(&text) + &marks.into_svg(),
    })
}

/// What plotters wrote, without its outer element and without attributes that change nothing.
fn compact(svg: &str) -> String {
    let inner = svg.split_once('\n').map_or("", |(_, rest)| rest);
    let inner = inner.strip_suffix("</svg>\n").unwrap_or(inner);
    inner
        .replace(" opacity=\"1\"", "")
        .replace("\n</text>", "</text>")
        .replace(" \"/>", "\"/>")
}
