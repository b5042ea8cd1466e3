//! What a campaign amounts to: the level that each attempt stood on, and the two staircases.
//!
//! The level of an attempt is the start times the gains merged before it, because each gain was
//! measured beside its own base. Raw throughputs of different hours cannot be compared, so they
//! are never chained.

use outpace_record::{Attempt, Campaign, Verdict};

use crate::format::{count, seconds};
use crate::samples;
use crate::status::AttemptStatus;

/// Largest level. A damaged record must not ruin a scale.
const LEVEL_LIMIT: f64 = 1e15;

/// The same for the factor of one attempt.
const FACTOR_LIMIT: f64 = 1e3;

/// What levels are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Tokens trained per second.
    TokensPerS,
    /// The start is 1.
    Relative,
    /// 1 over the time to the target loss; the start is 1.
    ToLoss,
}

/// One attempt and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Step<'a> {
    pub(crate) attempt: &'a Attempt,
    pub(crate) status: AttemptStatus,
    /// Estimated level of the base it was measured against.
    pub(crate) base: f64,
    /// Its own estimated level; the base's where nothing was timed.
    pub(crate) level: f64,
    /// Whether a gain was measured at all.
    pub(crate) is_timed: bool,
    /// The proven level after it.
    pub(crate) proven: f64,
    /// The estimated level after it.
    pub(crate) estimate: f64,
}

/// A campaign's figures.
#[derive(Debug, Clone)]
pub(crate) struct CampaignSummary<'a> {
    pub(crate) unit: Unit,
    pub(crate) start: f64,
    /// Seconds to the target loss at the start, where they are known.
    pub(crate) start_s: Option<f64>,
    pub(crate) steps: Vec<Step<'a>>,
}

impl<'a> CampaignSummary<'a> {
    pub(crate) fn new(campaign: &Campaign, attempts: &'a [Attempt]) -> Self {
        let main = || attempts.iter().filter_map(Attempt::main_verdict);
        let (unit, start) = if main().any(samples::by_seeds) {
            // Tokens/s do not say how fast a loss is reached.
            (Unit::ToLoss, 1.0)
        } else {
            match start_tokens_per_s(campaign, main()) {
                Some(tokens_per_s) => (Unit::TokensPerS, tokens_per_s),
                None => (Unit::Relative, 1.0),
            }
        };
        let (mut proven, mut estimate) = (start, start);
        let steps = attempts
            .iter()
            .map(|attempt| step(attempt, &mut proven, &mut estimate))
            .collect();
        Self {
            unit,
            start,
            start_s: start_s(main()),
            steps,
        }
    }

    pub(crate) fn count(&self, status: AttemptStatus) -> usize {
        self.steps.iter().filter(|s| s.status == status).count()
    }

    pub(crate) fn merged(&self) -> impl Iterator<Item = &Step<'a>> {
        self.steps
            .iter()
            .filter(|s| s.status == AttemptStatus::Merged)
    }

    /// The estimated level at the end.
    pub(crate) fn estimate(&self) -> f64 {
        self.steps.last().map_or(self.start, |s| s.estimate)
    }

    /// The proven level at the end.
    pub(crate) fn proven(&self) -> f64 {
        self.steps.last().map_or(self.start, |s| s.proven)
    }

    /// Estimated gain since the start.
    pub(crate) fn estimated_gain(&self) -> f64 {
        self.estimate() / self.start - 1.0
    }

    /// Proven gain since the start.
    pub(crate) fn proven_gain(&self) -> f64 {
        self.proven() / self.start - 1.0
    }

    /// A gain relative to the start.
    pub(crate) fn gain_of(&self, level: f64) -> f64 {
        level / self.start - 1.0
    }

    /// A level with its unit left out: `41,210`, the time `7.74 s`, or `1.03` where the unit is the
    /// start.
    pub(crate) fn level_text(&self, level: f64) -> String {
        match self.start_s {
            Some(start_s) => seconds(start_s * self.start / level),
            None => self.tick_text(level, f64::INFINITY),
        }
    }

    /// A level of a scale of this height, which is one of speed.
    pub(crate) fn tick_text(&self, level: f64, height: f64) -> String {
        let decimals = if height < 0.1 { 3 } else { 2 };
        match self.unit {
            Unit::TokensPerS => count(level),
            Unit::Relative | Unit::ToLoss => format!("{level:.decimals$}"),
        }
    }

    /// From the level of its base to its own, `180,727 → 184,713 tokens/s, estimated`; absent where
    /// nothing was timed.
    pub(crate) fn step_text(&self, step: &Step<'_>) -> Option<String> {
        let (from, to) = (self.level_text(step.base), self.level_text(step.level));
        let unit = self.unit_text();
        step.is_timed
            .then(|| format!("{from} → {to} {unit}, estimated"))
    }

    /// The unit of [`Self::level_text`].
    pub(crate) fn unit_text(&self) -> &'static str {
        match self.start_s {
            Some(_) => "to the loss",
            None => self.unit_of_levels(),
        }
    }

    /// The unit of the levels themselves.
    pub(crate) fn unit_of_levels(&self) -> &'static str {
        match self.unit {
            Unit::TokensPerS => "tokens/s",
            Unit::Relative | Unit::ToLoss => "x the start",
        }
    }
}

fn step<'a>(attempt: &'a Attempt, proven: &mut f64, estimate: &mut f64) -> Step<'a> {
    let status = AttemptStatus::of(attempt);
    // The first workload's: its throughput is what the picture shows.
    let verdict = attempt.main_verdict();
    let gain = verdict.and_then(|v| v.speedup).filter(|g| g.is_finite());
    let base = *estimate;
    let level = bounded(base * factor(gain));
    if status == AttemptStatus::Merged {
        *estimate = level;
        *proven = bounded(*proven * factor(verdict.and_then(|v| v.at_least)));
    }
    Step {
        attempt,
        status,
        base,
        level,
        is_timed: gain.is_some(),
        proven: *proven,
        estimate: *estimate,
    }
}

fn start_tokens_per_s<'v>(
    campaign: &Campaign,
    mut verdicts: impl Iterator<Item = &'v Verdict>,
) -> Option<f64> {
    let first = || verdicts.find_map(|v| v.tokens_per_s).map(|t| t.base);
    campaign
        .start_tokens_per_s
        .or_else(first)
        .filter(|t| *t > 0.0 && *t < LEVEL_LIMIT)
}

/// Seconds that the base of the first trial of seeds takes to the target loss.
fn start_s<'v>(mut verdicts: impl Iterator<Item = &'v Verdict>) -> Option<f64> {
    let [base, _] = verdicts.find_map(Verdict::seconds_to_loss)?;
    Some(base).filter(|s| *s > 0.0 && *s < LEVEL_LIMIT)
}

fn factor(gain: Option<f64>) -> f64 {
    gain.filter(|g| g.is_finite())
        .map_or(1.0, |g| (1.0 + g).clamp(1.0 / FACTOR_LIMIT, FACTOR_LIMIT))
}

fn bounded(level: f64) -> f64 {
    level.clamp(1.0 / LEVEL_LIMIT, LEVEL_LIMIT)
}
