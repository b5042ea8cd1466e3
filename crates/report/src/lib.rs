//! Records to HTML, Markdown, JSON, SVG and PNG.
//!
//! Every function here is a pure function of the records it is given, except [`write()`], which puts their results into a folder. There
//! is no clock, no git and no network; the page loads nothing from anywhere. Titles, reasons, diffs and names are untrusted text:
//! they are cut to length, freed of control characters and escaped on their way into every format.

mod error;
pub mod format;
mod html;
mod json;
mod markdown;
mod plot;
mod png;
mod recompute;
mod settings;
mod story;
mod text;
mod words;
mod write;

use outpace_record::{Attempt, Baseline, Campaign, Run, Timestamp, Verdict};

pub use error::ReportError;
pub use html::html;
pub use json::json;
pub use markdown::markdown;
pub use png::{MAX_PNG_WIDTH_PX, png};
pub use write::{Formats, write};

/// What a report is made from. Everything but the title and the moment may be missing.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportData {
    /// Title of the page.
    pub title: String,
    /// The campaign, if it is a report of one.
    pub campaign: Option<Campaign>,
    /// Its attempts, in order of their number.
    pub attempts: Vec<Attempt>,
    /// Verdicts of single gates and comparisons.
    pub verdicts: Vec<Verdict>,
    /// Runs of the history, by commit, oldest first.
    pub runs: Vec<Run>,
    /// Stored baselines.
    pub baselines: Vec<Baseline>,
    /// What else belongs in the table of machine and settings: name and value.
    pub settings: Vec<(String, String)>,
    /// When the report was made.
    pub generated: Timestamp,
}

/// The campaign picture as an SVG file: attempts, merged ones with names and whiskers, what is proven as a staircase.
///
/// # Errors
/// The picture cannot be drawn.
pub fn campaign_svg(campaign: &Campaign, attempts: &[Attempt]) -> Result<String, ReportError> {
    plot::campaign::picture(campaign, attempts, plot::Layout::Wide).map(|p| p.standalone())
}

/// The verdict picture as an SVG file: left its blocks, right the evidence growing to its threshold.
///
/// # Errors
/// The picture cannot be drawn.
pub fn verdict_svg(verdict: &Verdict) -> Result<String, ReportError> {
    plot::verdict::picture(verdict).map(|p| p.standalone())
}

/// The history picture of one workload as an SVG file; runs oldest first, those of other workloads are left out.
///
/// # Errors
/// The picture cannot be drawn.
pub fn history_svg(runs: &[Run], workload: &str) -> Result<String, ReportError> {
    plot::history::picture(runs, workload, plot::Layout::Wide).map(|p| p.standalone())
}
