//! The loss of a checkpoint on fresh text, and two probes that a cheating model would fail:
//! probabilities sum to one, and the future does not reach the past.

use crate::checkpoint;
use crate::config::Config;
use crate::data::{Batch, Source, Split};
use crate::model::Model;
use crate::place::Place;
use anyhow::Result;
use candle_core::{DType, Device};
use outpace_kernels::cross_entropy::row_losses;
use outpace_kernels::tape::Tape;
use serde::Serialize;
use std::path::Path;

/// Rows whose probabilities are summed, unless there are so many symbols that this would take
/// longer than all else: each row costs one loss a symbol, and each loss reads all symbols.
const SUMMED_ROWS: usize = 32;
const SUMMED_NUMBERS: usize = 1 << 26;
/// Logits that are read by one call, 64 MiB of f32: a GPU would else wait for 50,000 launches of
/// one row.
const NUMBERS_AT_ONCE: usize = 1 << 24;

/// What to evaluate.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The weights.
    pub checkpoint: &'a Path,
    /// Seed of the validation text.
    pub data_seed: u64,
    /// Tokens to predict, rounded up to whole batches.
    pub tokens: usize,
}

/// What `evaluate` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Nats a token; `null` when it is not finite.
    pub loss: Option<f64>,
    /// The same in bits; a token is one byte of raw text.
    pub bits_per_byte: Option<f64>,
    /// Tokens that were predicted.
    pub tokens: usize,
    /// Nats a token below which no honest loss can stay; `null` for text.
    pub entropy_floor: Option<f64>,
    /// Largest distance of a row's summed probabilities from one.
    pub probability_sum_error: Option<f64>,
    /// Largest change of a loss when only later tokens change.
    pub causality_error: Option<f64>,
}

/// Evaluates the checkpoint of `plan`.
///
/// # Errors
/// A checkpoint that cannot be read or belongs to another model.
pub fn evaluate(
    config: &Config,
    source: &Source,
    place: &Place,
    plan: &Plan<'_>,
) -> Result<Evaluation> {
    let model = Model::zeros(&config.model, DType::F32)?.at(place)?;
    checkpoint::load(&model, &config.model, plan.checkpoint)?;
    let batches = plan.tokens.div_ceil(config.tokens_per_step());
    let batch = |index| source.batch(Split::Validation, plan.data_seed, index);
    let mut total = 0.0;
    for index in 0..batches as u64 {
        let batch = batch(index);
        total += losses(&model, &batch)?.iter().sum::<f64>();
    }
    let tokens = batches * config.tokens_per_step();
    let loss = total / tokens as f64;
    let finite = |x: f64| Some(x).filter(|x| x.is_finite());
    Ok(Evaluation {
        loss: finite(loss),
        bits_per_byte: finite(loss / std::f64::consts::LN_2),
        tokens,
        entropy_floor: source.entropy(),
        probability_sum_error: finite(probability_sum_error(&model, config, &batch(0))?),
        causality_error: finite(causality_error(&model, config, &batch(0))?),
    })
}

fn losses(model: &Model, batch: &Batch) -> Result<Vec<f64>> {
    Ok(row_losses(
        &model.logits(&Tape::off(), &batch.inputs)?,
        &batch.targets,
    )?)
}

/// Sums exp(-loss) over all symbols as targets: whatever computes the losses must mean a
/// distribution.
fn probability_sum_error(model: &Model, config: &Config, batch: &Batch) -> Result<f64> {
    let (sequence, symbols) = (config.model.sequence, config.model.symbols);
    let affordable = (SUMMED_NUMBERS / (symbols * symbols)).max(1);
    let rows = SUMMED_ROWS.min(affordable).min(sequence);
    let logits = model.logits(&Tape::off(), &batch.inputs[..sequence])?;
    let logits = logits.narrow(0, sequence - rows, rows)?.contiguous()?;
    let at_once = (NUMBERS_AT_ONCE / (rows * symbols)).clamp(1, symbols);
    // Copied on the CPU, where no module has to be loaded for it.
    let copies = logits.to_device(&Device::Cpu)?.repeat((at_once, 1))?;
    let copies = copies.to_device(logits.device())?;
    let mut sums = vec![0.0; rows];
    let all: Vec<u32> = (0..symbols as u32).collect();
    for symbols in all.chunks(at_once) {
        let targets: Vec<u32> = symbols.iter().flat_map(|&s| vec![s; rows]).collect();
        let losses = row_losses(&copies.narrow(0, 0, targets.len())?, &targets)?;
        for (k, loss) in losses.into_iter().enumerate() {
            sums[k % rows] += (-loss).exp();
        }
    }
    Ok(largest(sums.into_iter().map(|sum| (sum - 1.0).abs())))
}

/// Replaces all inputs from several places on; losses before each place must stay.
fn causality_error(model: &Model, config: &Config, batch: &Batch) -> Result<f64> {
    let (sequence, symbols) = (config.model.sequence, config.model.symbols as u32);
    let before = losses(model, batch)?;
    let mut errors = Vec::new();
    for cut in [sequence / 4, sequence / 2, sequence - 1] {
        let mut changed = batch.clone();
        for passage in changed.inputs.chunks_mut(sequence) {
            for symbol in &mut passage[cut..] {
                *symbol = (*symbol + 1) % symbols;
            }
        }
        let after = losses(model, &changed)?;
        let passages = before.chunks(sequence).zip(after.chunks(sequence));
        errors
            .extend(passages.flat_map(|(b, a)| b[..cut].iter().zip(a).map(|(b, a)| (b - a).abs())));
    }
    Ok(largest(errors))
}

/// The largest, except that a NaN stays one.
pub(crate) fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    let keep = |best: f64, value: f64| {
        if best.is_nan() || value <= best {
            best
        } else {
            value
        }
    };
    values.into_iter().fold(0.0, keep)
}
