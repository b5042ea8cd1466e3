//! The report as `outpace.report/1`: every record it was made from, and the figures on top of the page.

use serde_json::{Value, json};

use crate::ReportData;
use crate::story::{Fate, Story};

/// Everything as one JSON document that ends in a newline.
pub fn json(data: &ReportData) -> String {
    let settings: Vec<Value> = data
        .settings
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let document = json!({
        "schema": "outpace.report/1",
        "title": data.title,
        "generated": data.generated,
        "summary": summary(data),
        "campaign": data.campaign,
        "attempts": data.attempts,
        "verdicts": data.verdicts,
        "runs": data.runs,
        "baselines": data.baselines,
        "settings": settings,
    });
    format!("{document}\n")
}

fn summary(data: &ReportData) -> Option<Value> {
    let story = Story::new(data.campaign.as_ref()?, &data.attempts);
    Some(json!({
        "tried": story.steps.len(),
        "merged": story.count(Fate::Merged),
        "rejected": story.count(Fate::Rejected),
        "start": story.start,
        "end": story.estimate(),
        "unit": story.unit_text(),
        "speedup": story.estimated_gain(),
        "at_least": story.proven_gain(),
    }))
}
