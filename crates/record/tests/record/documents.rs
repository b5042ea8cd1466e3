//! Old readers and new data.

use std::time::{Duration, UNIX_EPOCH};

use outpace_record::{Block, Document, Kind, ReadError, Timestamp, Verdict, record_id};
use outpace_stats::Reason;

/// A verdict as the first version wrote it: required keys only.
const OLD_VERDICT: &str = r#"{
  "schema": "outpace.verdict/1", "verdict": "not_proven", "reason": "blocks exhausted", "threshold": 100.0, "alpha": 0.01,
  "min_speedup": 0.005, "n_blocks": 0, "workload": "w", "track": "throughput", "base": "8c1f0e2", "machine_class": "m",
  "sandbox_tier": "none", "seeds": {"trial": 7}, "outpace_version": "0.1.0",
  "started": "2026-05-19T08:30:00Z", "finished": "2026-05-19T08:31:00Z"
}"#;

#[test]
fn a_document_of_the_first_version_is_read_and_survives_a_round_trip() {
    let verdict = Verdict::from_json(OLD_VERDICT).unwrap();
    assert_eq!(verdict.verdict, Kind::NotProven);
    assert_eq!(verdict.max_blocks, 100);
    assert_eq!(Verdict::from_json(&verdict.to_json()).unwrap(), verdict);
}

#[test]
fn fields_of_the_future_are_ignored() {
    let newer = OLD_VERDICT.replacen('{', r#"{"moon_phase": [1, {"x": 2}],"#, 1);
    assert_eq!(
        Verdict::from_json(&newer).unwrap(),
        Verdict::from_json(OLD_VERDICT).unwrap()
    );
}

#[test]
fn another_kind_and_a_newer_version_are_refused_by_name() {
    let run = OLD_VERDICT.replace("outpace.verdict/1", "outpace.run/1");
    assert!(
        matches!(Verdict::from_json(&run), Err(ReadError::OtherKind { found, .. }) if found == "outpace.run/1")
    );
    let newer = OLD_VERDICT.replace("outpace.verdict/1", "outpace.verdict/2");
    let error = Verdict::from_json(&newer).unwrap_err();
    assert!(
        matches!(error, ReadError::Newer { .. }) && error.to_string().contains("update outpace"),
        "{error}"
    );
}

#[test]
fn timestamps_and_ids() {
    let t = Timestamp::from_unix_seconds(1_779_179_400);
    assert_eq!(
        (t.to_string().as_str(), t.date().as_str()),
        ("2026-05-19T08:30:00Z", "2026-05-19")
    );
    assert_eq!(t.minute(), "2026-05-19 08:30");
    // What is written within one second keeps its order; a person is shown seconds.
    let at = |ms: u64| Timestamp::from_system(UNIX_EPOCH + Duration::from_millis(ms));
    let [sooner, later] = [at(1_779_179_400_125), at(1_779_179_400_126)];
    assert!(t < sooner && sooner < later);
    let json = serde_json::to_string(&sooner).unwrap();
    assert_eq!(json, "\"2026-05-19T08:30:00.125Z\"");
    assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), sooner);
    assert_eq!(sooner.to_string(), t.to_string());
    assert_eq!(record_id(b"outpace").len(), 64);
}

#[test]
fn a_proven_gain_has_to_show_in_isolated_runs_where_they_are_part_of_the_rule() {
    let run = |candidate_s: f64| Block {
        pairs: vec![[0.1, candidate_s]; 8],
        ..Block::default()
    };
    let mut verdict = Verdict {
        blocks: vec![run(0.08); 8],
        alone: vec![run(0.08); 8],
        steps_per_turn: 1,
        ..Verdict::from_json(OLD_VERDICT).unwrap()
    };
    let reason = |verdict: &Verdict| verdict.judged_again().unwrap().reason;
    verdict.steps_per_run = Some(10_000);
    assert_eq!(reason(&verdict), Reason::GainProven);
    for alone in [vec![], vec![run(0.08); 3], vec![run(0.1); 8]] {
        verdict.alone = alone;
        assert_eq!(reason(&verdict), Reason::NotConfirmed);
    }
    // Side by side it was proven not to be slower.
    verdict.margin = Some(0.01);
    assert_eq!(reason(&verdict), Reason::NotSlowerProven);
    // Whole commands, and verdicts of older versions, have none.
    verdict.steps_per_run = None;
    assert_eq!(reason(&verdict), Reason::GainProven);
    verdict.steps_per_run = Some(10_000);
    verdict.alone = vec![Block::default()];
    assert!(verdict.judged_again().is_err());
}
