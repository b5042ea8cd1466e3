//! JSON Schemas, generated from the types that write the documents.

use schemars::schema_for;

use crate::{
    Attempt, Audit, Baseline, BaselineCheck, Baselines, Bisection, Blessing, Campaign, Change,
    CiResult, Doctor, EventLine, Failure, GateRequest, HistoryEntry, ImportedFigure, Judgement,
    Profile, Regressions, Report, Reproduction, Run, Test, TestResult, Verdict,
};

/// Names that `json_schema` knows.
pub const SCHEMAS: [&str; 25] = [
    "attempt",
    "audit",
    "baseline",
    "baseline-check",
    "baselines",
    "bisection",
    "blessing",
    "campaign",
    "change",
    "ci-result",
    "doctor",
    "entry",
    "event",
    "failure",
    "imported",
    "judgement",
    "profile",
    "regressions",
    "report",
    "reproduction",
    "request",
    "run",
    "test",
    "test-result",
    "verdict",
];

/// The JSON Schema (draft 2020-12) of `outpace.<name>/1`, or nothing for an unknown name.
pub fn json_schema(name: &str) -> Option<serde_json::Value> {
    let schema = match name {
        "attempt" => schema_for!(Attempt),
        "audit" => schema_for!(Audit),
        "baseline" => schema_for!(Baseline),
        "baseline-check" => schema_for!(BaselineCheck),
        "baselines" => schema_for!(Baselines),
        "bisection" => schema_for!(Bisection),
        "blessing" => schema_for!(Blessing),
        "campaign" => schema_for!(Campaign),
        "change" => schema_for!(Change),
        "ci-result" => schema_for!(CiResult),
        "doctor" => schema_for!(Doctor),
        "entry" => schema_for!(HistoryEntry),
        "event" => schema_for!(EventLine),
        "failure" => schema_for!(Failure),
        "imported" => schema_for!(ImportedFigure),
        "judgement" => schema_for!(Judgement),
        "profile" => schema_for!(Profile),
        "regressions" => schema_for!(Regressions),
        "report" => schema_for!(Report),
        "reproduction" => schema_for!(Reproduction),
        "request" => schema_for!(GateRequest),
        "run" => schema_for!(Run),
        "test" => schema_for!(Test),
        "test-result" => schema_for!(TestResult),
        "verdict" => schema_for!(Verdict),
        _ => return None,
    };
    let mut value = schema.to_value();
    value["$id"] = format!("outpace.{name}/1").into();
    value["properties"]["schema"]["const"] = format!("outpace.{name}/1").into();
    Some(value)
}
