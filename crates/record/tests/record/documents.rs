//! Old readers and new data.

use outpace_record::{Document, Kind, ReadError, Timestamp, Verdict, record_id};

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
    assert_eq!(record_id(b"outpace").len(), 64);
}
