//! The signs of the campaign picture with their words and numbers.

use super::super::ink::Ink;
use super::super::marks::{Anchor, Marks, text_width};
use super::super::units::{TENTHS, tenths};
use crate::campaign_summary::CampaignSummary;
use crate::status::AttemptStatus;

/// One or more rows of signs with their words and numbers, at most `width` pixels wide. Returns
/// its height in pixels.
pub(super) fn paint(
    marks: &mut Marks,
    summary: &CampaignSummary<'_>,
    (font, width): (f64, f64),
) -> f64 {
    let (mut x, mut y) = (14.0, 18.0);
    for status in AttemptStatus::ALL {
        let number = summary.count(status);
        if number == 0 {
            continue;
        }
        let text = format!("{} {}", number, status.word());
        let wide = 20.0 + text_width(&text, font) / TENTHS;
        if x + wide > width {
            (x, y) = (14.0, y + font * 1.5);
        }
        marks.status(status, (tenths(x), tenths(y - font * 0.35)), 1.0, "");
        let at = (tenths(x + 10.0), tenths(y));
        marks.text(Ink::Text, at, Anchor::Start, font, &text);
        x += wide + 12.0;
    }
    y + 8.0
}
