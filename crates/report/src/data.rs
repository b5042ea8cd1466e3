//! What a report is made from.

use outpace_record::{Attempt, Baseline, Campaign, Report, Run, Timestamp, Verdict};

/// The records of a report. Everything but the title and the time may be missing.
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
    /// Settings that no record holds: name and value. One that a record holds is not repeated.
    pub settings: Vec<(String, String)>,
    /// When the report was made.
    pub generated: Timestamp,
}

/// A report that was written as JSON, to draw it again.
impl From<Report> for ReportData {
    fn from(report: Report) -> Self {
        let settings = report.settings.into_iter();
        Self {
            title: report.title,
            campaign: report.campaign,
            attempts: report.attempts,
            verdicts: report.verdicts,
            runs: report.runs,
            baselines: report.baselines,
            settings: settings.map(|s| (s.name, s.value)).collect(),
            generated: report.generated,
        }
    }
}
