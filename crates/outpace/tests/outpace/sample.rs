//! The committed sample campaign is what this version would make of its samples.

use std::path::PathBuf;

use outpace_record::{Attempt, Campaign, Kind};
use outpace_stats::judge;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../reports/sample")
}

fn sample() -> (Campaign, Vec<Attempt>) {
    let text = std::fs::read_to_string(folder().join("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let campaign = serde_json::from_value(report["campaign"].clone()).unwrap();
    (
        campaign,
        serde_json::from_value(report["attempts"].clone()).unwrap(),
    )
}

#[test]
fn every_verdict_of_the_sample_follows_from_its_raw_samples() {
    let (campaign, attempts) = sample();
    assert!(!attempts.is_empty());
    for attempt in attempts {
        for verdict in attempt
            .verdicts
            .iter()
            .filter(|v| v.n_blocks > 0 && v.verdict != Kind::Rejected)
        {
            let judged = judge(&verdict.blocks, &verdict.rule()).unwrap();
            let name = format!("{} {}", attempt.number, attempt.title);
            assert_eq!(Kind::from(judged.outcome), verdict.verdict, "{name}");
            assert_eq!(judged.reason.as_str(), verdict.reason, "{name}");
            assert_eq!(judged.summary.n_blocks, verdict.n_blocks, "{name}");
            assert!(
                (judged.summary.speedup - verdict.speedup.unwrap()).abs() < 1e-9,
                "{name}"
            );
            assert_eq!(
                judged.summary.at_least.is_some(),
                verdict.at_least.is_some(),
                "{name}"
            );
        }
        assert_eq!(attempt.campaign, campaign.id);
        assert_eq!(
            attempt.merged.is_some(),
            attempt.verdict == Kind::Faster,
            "{}",
            attempt.title
        );
    }
}

#[test]
fn the_picture_of_the_readme_is_drawn_from_the_sample() {
    let (campaign, attempts) = sample();
    let drawn = outpace_report::campaign_svg(&campaign, &attempts).unwrap();
    let committed = std::fs::read_to_string(folder().join("campaign.svg")).unwrap();
    assert_eq!(
        drawn, committed,
        "draw it again: outpace report --campaign {} --out reports/sample",
        campaign.id
    );
}
