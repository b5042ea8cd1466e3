//! What a checkpoint would say.

use crate::checkpoint;
use crate::config::{Config, ConfigError};
use crate::model::Model;
use crate::place::Place;
use crate::random::{Domain, Stream};
use anyhow::Result;
use candle_core::{DType, Device};
use outpace_kernels::tape::Tape;
use std::path::Path;

/// What to write.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The weights.
    pub checkpoint: &'a Path,
    /// Symbols to go on from; at least one.
    pub prompt: &'a [u8],
    /// Symbols to write.
    pub length: usize,
    /// 0 takes the likeliest symbol, 1 samples as learnt.
    pub temperature: f64,
    /// Seed of the choices.
    pub seed: u64,
}

/// The prompt and what follows it.
///
/// # Errors
/// An empty prompt or one with symbols that the model lacks, a temperature that is no number from 0
/// up, or a checkpoint that cannot be read.
pub fn sample(config: &Config, place: &Place, plan: &Plan<'_>) -> Result<Vec<u32>> {
    check(config, plan)?;
    let model = Model::zeros(&config.model, DType::F32)?.at(place)?;
    checkpoint::load(&model, &config.model, plan.checkpoint)?;
    let mut stream = Stream::new(Domain::Sample, plan.seed, 0);
    let mut text: Vec<u32> = plan.prompt.iter().map(|&byte| byte.into()).collect();
    for _ in 0..plan.length {
        let logits = next_logits(&model, config.model.sequence, &text)?;
        text.push(choose(&logits, plan.temperature, &mut stream));
    }
    Ok(text)
}

/// Text as text; symbols of the generated language, which mean nothing, as numbers.
#[must_use]
pub fn readable(symbols: &[u32], is_text: bool) -> String {
    if is_text {
        let bytes: Vec<u8> = symbols.iter().map(|&s| s as u8).collect();
        return String::from_utf8_lossy(&bytes).into_owned();
    }
    let numbers: Vec<String> = symbols.iter().map(u32::to_string).collect();
    numbers.join(" ")
}

fn check(config: &Config, plan: &Plan<'_>) -> Result<(), ConfigError> {
    if plan.prompt.is_empty() {
        return Err(ConfigError(
            "--prompt must have at least one symbol".to_owned(),
        ));
    }
    let symbols = config.model.symbols;
    if let Some(byte) = plan
        .prompt
        .iter()
        .find(|&&byte| usize::from(byte) >= symbols)
    {
        let message = format!("--prompt: byte {byte} is not among the model's {symbols} symbols");
        return Err(ConfigError(message));
    }
    if !(plan.temperature >= 0.0 && plan.temperature.is_finite()) {
        let message = format!(
            "--temperature {} must be a number from 0 up",
            plan.temperature
        );
        return Err(ConfigError(message));
    }
    Ok(())
}

/// Logits after `text`. The model takes whole sequences only: a short one is filled up behind,
/// where causal attention does not look.
fn next_logits(model: &Model, sequence: usize, text: &[u32]) -> Result<Vec<f32>> {
    let mut window = text[text.len().saturating_sub(sequence)..].to_vec();
    let last = window.len() - 1;
    window.resize(sequence, 0);
    let logits = model.logits(&Tape::off(), &window)?;
    let logits = logits.to_device(&Device::Cpu)?.get(last)?;
    Ok(logits.to_dtype(DType::F32)?.to_vec1()?)
}

fn choose(logits: &[f32], temperature: f64, stream: &mut Stream) -> u32 {
    let scores = logits.iter().map(|&l| f64::from(l));
    let (likeliest, highest) =
        scores
            .clone()
            .enumerate()
            .fold((0, f64::NEG_INFINITY), |best, (i, l)| {
                if l > best.1 { (i, l) } else { best }
            });
    if temperature == 0.0 {
        return likeliest as u32;
    }
    let weights: Vec<f64> = scores
        .map(|l| ((l - highest) / temperature).exp())
        .collect();
    let mut left = stream.uniform() * weights.iter().sum::<f64>();
    let chosen = weights.iter().position(|w| {
        left -= w;
        left < 0.0
    });
    chosen.unwrap_or(likeliest) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_follow_the_logits() {
        let mut stream = Stream::new(Domain::Sample, 1, 0);
        assert_eq!(choose(&[0.0, 3.0, 1.0], 0.0, &mut stream), 1);
        let ones = (0..1000)
            .filter(|_| choose(&[0.0, 2f32.ln()], 1.0, &mut stream) == 1)
            .count();
        // Two thirds, five standard deviations of 15.
        assert!((592..742).contains(&ones), "{ones}");
    }

    #[test]
    fn symbols_are_shown_as_what_they_are() {
        assert_eq!(readable(&[79, 107], true), "Ok");
        assert_eq!(readable(&[79, 107], false), "79 107");
    }
}
