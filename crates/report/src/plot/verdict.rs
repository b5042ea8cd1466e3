//! One verdict: its blocks, and the evidence growing block by block.

mod blocks;
mod evidence;
mod panel;

use outpace_record::Verdict;

use super::picture::{Picture, draw};
use super::units::tenths;
use crate::captions;
use crate::error::ReportError;
pub(crate) use panel::log_ratios;

/// Size of one of the two panels in pixels.
const PANEL: (u32, u32) = (400, 260);

/// Both panels in one picture.
pub(crate) fn picture(verdict: &Verdict) -> Result<Picture, ReportError> {
    let x = log_ratios(verdict);
    let (title, text) = describe(verdict);
    let size = (2 * PANEL.0, PANEL.1);
    draw("verdict", size, (&title, &text), |area, marks| {
        let (left, right) = area.split_horizontally(tenths(PANEL.0.into()));
        blocks::paint(&left, marks, verdict, &x)?;
        evidence::paint(&right, marks, verdict, &x)
    })
}

/// Each panel on its own, so that a narrow window can put them below each other.
pub(crate) fn panels(verdict: &Verdict) -> Result<[Picture; 2], ReportError> {
    let x = log_ratios(verdict);
    let (title, text) = describe(verdict);
    let (left, right) = (format!("{title}: blocks"), format!("{title}: evidence"));
    Ok([
        draw("verdict", PANEL, (&left, &text), |area, marks| {
            blocks::paint(area, marks, verdict, &x)
        })?,
        draw("verdict", PANEL, (&right, &text), |area, marks| {
            evidence::paint(area, marks, verdict, &x)
        })?,
    ])
}

fn describe(verdict: &Verdict) -> (String, String) {
    let kind = captions::kind(verdict.verdict);
    let title = format!("{}: {kind}", verdict.workload);
    (title, captions::verdict(verdict).join(" "))
}
