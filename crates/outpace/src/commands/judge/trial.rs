//! One trial: from its JSON to its judgement.

use outpace_record::{Block, Document, Judgement, Verdict, judge_twice};
use outpace_stats::{CoarseClock, IsolatedShape, Pair, Rule, StatsError, coarse_clock};
use serde::Deserialize;

use super::fault;
use super::input::{LONGEST, Text};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trial {
    blocks: Vec<Samples>,
    min_speedup: Option<f64>,
    alpha: Option<f64>,
    threshold: Option<f64>,
    screen: Option<bool>,
    sum_threshold: Option<f64>,
    margin: Option<f64>,
    bound_blocks: Option<usize>,
    alone: Option<Vec<Block>>,
    steps_per_turn: Option<u32>,
    warmup_turns: Option<u32>,
    steps_per_run: Option<u64>,
}

impl Trial {
    fn isolated_shape(&self) -> Option<IsolatedShape> {
        Some(IsolatedShape {
            steps_per_turn: self.steps_per_turn.unwrap_or(1).max(1),
            warmup_turns: self.warmup_turns.unwrap_or(0),
            steps_per_run: self.steps_per_run?.max(1),
            earlier_runs: 0,
        })
    }
}

/// Other keys of a block are those of a record (`ready_s`, `gpus`, ...) and do not count here.
#[derive(Deserialize)]
#[serde(untagged)]
enum Samples {
    Bare(Vec<Pair>),
    Named { pairs: Vec<Pair> },
}

impl AsRef<[Pair]> for Samples {
    fn as_ref(&self) -> &[Pair] {
        match self {
            Self::Bare(pairs) | Self::Named { pairs } => pairs,
        }
    }
}

/// The judgement of a trial, or what is wrong with it.
pub(super) fn judge_text(text: &Text) -> Result<Judgement, String> {
    if text.bytes.len() >= LONGEST {
        let mib = LONGEST >> 20;
        return Err(format!(
            "longer than {mib} MiB. Hint: write one trial a line"
        ));
    }
    match serde_json::from_slice::<Trial>(&text.bytes) {
        Ok(trial) => {
            let (rule, shape) = (rule(&trial), trial.isolated_shape());
            let alone = trial.alone.as_deref().unwrap_or_default();
            shown(
                &trial.blocks,
                &rule,
                judge_twice(&trial.blocks, &rule, alone, shape),
            )
        }
        Err(error) => match verdict(&text.bytes) {
            Some(verdict) => {
                let verdict = verdict?;
                shown(&verdict.blocks, &verdict.rule(), verdict.judged_again())
            }
            None => Err(fault::of(text, &error)),
        },
    }
}

fn rule(trial: &Trial) -> Rule {
    let defaults = Rule::default();
    Rule {
        min_speedup: trial.min_speedup.unwrap_or(defaults.min_speedup),
        alpha: trial.alpha.unwrap_or(defaults.alpha),
        threshold: trial.threshold,
        screen: trial.screen.unwrap_or(false),
        max_blocks: trial.blocks.len().max(1),
        sum_threshold: trial.sum_threshold,
        margin: trial.margin,
        bound_blocks: trial.bound_blocks.unwrap_or(0),
        bounds_always: false,
        earlier_blocks: 0,
    }
}

/// A verdict record, with its keys that do not belong to the samples; nothing where it is not one.
fn verdict(bytes: &[u8]) -> Option<Result<Verdict, String>> {
    #[derive(Deserialize)]
    struct Head {
        schema: String,
    }
    let head: Head = serde_json::from_slice(bytes).ok()?;
    let kind = Verdict::SCHEMA.rsplit_once('/')?.0;
    if head.schema.rsplit_once('/')?.0 != kind {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    Some(Verdict::from_json(text).map_err(|error| format!("not a verdict record: {error}")))
}

fn shown<B: AsRef<[Pair]>>(
    blocks: &[B],
    rule: &Rule,
    judged: Result<outpace_stats::Judgement, StatsError>,
) -> Result<Judgement, String> {
    let judged = judged.map_err(|error| error.to_string())?;
    let summary = judged.summary;
    // On the time-to-loss track seeds are counted, and the blocks are those of the time of a step.
    let read = &blocks[..summary.n_blocks.min(blocks.len())];
    let clock = coarse_clock(read, rule.min_speedup);
    Ok(Judgement {
        schema: Judgement::SCHEMA.into(),
        verdict: judged.outcome.into(),
        reason: judged.reason.as_str().into(),
        n_blocks: summary.n_blocks,
        log_e: summary.log_e,
        speedup: summary.speedup,
        at_least: summary.at_least,
        at_most: summary.at_most,
        warnings: clock.iter().map(warning).collect(),
    })
}

fn warning(clock: &CoarseClock) -> String {
    const HINT: &str = "Hint: a finer clock, or longer turns";
    if clock.distinct == 1 {
        return format!("only 1 distinct time occurs: the clock is too coarse. {HINT}");
    }
    let (tick_s, percent) = (rounded(clock.tick_s), rounded(100.0 * clock.share));
    format!(
        "only {} distinct times occur: the clock ticks every {tick_s} s, {percent} % of a turn, \
         and all gains are rounded to such steps. {HINT}",
        clock.distinct
    )
}

/// Two significant digits, without the rounding errors of a difference.
fn rounded(value: f64) -> f64 {
    format!("{value:.1e}").parse().unwrap_or(value)
}
