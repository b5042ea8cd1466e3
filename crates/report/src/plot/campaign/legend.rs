//! The signs of the campaign picture with their words and numbers.

use super::super::marks::text_width;
use super::super::{Anchor, Ink, Layout, Marks, TENTHS, tenths};
use crate::story::{Fate, Story};

/// A row (or more) of signs with their words and numbers; returns its height in pixels.
pub(super) fn paint(marks: &mut Marks, story: &Story<'_>, layout: Layout) -> f64 {
    let (font, width) = (layout.font(), f64::from(super::size(layout).0));
    let (mut x, mut y) = (14.0, 18.0);
    for fate in Fate::ALL {
        let number = story.count(fate);
        if number == 0 {
            continue;
        }
        let text = format!("{} {}", number, fate.word());
        let wide = 20.0 + text_width(&text, font) / TENTHS;
        if x + wide > width {
            (x, y) = (14.0, y + font * 1.5);
        }
        marks.fate(fate, (tenths(x), tenths(y - font * 0.35)), 1.0, "");
        marks.text(
            Ink::Text,
            (tenths(x + 10.0), tenths(y)),
            Anchor::Start,
            font,
            &text,
        );
        x += wide + 12.0;
    }
    y + 8.0
}
