//! The report as `outpace.report/1`: every record it was made from, and the figures on top of the page.

use outpace_record::{Document, Report, ReportSummary, Setting};

use crate::story::{Fate, Story};
use crate::{ReportData, settings};

/// Everything as one JSON document that ends in a newline.
pub fn json(data: &ReportData) -> String {
    let setting = |(name, value): (String, String)| Setting { name, value };
    let document = Report {
        schema: Report::SCHEMA.into(),
        title: data.title.clone(),
        generated: data.generated,
        summary: summary(data),
        campaign: data.campaign.clone(),
        attempts: data.attempts.clone(),
        verdicts: data.verdicts.clone(),
        runs: data.runs.clone(),
        baselines: data.baselines.clone(),
        settings: settings::rows(data).into_iter().map(setting).collect(),
    };
    let text = serde_json::to_string(&document).expect("records hold no map with non-string keys");
    format!("{text}\n")
}

fn summary(data: &ReportData) -> Option<ReportSummary> {
    let story = Story::new(data.campaign.as_ref()?, &data.attempts);
    Some(ReportSummary {
        tried: story.steps.len(),
        merged: story.count(Fate::Merged),
        rejected: story.count(Fate::Rejected),
        start: story.start,
        end: story.estimate(),
        unit: story.unit_text().to_owned(),
        speedup: story.estimated_gain(),
        at_least: story.proven_gain(),
    })
}
