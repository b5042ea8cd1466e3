//! The report as `outpace.report/1`: every record it was made from, and the figures at the top of
//! the page.

use outpace_record::{Document, Report, ReportSummary, Setting};

use crate::campaign_summary::CampaignSummary;
use crate::data::ReportData;
use crate::settings;
use crate::status::AttemptStatus;

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
    let summary = CampaignSummary::new(data.campaign.as_ref()?, &data.attempts);
    Some(ReportSummary {
        tried: summary.steps.len(),
        merged: summary.count(AttemptStatus::Merged),
        rejected: summary.count(AttemptStatus::Rejected),
        start: summary.start,
        end: summary.estimate(),
        unit: summary.unit_of_levels().to_owned(),
        speedup: summary.estimated_gain(),
        at_least: summary.proven_gain(),
    })
}
