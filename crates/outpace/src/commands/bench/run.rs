//! The record of a commit: from what was measured, or from a commit with the same artefact.

use outpace_gate::{Harness, Pairing};
use outpace_record::{Beside, Block, Document, Run, Timestamp};
use outpace_repo::Commit;
use outpace_stats::{MEDIAN_ERROR, lower_bound, median, standard_deviation, upper_bound};
use outpace_text::plain;
use outpace_track::Point;
use outpace_trial::SideBySide;

use super::anchor::Anchor;
use crate::setup::{VERSION, now};
use crate::tracking::log_ratios;

/// What was measured beside the anchor.
pub(super) fn timed(empty: Run, anchor: &Anchor, measured: &SideBySide, alpha: f64) -> Run {
    let x = log_ratios(&measured.blocks);
    let [anchor_s, step_s] = measured.step_s();
    let tokens = measured.tokens_per_s;
    let beside = Beside {
        anchor: anchor.commit.id.clone(),
        bridge: anchor.bridge.clone(),
        speedup: median(&x).exp_m1(),
        at_least: lower_bound(&x, alpha).map(f64::exp_m1),
        at_most: upper_bound(&x, alpha).map(f64::exp_m1),
        alpha,
        sd: match x.len() {
            0 | 1 => 0.0,
            n => MEDIAN_ERROR * standard_deviation(&x) / (n as f64).sqrt(),
        },
        anchor_step_time_s: anchor_s,
        anchor_tokens_per_s: tokens.map(|tokens| tokens.base),
        n_blocks: measured.blocks.len(),
        blocks: measured.blocks.clone(),
        ..Beside::default()
    };
    let ready = of_commit(&measured.blocks, |block| block.ready_s);
    let peak = of_commit(&measured.blocks, |block| block.peak_mib);
    Run {
        beside: Some(beside),
        steps_per_turn: measured.plan.steps_per_turn,
        step_time_s: step_s,
        tokens_per_s: tokens.map(|tokens| tokens.candidate),
        process_sd: process_sd(&measured.blocks),
        ready_s: match ready.is_empty() {
            true => 0.0,
            false => median(&ready),
        },
        peak_mib: peak.into_iter().fold(0.0, f64::max),
        ..empty
    }
}

/// The figures of a commit with the same artefact, as a ratio to this anchor; no samples.
pub(super) fn copied(empty: Run, anchor: &Anchor, of: &Point, alpha: f64) -> Run {
    let bridge = anchor.bridge.clone().unwrap_or_default();
    let gain = |value: f64| (value - bridge.log_ratio).exp_m1();
    let [low, high] = of.bounds;
    let beside = Beside {
        anchor: anchor.commit.id.clone(),
        bridge: anchor.bridge.clone(),
        speedup: gain(of.value),
        at_least: low.map(gain),
        at_most: high.map(gain),
        alpha,
        sd: (of.sd * of.sd - bridge.sd * bridge.sd).max(0.0).sqrt(),
        same_as: Some(of.commit.clone()),
        ..Beside::default()
    };
    Run {
        beside: Some(beside),
        step_time_s: of.step_time_s,
        tokens_per_s: of.tokens_per_s,
        ..empty
    }
}

/// The same with everything that names it.
pub(super) fn named(
    run: Run,
    commit: &Commit,
    pairing: Pairing,
    seed: u64,
    started: Timestamp,
) -> Run {
    let [anchor, artefact] = pairing.artefacts;
    let beside = run.beside.map(|beside| Beside {
        anchor_artefact: anchor,
        ..beside
    });
    Run {
        commit: commit.id.clone(),
        summary: plain(&commit.summary, 120),
        committed: Some(Timestamp::from_unix_seconds(commit.time_unix)),
        beside,
        artefact,
        seed,
        started,
        finished: now(),
        ..run
    }
}

/// A record of nothing yet.
pub(super) fn empty(workload: &str, harness: &Harness<'_>) -> Run {
    Run {
        schema: Run::SCHEMA.into(),
        workload: workload.to_owned(),
        commit: String::new(),
        summary: String::new(),
        committed: None,
        beside: None,
        turns_s: Vec::new(),
        steps_per_turn: 0,
        step_time_s: 0.0,
        tokens_per_s: None,
        process_sd: 0.0,
        ready_s: 0.0,
        peak_mib: 0.0,
        loss: None,
        artefact: String::new(),
        machine_class: harness.machine.class(),
        machine: harness.machine.clone(),
        sandbox_tier: harness.sandbox_tier,
        seed: 0,
        outpace_version: VERSION.into(),
        started: now(),
        finished: now(),
    }
}

/// A figure of the commit's processes.
fn of_commit(blocks: &[Block], of: fn(&Block) -> Option<[f64; 2]>) -> Vec<f64> {
    blocks.iter().filter_map(of).map(|[_, own]| own).collect()
}

/// The standard deviation of the logarithms of the commit's medians, process by process.
fn process_sd(blocks: &[Block]) -> f64 {
    let of_block = |block: &Block| {
        let times: Vec<f64> = block.pairs.iter().map(|pair| pair[1]).collect();
        median(&times).ln()
    };
    let logs: Vec<f64> = blocks.iter().map(of_block).collect();
    match logs.len() {
        0 | 1 => 0.0,
        _ => standard_deviation(&logs),
    }
}
