//! The committed sample report is what this version makes of its records.

use std::path::PathBuf;

use outpace_record::{Document, Kind, Report, Verdict};
use outpace_report::{ReportData, campaign_svg, html, json, markdown};
use outpace_stats::judge;

fn committed(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../reports/sample");
    std::fs::read_to_string(path.join(name)).unwrap()
}

fn sample() -> ReportData {
    Report::from_json(&committed("report.json")).unwrap().into()
}

#[test]
fn every_verdict_of_the_sample_follows_from_its_raw_samples() {
    let data = sample();
    assert!(!data.attempts.is_empty());
    for attempt in &data.attempts {
        let verdicts = attempt.verdicts.iter();
        verdicts
            .filter(|v| v.n_blocks > 0 && v.verdict != Kind::Rejected)
            .for_each(|v| check_verdict(v, &format!("{} {}", attempt.number, attempt.title)));
        assert_eq!(attempt.campaign, data.campaign.as_ref().unwrap().id);
        assert_eq!(
            attempt.merged.is_some(),
            attempt.verdict == Kind::Faster,
            "{}",
            attempt.title
        );
    }
}

fn check_verdict(verdict: &Verdict, name: &str) {
    let judged = judge(&verdict.blocks, &verdict.rule()).unwrap();
    assert_eq!(Kind::from(judged.outcome), verdict.verdict, "{name}");
    assert_eq!(judged.reason.as_str(), verdict.reason, "{name}");
    assert_eq!(judged.summary.n_blocks, verdict.n_blocks, "{name}");
    let difference = judged.summary.speedup - verdict.speedup.unwrap();
    assert!(difference.abs() < 1e-9, "{name}");
    let has_bound = judged.summary.at_least.is_some();
    assert_eq!(has_bound, verdict.at_least.is_some(), "{name}");
}

#[test]
fn the_sample_is_drawn_by_this_version() {
    let data = sample();
    let picture = campaign_svg(data.campaign.as_ref().unwrap(), &data.attempts).unwrap();
    for (name, drawn) in [
        ("campaign.svg", picture),
        ("index.html", html(&data).unwrap()),
        ("report.md", markdown(&data)),
        ("report.json", json(&data)),
    ] {
        assert!(
            drawn == committed(name),
            "reports/sample/{name} is out of date. Hint: cargo run --release -p outpace-report \
             --example sample -- reports/sample reports/sample/report.json"
        );
    }
}
