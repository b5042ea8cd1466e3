//! The parts of a picture that plotters has no element for. They are kept until its own lines
//! are drawn, so that they lie on top.

use std::fmt::Write as _;

use super::ink::Ink;
use super::units::{TENTHS, tenths};
use crate::status::AttemptStatus;
use crate::text::xml;

/// A place in a drawing, in its units.
pub(crate) type At = (i32, i32);

/// Which end of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Dots, crosses and words with hover text.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    out: String,
}

impl Marks {
    pub(crate) fn into_svg(self) -> String {
        self.out
    }

    /// A filled dot. `r` in pixels.
    pub(crate) fn dot(&mut self, ink: Ink, at: At, r: f64, hover: &str) {
        let shape = format!(
            "circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\"",
            at.0,
            at.1,
            tenths(r),
            ink.hex()
        );
        self.shape("circle", &shape, hover);
    }

    /// Many filled dots as one element: strokes of no length with round ends.
    pub(crate) fn dots(&mut self, ink: Ink, at: &[At], r: f64) {
        if at.is_empty() {
            return;
        }
        let mut path = String::new();
        for (x, y) in at {
            // Writing to a String does not fail.
            let _ = write!(path, "M{x} {y}h0");
        }
        let stroke = stroke(ink, 2.0 * r);
        self.shape(
            "path",
            &format!("path d=\"{path}\" {stroke} stroke-linecap=\"round\""),
            "",
        );
    }

    /// An empty circle.
    pub(crate) fn ring(&mut self, ink: Ink, at: At, r: f64, hover: &str) {
        let stroke = stroke(ink, 1.6);
        let shape = format!(
            "circle cx=\"{}\" cy=\"{}\" r=\"{}\" {stroke}",
            at.0,
            at.1,
            tenths(r)
        );
        self.shape("circle", &shape, hover);
    }

    /// A diagonal cross.
    pub(crate) fn cross(&mut self, ink: Ink, at: At, r: f64, hover: &str) {
        let (r, d) = (tenths(r), 2 * tenths(r));
        let path = format!("M{} {}l{d} {d}m0 {}l-{d} {d}", at.0 - r, at.1 - r, -d);
        self.path(ink, &path, 1.6, hover);
    }

    /// A triangle that points down, or up.
    pub(crate) fn triangle(&mut self, ink: Ink, at: At, r: f64, is_down: bool, hover: &str) {
        let (r, sign) = (tenths(r), if is_down { 1 } else { -1 });
        let path = format!(
            "M{} {}h{}l-{r} {}z",
            at.0 - r,
            at.1 - sign * r / 2,
            2 * r,
            sign * 3 * r / 2
        );
        self.shape(
            "path",
            &format!("path d=\"{path}\" fill=\"{}\"", ink.hex()),
            hover,
        );
    }

    /// A line of `width` pixels along an SVG path.
    pub(crate) fn path(&mut self, ink: Ink, path: &str, width: f64, hover: &str) {
        self.shape(
            "path",
            &format!("path d=\"{path}\" {}", stroke(ink, width)),
            hover,
        );
    }

    /// A dashed one.
    pub(crate) fn dashed(&mut self, ink: Ink, path: &str, width: f64) {
        let dash = format!(
            "path d=\"{path}\" {} stroke-dasharray=\"50 40\"",
            stroke(ink, width)
        );
        self.shape("path", &dash, "");
    }

    /// One line of text of `size` pixels; the text is escaped and cut here.
    pub(crate) fn text(&mut self, ink: Ink, at: At, anchor: Anchor, size: f64, text: &str) {
        self.slanted(ink, at, anchor, size, 0, text);
    }

    /// Text turned by `degrees` around its place.
    pub(crate) fn slanted(
        &mut self,
        ink: Ink,
        (x, y): At,
        anchor: Anchor,
        size: f64,
        degrees: i32,
        text: &str,
    ) {
        let turn = if degrees == 0 {
            String::new()
        } else {
            format!(" transform=\"rotate({degrees} {x} {y})\"")
        };
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (size, fill, text) = (tenths(size), ink.hex(), xml(text, 160));
        // Writing to a String does not fail.
        let _ = writeln!(
            self.out,
            "<text x=\"{x}\" y=\"{y}\"{anchor} font-family=\"sans-serif\" font-size=\"{size}\" fill=\"{fill}\"{turn}>{text}</text>"
        );
    }

    /// The sign of a status. No two have the same shape and colour.
    pub(crate) fn status(&mut self, status: AttemptStatus, at: At, scale: f64, hover: &str) {
        match status {
            AttemptStatus::Merged => self.dot(Ink::Good, at, 5.0 * scale, hover),
            AttemptStatus::Faster => self.ring(Ink::Good, at, 4.2 * scale, hover),
            AttemptStatus::NotProven => self.dot(Ink::Dot, at, 3.2 * scale, hover),
            AttemptStatus::NotSlower => self.ring(Ink::Good, at, 3.0 * scale, hover),
            AttemptStatus::Same => self.ring(Ink::Dot, at, 3.0 * scale, hover),
            AttemptStatus::Slower => self.triangle(Ink::Dot, at, 4.0 * scale, true, hover),
            AttemptStatus::Rejected => self.cross(Ink::Bad, at, 3.2 * scale, hover),
        }
    }

    fn shape(&mut self, name: &str, open: &str, hover: &str) {
        let _ = if hover.is_empty() {
            writeln!(self.out, "<{open}/>")
        } else {
            writeln!(
                self.out,
                "<{open}><title>{}</title></{name}>",
                xml(hover, 300)
            )
        };
    }
}

/// Roughly how wide a text is, in drawing units. As in DejaVu Sans, which is wider than most fonts
/// of a browser.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        ' ' | '.' | ',' | ':' | 'i' | 'l' | 'j' | '|' | '\'' => 0.31,
        'm' | 'w' | 'M' | 'W' | '%' => 0.93,
        c if c.is_ascii() => 0.61,
        _ => 0.8,
    };
    text.chars().map(em).sum::<f64>() * size * TENTHS
}

fn stroke(ink: Ink, width: f64) -> String {
    format!(
        "fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"",
        ink.hex(),
        tenths(width)
    )
}
