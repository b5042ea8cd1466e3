//! "Same model" over as many steps as an isolated run has: a program may be honest for the few
//! steps of the check and leave out work later.

use outpace_record::Check;

use super::losses::{allowed_divergence, compare_losses, not_repeated};
use super::{
    Envelope, LARGEST_RELATIVE, NOT_COMPARED, Repeated, Trained, compare_checkpoints, of_base,
};
use crate::block::BlockPlan;
use crate::guards::line;
use crate::{Executor, SameModel, Side, SideError, WorkloadError};

/// Names of checks at this length begin so.
const AT_LENGTH: &str = "isolated";
/// A base that is further from itself says too little of what is innocent: at the next run it may
/// be twice as far, and then no limit would hold the largest one.
const REPEATS: f64 = LARGEST_RELATIVE / 2.0;

/// Compares what both sides trained in an isolated run. The base trains once more for it, so that
/// the envelope is that of this length.
///
/// # Errors
/// A side failed.
pub(crate) fn compare_at_length(
    executor: &mut dyn Executor,
    same_model: &SameModel,
    block: &BlockPlan,
    [ours, theirs]: [Trained; 2],
    validation: u64,
) -> Result<Vec<Check>, SideError> {
    let base = repeated(executor, block, ours).map_err(of_base)?;
    let (own, again) = (&base.ours.losses[..], &base.again.losses[..]);
    let drifted = not_repeated(own, again, REPEATS);
    let repeats = drifted.is_none();
    let mut checks = match drifted {
        None => {
            let allowed = allowed_divergence(own, again, base.envelope);
            vec![compare_losses("losses", own, &theirs.losses, &allowed)]
        }
        Some((step, share)) => vec![line(
            "losses",
            format!(
                "{NOT_COMPARED}: the base's own loss differs by {:.1} % at step {step} {}",
                share * 100.0,
                base.envelope.how()
            ),
        )],
    };
    // Nor can the validation loss of a base that drifts away from itself blame anybody.
    let evaluator = same_model.evaluator.as_ref().filter(|_| repeats);
    let evaluator = evaluator.map(|e| (&e.context, &e.subject));
    checks.extend(compare_checkpoints(evaluator, &base, &theirs, validation)?);
    for check in &mut checks {
        check.name = format!("{AT_LENGTH} {}", check.name);
        check.detail = format!("after {} steps: {}", own.len(), check.detail);
    }
    Ok(checks)
}

/// The base once more, with its weights moved where it can. It also saves what it begins with.
fn repeated(
    executor: &mut dyn Executor,
    block: &BlockPlan,
    ours: Trained,
) -> Result<Repeated, WorkloadError> {
    let (model, data) = (block.model_seed, block.data_seed);
    let (mut process, perturbed) = executor.open_perturbed(Side::Base, model, data)?;
    let initial = process.save()?;
    let mut losses = Vec::new();
    let turns = block.plan.warmup_turns as usize + block.plan.pairs;
    for _ in 0..turns {
        losses.extend(process.turn(block.plan.steps_per_turn)?.losses);
    }
    let checkpoint = process.save()?;
    let wall_s = process.close()?.wall_s;
    let envelope = Envelope::new(perturbed, &ours.losses, &losses);
    Ok(Repeated {
        ours,
        initial,
        again: Trained {
            losses,
            checkpoint,
            wall_s,
        },
        envelope,
    })
}
