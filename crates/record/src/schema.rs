//! JSON Schemas, generated from the types that write the documents.

use schemars::schema_for;

use crate::{Attempt, Baseline, Campaign, Doctor, Judgement, Profile, Run, Verdict};

/// Names that `json_schema` knows.
pub const SCHEMAS: [&str; 8] = [
    "attempt",
    "baseline",
    "campaign",
    "doctor",
    "judgement",
    "profile",
    "run",
    "verdict",
];

/// The JSON Schema (draft 2020-12) of `outpace.<name>/1`, or nothing for an unknown name.
pub fn json_schema(name: &str) -> Option<serde_json::Value> {
    let schema = match name {
        "attempt" => schema_for!(Attempt),
        "baseline" => schema_for!(Baseline),
        "campaign" => schema_for!(Campaign),
        "doctor" => schema_for!(Doctor),
        "judgement" => schema_for!(Judgement),
        "profile" => schema_for!(Profile),
        "run" => schema_for!(Run),
        "verdict" => schema_for!(Verdict),
        _ => return None,
    };
    let mut value = schema.to_value();
    value["$id"] = format!("outpace.{name}/1").into();
    value["properties"]["schema"]["const"] = format!("outpace.{name}/1").into();
    Some(value)
}
