//! Every document passes its schema (invariant 7), and one that is not right does not.

use std::collections::BTreeSet;

use outpace_record::{SCHEMAS, json_schema};
use serde_json::{Value, json};

use crate::examples::examples;

fn validator(name: &str) -> jsonschema::Validator {
    let schema = json_schema(name).unwrap();
    jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_document_passes_its_schema() {
    for name in SCHEMAS {
        let validator = validator(name);
        for example in examples(name) {
            let error = validator.validate(&example).err();
            assert!(error.is_none(), "{name}: {error:?}\n{example:#}");
        }
    }
    assert!(json_schema("nonsense").is_none());
}

#[test]
fn the_examples_are_full() {
    for name in SCHEMAS {
        let (mut known, mut used) = (BTreeSet::new(), BTreeSet::new());
        properties(&json_schema(name).unwrap(), &mut known);
        let examples = examples(name);
        examples.iter().for_each(|example| keys(example, &mut used));
        let missing: Vec<_> = known.difference(&used).collect();
        assert!(missing.is_empty(), "no example of {name} has {missing:?}");
    }
}

#[test]
fn there_is_an_example_of_every_event() {
    let schema = json_schema("event").unwrap();
    let variants = schema["oneOf"].as_array().unwrap().iter();
    let known: BTreeSet<Option<&str>> = variants
        .map(|v| v["properties"]["event"]["const"].as_str())
        .collect();
    let examples = examples("event");
    let used: BTreeSet<Option<&str>> = examples
        .iter()
        .map(|example| example["event"].as_str())
        .collect();
    assert_eq!(known, used);
}

#[test]
fn a_wrong_document_does_not_pass() {
    for name in SCHEMAS {
        let schema = json_schema(name).unwrap();
        let validator = validator(name);
        let example = &examples(name)[0];
        let refused = |what: &str, wrong: &Value| {
            assert!(!validator.is_valid(wrong), "{name}, {what}:\n{wrong:#}");
        };
        refused("empty", &json!({}));
        let mut renamed = example.clone();
        renamed["schema"] = "outpace.other/1".into();
        refused("another schema", &renamed);
        for key in schema["required"].as_array().unwrap() {
            let mut without = example.clone();
            let key = key.as_str().unwrap();
            without.as_object_mut().unwrap().remove(key).unwrap();
            refused(&format!("without {key}"), &without);
        }
        for key in example.as_object().unwrap().keys() {
            let mut wrong = example.clone();
            wrong[key] = if wrong[key].is_object() {
                json!("text")
            } else {
                json!({})
            };
            refused(&format!("wrong {key}"), &wrong);
        }
    }
}

/// Names of all properties in a schema.
fn properties(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(parts) => {
            if let Some(Value::Object(own)) = parts.get("properties") {
                names.extend(own.keys().cloned());
            }
            parts.values().for_each(|part| properties(part, names));
        }
        Value::Array(parts) => parts.iter().for_each(|part| properties(part, names)),
        _ => {}
    }
}

/// Keys of all objects in a document whose value says something.
fn keys(document: &Value, names: &mut BTreeSet<String>) {
    match document {
        Value::Object(parts) => {
            let empty = [json!(null), json!([]), json!({})];
            let said = parts.iter().filter(|(_, value)| !empty.contains(value));
            names.extend(said.map(|(key, _)| key.clone()));
            parts.values().for_each(|part| keys(part, names));
        }
        Value::Array(parts) => parts.iter().for_each(|part| keys(part, names)),
        _ => {}
    }
}
