//! The request of a gate, and the schema that each kind of document has.
#![no_main]

use outpace_record::{Document, GateRequest, json_schema};

libfuzzer_sys::fuzz_target!(|text: &str| {
    match GateRequest::from_json(text) {
        Ok(request) => assert!(GateRequest::from_json(&request.to_json()).is_ok()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let _ = json_schema(text);
});
