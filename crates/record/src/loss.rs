//! Training runs to a loss, as verdicts of the time-to-loss track carry them.

use outpace_stats::{
    CurvePoint, Decision, Judgement, Outcome, Pair, Reason, Rule, SeedEvidence, SeedRule,
    StatsError, Summary, block_log_ratio, block_sum_log_ratio, least_time_blocks, steps_log_ratio,
    steps_to_loss,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most blocks that the time of a step is measured in, unless the threshold asks for more.
const STEP_TIME_BLOCKS: usize = 24;

/// What runs to a loss are measured by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LossTarget {
    /// Validation loss in nats per token that ends a run.
    pub target_loss: f64,
    /// Steps of the base after which a run has not reached it.
    pub max_steps: u64,
    /// Steps of the base between two evaluations.
    pub evaluate_every: u64,
    /// Tokens of an evaluation.
    pub tokens: u64,
    /// Whether both sides run the same program on the same shapes: then a step takes the same time,
    /// and `blocks` only look for a sign that it does not.
    pub equal_steps: bool,
    /// Whether steps of the candidate are faster and isolated runs showed it. Otherwise a gain in
    /// the time of a step counts as none.
    #[serde(default)]
    pub confirmed_steps: bool,
}

/// One seed: a run of each side from the same seeds, evaluated on the same text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeedRun {
    /// Seed of the initial weights.
    pub model_seed: u64,
    /// Seed of the training data.
    pub data_seed: u64,
    /// Seed of the validation text, which neither program is told.
    pub text_seed: u64,
    /// The base's run.
    pub base: LossCurve,
    /// The candidate's run.
    pub candidate: LossCurve,
}

/// Validation losses of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LossCurve {
    /// Steps between two evaluations.
    pub every: u64,
    /// Loss in nats per token after each `every` steps. `null` is one that is not finite.
    pub losses: Vec<Option<f64>>,
    /// The run was ended because it was far above the base's: it counts as one that never came to
    /// the target.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// Seconds of the steps before each evaluation. Other processes may have been at work.
    pub seconds: Vec<f64>,
    /// Seconds from the start of the process until it was ready to train. Absent in records of
    /// versions that did not measure it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_s: Option<f64>,
    /// Seconds of each evaluation: a checkpoint where one is written, and the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked_s: Vec<f64>,
    /// The first evaluation, from 0, before which a checkpoint was written: near the target, where
    /// answers are opened in another process. Absent where there was none, and in records of
    /// versions that did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoints_from: Option<usize>,
    /// Seconds of each evaluation that was opened in this process.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opened_s: Vec<f64>,
}

impl LossCurve {
    /// Its points: steps trained, and the loss after them.
    pub fn points(&self) -> Vec<CurvePoint> {
        let steps = (1_u64..).map(|i| i.saturating_mul(self.every));
        let losses = self.losses.iter().map(|loss| loss.unwrap_or(f64::INFINITY));
        steps.zip(losses).collect()
    }

    /// Seconds of a step up to evaluation `n`, or over the whole run where it was shorter.
    pub fn step_s(&self, n: usize) -> f64 {
        let n = n.min(self.seconds.len());
        self.seconds[..n].iter().sum::<f64>() / (n as f64 * self.every as f64)
    }

    /// Seconds of the whole run, but for what was opened.
    pub fn total_s(&self) -> f64 {
        let measured = [&self.seconds, &self.asked_s].map(|all| all.iter().sum::<f64>());
        self.ready_s.unwrap_or_default() + measured[0] + measured[1]
    }

    /// Steps until the target, if it came there.
    pub fn steps_to(&self, target: f64) -> Option<f64> {
        match self.stopped {
            true => None,
            false => steps_to_loss(&self.points(), target),
        }
    }
}

impl SeedRun {
    /// ln of the ratio of the steps that both took to the target. Where only the candidate came
    /// there, and later than the base may, nothing is known.
    pub fn log_ratio(&self, target: &LossTarget) -> f64 {
        let (most, target) = (target.max_steps as f64, target.target_loss);
        let (base, candidate) = (self.base.steps_to(target), self.candidate.steps_to(target));
        match base {
            None if candidate.is_some_and(|n| n > most) => 0.0,
            base => steps_log_ratio(base, candidate),
        }
    }
}

/// The rule that the time of a step is measured by on this track. What it decides is no verdict:
/// its blocks are one part of the evidence, as many as `threshold`, that of the whole, can need. A
/// gain has to show in isolated runs too.
pub fn step_time_rule(alpha: f64, threshold: f64) -> Rule {
    let rule = Rule {
        min_speedup: 0.0,
        alpha,
        threshold: None,
        bounds_always: true,
        ..Rule::default()
    };
    let rule = rule.of_programs();
    let bound_blocks = rule.bound_blocks.max(least_time_blocks(threshold));
    Rule {
        bound_blocks,
        max_blocks: STEP_TIME_BLOCKS.max(bound_blocks),
        ..rule
    }
}

/// What blocks say of the time of a step, as log ratios: the worse of the median pair and of the
/// sum, so that a burst every few turns counts. E falls with them, so that it stays valid.
///
/// # Errors
/// An impossible time.
pub fn step_time_log_ratios<B: AsRef<[Pair]>>(
    target: &LossTarget,
    blocks: &[B],
) -> Result<Vec<f64>, StatsError> {
    let most = if target.confirmed_steps {
        f64::INFINITY
    } else {
        0.0
    };
    let ratio = |block: &B| {
        let pairs = block.as_ref();
        let worse = block_log_ratio(pairs)?.min(block_sum_log_ratio(pairs)?);
        Ok(worse.min(most))
    };
    blocks.iter().map(ratio).collect()
}

/// Evidence that waits for seeds; `blocks` are those of the time of a step.
///
/// # Errors
/// An impossible time, or a rule that is out of range.
pub fn seed_evidence<B: AsRef<[Pair]>>(
    rule: SeedRule,
    target: &LossTarget,
    blocks: &[B],
) -> Result<SeedEvidence, StatsError> {
    if target.equal_steps {
        return SeedEvidence::new(rule, None);
    }
    let better = |block: &B| {
        let pairs = block.as_ref();
        Ok(block_log_ratio(pairs)?.max(block_sum_log_ratio(pairs)?))
    };
    let at_most = blocks
        .iter()
        .map(better)
        .collect::<Result<_, StatsError>>()?;
    let evidence = SeedEvidence::new(rule, Some(step_time_log_ratios(target, blocks)?))?;
    Ok(evidence.with_at_most(Some(at_most)))
}

/// What seeds prove, in the figures of a trial. A figure that is not there is NaN.
pub fn judgement(evidence: &SeedEvidence) -> Judgement {
    let decision = evidence.decision().unwrap_or(Decision {
        outcome: Outcome::NotProven,
        reason: Reason::SeedsExhausted,
    });
    let summary = evidence.summary();
    Judgement {
        outcome: decision.outcome,
        reason: decision.reason,
        summary: Summary {
            speedup: summary.speedup.unwrap_or(f64::NAN),
            at_least: summary.at_least,
            at_most: summary.at_most,
            log_e: summary.log_e,
            n_blocks: evidence.log_ratios().len(),
        },
    }
}
