//! What a model expects of a text that it is shown, for a judge of another process: ln p of every
//! next token, or of every symbol at one place of each passage.

use crate::model::Model;
use anyhow::{Result, bail};
use candle_core::{DType, Tensor};
use outpace_kernels::cross_entropy::row_losses;
use outpace_kernels::tape::Tape;
use outpace_step::Passages;

/// Sequences that the model reads at once.
const SEQUENCES_AT_ONCE: usize = 32;

/// `passages x length` natural logarithms of the probabilities of the tokens that came, or, with
/// `at`, `passages x symbols` of all symbols after the tokens up to there. The model is not
/// changed.
///
/// # Errors
/// Tokens that are no symbols of the model, positions outside of a passage, or what candle reports.
pub fn predict(model: &Model, text: &Passages, at: Option<&[usize]>) -> Result<Vec<f32>> {
    let symbols = model.config().symbols;
    if let Some(token) = text.tokens.iter().find(|&&token| token as usize >= symbols) {
        bail!("predict: token {token} is not among the model's {symbols} symbols");
    }
    match at {
        None => every_token(model, text),
        Some(at) => one_place(model, text, at),
    }
}

/// A passage in whole sequences of the model; the last one is filled up behind, where causal
/// attention does not look. What is longer than a sequence is read sequence by sequence.
fn sequences(model: &Model, passage: &[u32], filling: u32) -> Vec<u32> {
    let sequence = model.config().sequence;
    let mut tokens = passage.to_vec();
    tokens.resize(passage.len().next_multiple_of(sequence), filling);
    tokens
}

fn every_token(model: &Model, text: &Passages) -> Result<Vec<f32>> {
    let sequence = model.config().sequence;
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for passage in text.iter() {
        inputs.extend(sequences(model, &passage[..text.length], 0));
        targets.extend(sequences(model, &passage[1..], 0));
    }
    let mut log_p = Vec::with_capacity(inputs.len());
    let at_once = SEQUENCES_AT_ONCE * sequence;
    for (inputs, targets) in inputs.chunks(at_once).zip(targets.chunks(at_once)) {
        let logits = logits(model, inputs)?.narrow(0, 0, targets.len())?;
        let losses = row_losses(&logits.contiguous()?, targets)?;
        log_p.extend(losses.into_iter().map(|loss| -loss as f32));
    }
    // Without what was filled up.
    let filled = text.length.next_multiple_of(sequence);
    let passages = log_p.chunks(filled);
    Ok(passages.flat_map(|p| &p[..text.length]).copied().collect())
}

fn one_place(model: &Model, text: &Passages, at: &[usize]) -> Result<Vec<f32>> {
    if at.len() != text.count() || at.iter().any(|&place| place >= text.length) {
        bail!(
            "predict: `at` has to be one position below {} for each of the {} passages",
            text.length,
            text.count()
        );
    }
    let sequence = model.config().sequence;
    let mut log_p = Vec::new();
    for (passage, &place) in text.iter().zip(at) {
        // The sequence that the position is in.
        let first = place / sequence * sequence;
        let last = (first + sequence).min(text.length);
        let inputs = sequences(model, &passage[first..last], 0);
        let logits = logits(model, &inputs)?.get(place - first)?;
        log_p.extend(log_softmax(&logits)?);
    }
    Ok(log_p)
}

/// On a GPU always of the same shape: another one can be computed by another kernel, whose rounding
/// is another.
fn logits(model: &Model, inputs: &[u32]) -> Result<Tensor> {
    if model.parameters()[0].value.device().is_cpu() {
        return Ok(model.logits(&Tape::off(), inputs)?);
    }
    let mut filled = inputs.to_vec();
    filled.resize(SEQUENCES_AT_ONCE * model.config().sequence, 0);
    Ok(model.logits(&Tape::off(), &filled)?)
}

fn log_softmax(logits: &Tensor) -> Result<Vec<f32>> {
    let logits = logits.to_dtype(DType::F32)?.to_vec1::<f32>()?;
    let logits: Vec<f64> = logits.into_iter().map(f64::from).collect();
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logits.iter().map(|logit| (logit - top).exp()).sum();
    let all = top + total.ln();
    Ok(logits.into_iter().map(|l| (l - all) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn model(sequence: usize) -> Model {
        let config = config::Model {
            symbols: 11,
            width: 8,
            layers: 1,
            heads: 2,
            sequence,
            mlp_ratio: 2,
            rotary_base: 100.0,
            norm_epsilon: 1e-5,
        };
        Model::new(&config, 5, DType::F32).unwrap()
    }

    fn text() -> Passages {
        let tokens = (0..3 * 8).map(|i| i * 7 % 11).collect();
        Passages { tokens, length: 7 }
    }

    /// Sequences as long as a passage, longer and shorter ones.
    #[test]
    fn distributions_hold_what_was_predicted_and_sum_to_one() {
        for sequence in [7, 16, 3] {
            let model = model(sequence);
            let text = text();
            let every = predict(&model, &text, None).unwrap();
            assert_eq!(every.len(), 3 * 7);
            for place in 0..7 {
                let all = predict(&model, &text, Some(&[place; 3])).unwrap();
                for (passage, row) in all.chunks(11).enumerate() {
                    let sum: f64 = row.iter().map(|p| f64::from(*p).exp()).sum();
                    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
                    let next = text.tokens[passage * 8 + place + 1] as usize;
                    let committed = every[passage * 7 + place];
                    assert!((row[next] - committed).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_predicted_is_named() {
        let model = model(7);
        let message = |text: &Passages, at: Option<&[usize]>| {
            predict(&model, text, at).unwrap_err().to_string()
        };
        assert!(message(&text(), Some(&[0, 7, 0])).contains("below 7"));
        assert!(message(&text(), Some(&[0, 1])).contains("3 passages"));
        let mut strange = text();
        strange.tokens[4] = 11;
        assert!(message(&strange, None).contains("token 11"));
    }
}
