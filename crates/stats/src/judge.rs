//! A whole trial at once: what `outpace judge` and `audit` recompute.

use crate::{Decision, Evidence, Judgement, Pair, Reason, Rule, StatsError};

/// Replays a trial block by block; the verdict is that of the first block that settles it, and
/// later blocks are not read.
///
/// Blocks that end without a decision are `not_proven`. So are those that reach `rule.max_blocks`:
/// to judge a longer recording in full, raise it. Of a gain that is proven earlier,
/// `rule.bound_blocks` are read for its bounds.
///
/// # Errors
/// Those of [`Rule::validate`], [`StatsError::NoBlocks`], and [`StatsError::InBlock`] for a block
/// that [`crate::block_log_ratio`] refuses.
pub fn judge<B: AsRef<[Pair]>>(blocks: &[B], rule: &Rule) -> Result<Judgement, StatsError> {
    let mut evidence = Evidence::new(rule)?;
    if blocks.is_empty() {
        return Err(StatsError::NoBlocks);
    }
    let decision = replay(blocks, &mut evidence)?;
    Ok(Judgement {
        outcome: decision.outcome,
        reason: decision.reason,
        summary: evidence.summary(),
    })
}

fn replay<B: AsRef<[Pair]>>(blocks: &[B], evidence: &mut Evidence) -> Result<Decision, StatsError> {
    for (block, pairs) in blocks.iter().enumerate() {
        let decision = evidence.push_block(pairs.as_ref());
        let decision = decision.map_err(|problem| StatsError::InBlock {
            block,
            problem: Box::new(problem),
        })?;
        if let Some(decision) = decision {
            return Ok(decision);
        }
    }
    Ok(evidence
        .decision()
        .unwrap_or(Reason::BlocksExhausted.into()))
}
