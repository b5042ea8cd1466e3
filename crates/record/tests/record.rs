//! Old readers and new data, configuration errors, schemas.

use outpace_record::{
    Document, Kind, ReadError, SCHEMAS, Timestamp, Verdict, json_schema, parse_config,
    parse_duration, record_id,
};

const MINIMAL: &str =
    "version = 1\n[workload.w]\nrun = [\"true\"]\n[policy]\neditable = [\"src/**\"]\n";

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
fn every_document_has_a_schema_that_its_own_output_passes() {
    for name in SCHEMAS {
        let schema = json_schema(name).unwrap();
        jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let validator = jsonschema::validator_for(&json_schema("verdict").unwrap()).unwrap();
    let verdict = Verdict::from_json(OLD_VERDICT).unwrap().to_json();
    assert!(
        validator.is_valid(&serde_json::from_str(&verdict).unwrap()),
        "{verdict}"
    );
    assert!(!validator.is_valid(&serde_json::json!({"schema": "outpace.verdict/1"})));
    assert!(json_schema("nonsense").is_none());
}

#[test]
fn the_minimal_configuration_has_the_documented_defaults() {
    let config = parse_config(MINIMAL, "outpace.toml").unwrap();
    let gate = &config.gate;
    assert_eq!(
        (gate.alpha, gate.fdr, gate.min_speedup),
        (0.01, 0.05, 0.005)
    );
    assert_eq!(
        (gate.max_blocks, gate.campaign_max_blocks, gate.pairs),
        (100, 48, 40)
    );
    assert_eq!(config.policy.max_patch_kib, 64);
}

#[test]
fn configuration_errors_name_place_key_and_nearest_key() {
    let check = |from: &str, to: &str, parts: &[&str]| {
        let text = MINIMAL.replace(from, to);
        let error = parse_config(&text, "outpace.toml").unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{to:?}: `{part}` is not in `{error}`");
        }
    };
    check(
        "run =",
        "rnu =",
        &["outpace.toml:3", "rnu", "did you mean `run`"],
    );
    check(
        "run = [\"true\"]",
        "run = \"true\"",
        &["outpace.toml:3", "sequence"],
    );
    check(
        "run = [\"true\"]",
        "run = []",
        &["outpace.toml:3", "workload.w.run", "empty"],
    );
    check(
        "run = [\"true\"]",
        "run = [\"true\"]\ntrack = \"troughput\"",
        &["outpace.toml:4", "did you mean `throughput`"],
    );
    check(
        "run = [\"true\"]",
        "run = [\"true\"]\ntimeout = \"5 years\"",
        &["outpace.toml:4", "90s"],
    );
    check(
        "version = 1",
        "version = 1\n[agent.tune]\ncommand = [\"x\"]",
        &["agent.tune", "take another one"],
    );
    check(
        "version = 1",
        "version = 2",
        &["outpace.toml:1", "version 1"],
    );
    check(
        "version = 1",
        "version = 1\n[gate]\nalpha = 1.5",
        &["outpace.toml:3", "gate.alpha", "1.5"],
    );
    check(
        "version = 1",
        "version = 1\n[gate]\nworkloads = [\"x\"]",
        &["gate.workloads", "[workload.x]"],
    );
    check(
        "[policy]",
        "[plicy]",
        &["outpace.toml:4", "did you mean `policy`"],
    );
    check(
        "editable = [\"src/**\"]",
        "editable = []",
        &["policy.editable", "no patch can ever pass"],
    );
    check("[workload.w]", "[workload.\"../w\"]", &["letters, digits"]);
    check(
        "version = 1",
        "version = 1\n[[tunable]]\nfile = \"a\"\nvalues = [1, 2]",
        &["either a `key`"],
    );
    check("version = 1", "version = ", &["outpace.toml:1"]);
}

#[test]
fn durations() {
    for (text, seconds) in [
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1d", 86400),
    ] {
        assert_eq!(parse_duration(text).unwrap().as_secs(), seconds, "{text}");
    }
    for text in [
        "",
        "10",
        "m",
        "-5m",
        "0s",
        "1.5h",
        "99999999999999999999h",
        "10 minutes",
    ] {
        assert!(parse_duration(text).is_err(), "{text}");
    }
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
