//! A verdict judged again from its raw samples, under the gate of its base.

use std::collections::BTreeSet;

use outpace_record::{
    GateConfig, Kind, LossCurve, LossTarget, Protocol, Verdict, WorkloadConfig, judge_twice,
    step_time_rule,
};
use outpace_stats::{Outcome, Rule, is_reached};

/// Largest difference between a recorded figure and the recomputed one, relative above 1.
const TOLERANCE: f64 = 1e-9;

/// The e-value of sums before it became that of the medians.
const OLD_SUM_THRESHOLD: f64 = 20.0;

/// What is wrong in the figures of a verdict.
pub(super) fn findings(verdict: &Verdict, gate: &GateConfig) -> Vec<String> {
    let mut findings = stricter_than(verdict, gate);
    for check in verdict.checks.iter().filter(|check| !check.passed) {
        findings.push(format!(
            "its correctness check `{}` failed: {}",
            check.name, check.detail
        ));
    }
    if verdict.n_blocks != verdict.blocks.len() {
        findings.push(format!(
            "it counts {} blocks and has {}",
            verdict.n_blocks,
            verdict.blocks.len()
        ));
    }
    match verdict.verdict {
        Kind::Slower | Kind::Rejected => {
            findings.push(format!("its verdict is `{}`", verdict.verdict.as_str()));
        }
        Kind::Same if verdict.blocks.is_empty() => findings.extend(untimed(verdict)),
        // The time limit came before the first block.
        Kind::NotProven if verdict.blocks.is_empty() || unseeded(verdict) => {}
        kind => {
            findings.extend(judged_again(verdict));
            if kind == Kind::Faster {
                findings.extend(judged_alone(verdict));
            }
        }
    }
    findings
}

/// A gain must also be one with one process at a time.
fn judged_alone(verdict: &Verdict) -> Option<String> {
    if let Some(target) = &verdict.target {
        return judged_step_time(verdict, target);
    }
    let judged = match verdict.isolated_shape() {
        // Whole commands have no turns and no such runs.
        None if verdict.alone.is_empty() => return None,
        Some(_) if verdict.alone.is_empty() => return Some("it has no isolated runs".to_owned()),
        Some(_) => verdict.judged_again(),
        // Older versions judged isolated runs on GPUs by their median turns.
        None => {
            let rule = Rule {
                min_speedup: verdict.min_speedup,
                sum_threshold: None,
                screen: false,
                ..Rule::isolated()
            };
            outpace_stats::judge(&verdict.alone, &rule)
        }
    };
    match judged {
        Ok(judged) if judged.outcome == Outcome::Faster => None,
        Ok(_) => Some("its isolated runs do not show the gain".to_owned()),
        Err(error) => Some(format!("its isolated runs cannot be judged: {error}")),
    }
}

/// What a trial of this version cannot have measured.
fn odd_runs(verdict: &Verdict, target: &LossTarget) -> Option<String> {
    let mut seen = BTreeSet::new();
    for (i, run) in verdict.runs.iter().enumerate() {
        let base = &run.base;
        let whole = |curve: &LossCurve| {
            let most = curve.losses.len() as u64 * curve.every + curve.every > target.max_steps;
            most || is_reached(&curve.points(), target.target_loss)
        };
        let fault = if base.stopped || base.every != target.evaluate_every || !whole(base) {
            "a curve of the base that no trial ends with"
        } else if !seen.insert([run.model_seed, run.data_seed, run.text_seed]) {
            "the seeds of another one"
        } else {
            continue;
        };
        return Some(format!("its seed {} has {fault}", i + 1));
    }
    (verdict.earlier_seeds > 0 && verdict.continues.is_none())
        .then(|| "it has earlier seeds and names no record that they are from".to_owned())
}

/// Screened out, or over, before the first seed.
fn unseeded(verdict: &Verdict) -> bool {
    verdict.target.is_some() && verdict.runs.is_empty()
}

/// Where steps of the candidate are faster, that has to show in isolated runs too.
fn judged_step_time(verdict: &Verdict, target: &LossTarget) -> Option<String> {
    if target.equal_steps {
        return None;
    }
    let (rule, shape) = (
        step_time_rule(verdict.alpha, verdict.threshold),
        verdict.isolated_shape(),
    );
    match judge_twice(&verdict.blocks, &rule, &verdict.alone, shape) {
        Ok(judged) if target.confirmed_steps && judged.outcome != Outcome::Faster => {
            Some("its isolated runs do not show that steps are faster".to_owned())
        }
        Ok(_) if shape.is_none() => Some("it has no steps_per_run".to_owned()),
        Ok(_) => None,
        Err(error) => Some(format!("the time of its steps cannot be judged: {error}")),
    }
}

/// A gain of the time-to-loss track has to be measured by what its base states.
pub(super) fn off_target(verdict: &Verdict, workload: &WorkloadConfig) -> Option<String> {
    if verdict.verdict != Kind::Faster {
        return None;
    }
    let used = verdict.target.map(|target| LossTarget {
        equal_steps: false,
        confirmed_steps: false,
        ..target
    });
    let stated = workload.loss_target();
    if used != stated {
        return Some("its target is not the one that its base states".to_owned());
    }
    odd_runs(verdict, &stated?)
}

/// A gain of this version has to be priced by the real run that its base states, and to show in its
/// sums; records without `bound_blocks` are older.
pub(super) fn unpriced(verdict: &Verdict, workload: &WorkloadConfig) -> Option<String> {
    let proven = verdict.verdict == Kind::Faster && verdict.bound_blocks.is_some();
    let steps = (workload.protocol == Protocol::Steps).then_some(workload.steps_per_run);
    // Steps of equal programs are not timed for a price.
    let untimed = verdict.target.is_some_and(|target| target.equal_steps);
    if !proven {
        None
    } else if verdict.sum_threshold.is_none() {
        Some("it has no sum_threshold".to_owned())
    } else {
        (verdict.steps_per_run != steps && !untimed).then(|| {
            let shown = |steps: Option<u64>| steps.map_or("absent".to_owned(), |n| n.to_string());
            let (used, stated) = (shown(verdict.steps_per_run), shown(steps));
            format!("its steps_per_run is {used}, that of its base {stated}")
        })
    }
}

/// The rule of the verdict must not be weaker than the one that the base demands.
fn stricter_than(verdict: &Verdict, gate: &GateConfig) -> Vec<String> {
    let mut findings = Vec::new();
    if !at_most(verdict.alpha, gate.alpha) {
        findings.push(format!(
            "its alpha {} is weaker than gate.alpha {}",
            verdict.alpha, gate.alpha
        ));
    }
    if !at_most(gate.min_speedup, verdict.min_speedup) {
        findings.push(format!(
            "its min_speedup {} is weaker than gate.min_speedup {}",
            verdict.min_speedup, gate.min_speedup
        ));
    }
    if let Some(fdr) = verdict.test.as_ref().map(|test| test.fdr)
        && !at_most(fdr, gate.fdr)
    {
        let allowed = gate.fdr;
        findings.push(format!("its fdr {fdr} is weaker than gate.fdr {allowed}"));
    }
    // Verdicts from before this rule have none; those that end at the proof asked for less.
    let needed = match verdict.bound_blocks {
        Some(_) => verdict.threshold,
        None => OLD_SUM_THRESHOLD,
    };
    if let Some(used) = verdict.sum_threshold
        && !at_most(needed, used)
    {
        findings.push(format!("its sum_threshold {used} is weaker than {needed}"));
    }
    let needed = 1.0 / verdict.alpha;
    if !at_most(needed * (1.0 - TOLERANCE), verdict.threshold) {
        findings.push(format!(
            "its threshold {} is weaker than 1/alpha = {needed}",
            verdict.threshold
        ));
    }
    findings
}

/// `a <= b`, and false for NaN.
fn at_most(a: f64, b: f64) -> bool {
    a <= b
}

/// `same` without samples needs equal artefacts.
fn untimed(verdict: &Verdict) -> Option<String> {
    let equal = verdict
        .artefacts
        .as_ref()
        .is_some_and(|[base, candidate]| base == candidate && !base.is_empty());
    (!equal).then(|| "it says `same` without samples and without equal artefacts".to_owned())
}

fn judged_again(verdict: &Verdict) -> Vec<String> {
    let judgement = match verdict.judged_again() {
        Ok(judgement) => judgement,
        Err(error) => return vec![format!("its samples cannot be judged: {error}")],
    };
    let mut findings = Vec::new();
    let outcome = Kind::from(judgement.outcome);
    if outcome != verdict.verdict {
        findings.push(format!(
            "its samples give `{}`, not `{}`",
            outcome.as_str(),
            verdict.verdict.as_str()
        ));
    }
    let summary = judgement.summary;
    let (samples, what) = match verdict.target {
        None => (verdict.blocks.len(), "blocks"),
        Some(_) => (verdict.runs.len(), "seeds"),
    };
    if summary.n_blocks != samples {
        findings.push(format!(
            "it was settled after {} of its {samples} {what}",
            summary.n_blocks,
        ));
    }
    for (name, recorded, again) in [
        ("log_e", verdict.log_e, Some(summary.log_e)),
        (
            "speedup",
            verdict.speedup,
            Some(summary.speedup).filter(|gain| gain.is_finite()),
        ),
        ("at_least", verdict.at_least, summary.at_least),
        ("at_most", verdict.at_most, summary.at_most),
    ] {
        if !agree(recorded, again) {
            findings.push(format!(
                "its {name} is {}, its samples give {}",
                shown(recorded),
                shown(again)
            ));
        }
    }
    findings
}

fn agree(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(1.0),
        (None, None) => true,
        _ => false,
    }
}

fn shown(figure: Option<f64>) -> String {
    figure.map_or("absent".to_owned(), |figure| figure.to_string())
}
