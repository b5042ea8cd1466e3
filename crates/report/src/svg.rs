//! The pictures as files of their own.

use outpace_record::{Attempt, Campaign, Run, Verdict};

use crate::error::ReportError;
use crate::plot;
use crate::plot::units::Layout;

/// The campaign picture as an SVG file: every attempt, merged ones with names and whiskers, and
/// what is proven as a staircase.
///
/// # Errors
/// The picture cannot be drawn.
pub fn campaign_svg(campaign: &Campaign, attempts: &[Attempt]) -> Result<String, ReportError> {
    plot::campaign::picture(campaign, attempts, Layout::Wide).map(|p| p.standalone())
}

/// The verdict picture as an SVG file: its blocks on the left, on the right the evidence growing
/// to its threshold. Where seeds decide, their loss curves stand before both.
///
/// # Errors
/// The picture cannot be drawn.
pub fn verdict_svg(verdict: &Verdict) -> Result<String, ReportError> {
    plot::verdict::picture(verdict).map(|p| p.standalone())
}

/// The history picture of one workload as an SVG file. Runs come oldest first; those of other
/// workloads are left out.
///
/// # Errors
/// The picture cannot be drawn.
pub fn history_svg(runs: &[Run], workload: &str) -> Result<String, ReportError> {
    plot::history::picture(runs, workload, Layout::Wide).map(|p| p.standalone())
}
