//! Records: what is read is written as it was read, and a verdict can be judged again or says why
//! not.
#![no_main]

use outpace_record::{
    Anchor, Attempt, Baseline, Campaign, Document, GateRequest, Run, Test, TestResult, Verdict,
};

fn again<D: Document>(text: &str) -> Option<D> {
    let document = D::from_json(text).ok()?;
    let written = document.to_json();
    let read = D::from_json(&written).expect("what outpace wrote, it reads");
    assert_eq!(read.to_json(), written);
    Some(document)
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Some(verdict) = again::<Verdict>(text) {
        let _ = verdict.judged_again();
        let _ = outpace_repo::proven_text(&verdict);
    }
    let _ = again::<Attempt>(text);
    let _ = again::<Baseline>(text);
    let _ = again::<Campaign>(text);
    let _ = again::<GateRequest>(text);
    let _ = again::<Run>(text);
    let _ = again::<TestResult>(text);
    if let Some(Test { test: Some(index), .. }) = again::<Test>(text) {
        let _ = index.threshold();
    }
    let _ = serde_json::from_str::<Anchor>(text);
});
