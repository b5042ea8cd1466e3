//! On a GPU a program could work in the turns of the other: compute ahead what it will be asked
//! for, or leave behind what it has said is done. Neither helps it in isolated runs. So a gain that
//! was proven with both processes alive has to show again with one process at a time.

use outpace_record::{Block, Check, Event, Observer};
use outpace_stats::{Decision, Evidence, Outcome, block_log_ratio};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::block::{BlockPlan, measure, seed};
use crate::guards::watch;
use crate::settings::{Settings, SideError};
use crate::{Executor, Placement, Plan};

/// Sets the draws apart from those of the trial, which a recorded seed replays.
const SEED: u64 = 0x000A_104E;

/// What was found.
#[derive(Debug, Clone)]
pub(crate) struct Isolated {
    pub(crate) blocks: Vec<Block>,
    /// What was watched that was not in order, and whether the gain was there.
    pub(crate) checks: Vec<Check>,
}

/// Measures blocks in which each process lives alone, until it is settled.
///
/// # Errors
/// A side failed, or the user asked to stop.
pub(crate) fn confirm(
    executor: &mut dyn Executor,
    plan: Plan,
    settings: &Settings,
    observer: &mut dyn Observer,
) -> Result<Isolated, SideError> {
    let mut rng = ChaCha20Rng::seed_from_u64(settings.seed ^ SEED);
    let rule = settings.rule.isolated();
    let mut evidence = Evidence::new(&rule)?;
    let plan = Plan {
        placement: Placement::Alternating,
        ..plan
    };
    let mut results = Vec::new();
    let decision = loop {
        let block = BlockPlan {
            plan,
            model_seed: seed(&mut rng),
            data_seed: seed(&mut rng),
            probe_before: None,
        };
        let result = measure(executor, &block, &mut rng)?;
        let decision = evidence.push(block_log_ratio(&result.block.pairs)?);
        results.push(result);
        observer.on(&Event::IsolatedBlock {
            workload: settings.workload.clone(),
            n_blocks: results.len(),
            log_e: evidence.log_e(),
            threshold: rule.threshold_value(),
        });
        if let Some(decision) = decision {
            break decision;
        }
    };
    // Isolated it may not do either what it may not do in company.
    let mut checks: Vec<Check> = watch(&results).into_iter().filter(|c| !c.passed).collect();
    checks.push(check(&evidence, decision, rule.threshold_value()));
    let blocks = results.into_iter().map(|result| result.block).collect();
    Ok(Isolated { blocks, checks })
}

fn check(evidence: &Evidence, decision: Decision, threshold: f64) -> Check {
    let gain = evidence.summary().speedup;
    let passed = decision.outcome == Outcome::Faster;
    let found = if passed {
        "the gain is there too"
    } else {
        "the gain is not proven there"
    };
    Check {
        name: "alone".into(),
        passed,
        value: Some(gain),
        allowed: None,
        detail: format!(
            "with one process after the other on the GPU {found}: {:+.1} %, evidence {:.1} of {threshold:.0}, {} blocks",
            gain * 100.0,
            evidence.log_e().exp(),
            evidence.n_blocks()
        ),
    }
}
