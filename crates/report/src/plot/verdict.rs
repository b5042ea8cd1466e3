//! One verdict: its blocks, the evidence growing block by block, and isolated runs where there were
//! any. Where seeds decide, their loss curves come first.

mod curves;
mod dots;
mod evidence;
mod isolated;
mod panel;
mod samples;

use outpace_record::Verdict;

use super::marks::Marks;
use super::picture::{Area, Picture, PlotError, draw};
use crate::captions;
use crate::error::ReportError;
use crate::isolated::log_ratios;
use samples::Samples;

/// Size of one panel in pixels.
const PANEL: (u32, u32) = (400, 260);

/// What a panel shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Panel {
    Curves,
    Dots,
    Evidence,
    Isolated,
}

/// Whether there is anything to draw.
pub(crate) fn has_samples(verdict: &Verdict) -> bool {
    Samples::of(verdict).len() > 0
}

/// All panels in one picture.
pub(crate) fn picture(verdict: &Verdict) -> Result<Picture, ReportError> {
    let samples = Samples::of(verdict);
    let panels = shown(verdict, &samples);
    let (title, text) = describe(verdict);
    let size = (panels.len() as u32 * PANEL.0, PANEL.1);
    draw("verdict", size, (&title, &text), |area, marks| {
        let parts = area.split_evenly((1, panels.len()));
        let mut panels = parts.iter().zip(panels);
        panels.try_for_each(|(part, panel)| paint(*panel, part, marks, verdict, &samples))
    })
}

/// Each panel on its own, so that a narrow window can put them below each other.
pub(crate) fn panels(verdict: &Verdict) -> Result<Vec<Picture>, ReportError> {
    let samples = Samples::of(verdict);
    let (title, text) = describe(verdict);
    let one = |panel: &Panel| {
        let title = format!("{title}: {}", name(*panel, &samples));
        draw("verdict", PANEL, (&title, &text), |area, marks| {
            paint(*panel, area, marks, verdict, &samples)
        })
    };
    shown(verdict, &samples).iter().map(one).collect()
}

fn shown(verdict: &Verdict, samples: &Samples) -> &'static [Panel] {
    if samples.by_seeds && samples.len() > 0 {
        &[Panel::Curves, Panel::Dots, Panel::Evidence]
    } else if !log_ratios(verdict).is_empty() {
        &[Panel::Dots, Panel::Evidence, Panel::Isolated]
    } else {
        &[Panel::Dots, Panel::Evidence]
    }
}

fn name(panel: Panel, samples: &Samples) -> &'static str {
    match (panel, samples.by_seeds) {
        (Panel::Curves, _) => "loss curves",
        (Panel::Dots, true) => "seeds",
        (Panel::Dots, false) => "blocks",
        (Panel::Evidence, _) => "evidence",
        (Panel::Isolated, _) => "isolated runs",
    }
}

fn paint(
    panel: Panel,
    area: &Area<'_>,
    marks: &mut Marks,
    verdict: &Verdict,
    samples: &Samples,
) -> Result<(), PlotError> {
    match panel {
        Panel::Curves => curves::paint(area, marks, verdict),
        Panel::Dots => dots::paint(area, marks, verdict, samples),
        Panel::Evidence => evidence::paint(area, marks, verdict, samples),
        Panel::Isolated => isolated::paint(area, marks, &log_ratios(verdict)),
    }
}

fn describe(verdict: &Verdict) -> (String, String) {
    let kind = captions::kind(verdict.verdict);
    let title = format!("{}: {kind}", verdict.workload);
    (title, captions::verdict(verdict).join(" "))
}
