//! Proofs and baselines: where they are in the tree, and how a baseline follows from a verdict.

use outpace_record::{Anchor, Baseline, Document, Kind, Verdict};

/// Folder that only outpace writes.
pub(crate) const BASELINES: &str = "baselines";
/// Folder of the proofs in it.
pub(crate) const PROOFS: &str = "baselines/proofs/";

/// Where the proof of a merge is in the tree: `baselines/proofs/<16 digits of its record id>.json`.
pub fn proof_path(verdict_id: &str) -> String {
    let short: String = verdict_id.chars().take(16).collect();
    format!("{PROOFS}{short}.json")
}

/// The baseline after a merge. It follows from the one before and the verdict alone, so that an
/// audit can compute it again.
///
/// Without an old one, or if the verdict cannot be compared with its anchor, the base of the
/// verdict becomes the anchor. Throughput is 0 if the workload does not state it.
pub fn next_baseline(old: Option<Baseline>, verdict: &Verdict, verdict_id: &str) -> Baseline {
    let tokens = |pick: fn(&outpace_record::TokensPerS) -> f64| {
        verdict.tokens_per_s.as_ref().map_or(0.0, pick)
    };
    let (anchor, merges, speedup, at_least) = match old.filter(|_| !verdict.begins_anew()) {
        Some(old) => (old.anchor, old.merges, old.speedup, old.at_least),
        None => (
            Anchor {
                commit: verdict.base.clone(),
                tokens_per_s: tokens(|t| t.base),
            },
            0,
            0.0,
            0.0,
        ),
    };
    // A workload that the merge did not make faster gets an anchor, and no gain.
    let proven = verdict.verdict == Kind::Faster;
    let compound = |so_far: f64, gain: Option<f64>| {
        let gain = gain.filter(|_| proven).unwrap_or(0.0);
        (1.0 + so_far) * (1.0 + gain) - 1.0
    };
    Baseline {
        schema: Baseline::SCHEMA.to_owned(),
        workload: verdict.workload.clone(),
        machine_class: verdict.machine_class.clone(),
        machine: verdict.machine.clone(),
        base: verdict.base.clone(),
        patch_sha256: verdict.patch_sha256.clone().unwrap_or_default(),
        verdict: verdict_id.to_owned(),
        tokens_per_s: tokens(if proven { |t| t.candidate } else { |t| t.base }),
        anchor,
        merges: merges + usize::from(proven),
        speedup: compound(speedup, verdict.speedup),
        at_least: compound(at_least, verdict.at_least),
        updated: verdict.finished,
    }
}
