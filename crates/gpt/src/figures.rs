//! What a config costs, counted rather than measured.

use crate::config::Config;
use std::fmt::Write as _;

const F32_BYTES: usize = 4;
const MIB: f64 = (1 << 20) as f64;

/// Floating-point operations of one training step over its tokens: 6 N + 6 L d (T + 1), after
/// Chowdhery et al. 2022 (PaLM), appendix B, which has 6 N + 12 L H Q T.
///
/// N counts the parameters that are multiplied with: all but the embedding table, of which rows are
/// only read. The attention term is PaLM's with the sum over the (T + 1) / 2 tokens that a token
/// really sees; a number that is used as a limit of what is physically possible may not count work
/// that nobody does.
#[must_use]
pub fn flops_per_token(config: &Config) -> f64 {
    let model = &config.model;
    let multiplied = model.parameters() - model.symbols * model.width;
    let attention = model.layers * model.width * (model.sequence + 1);
    6.0 * (multiplied + attention) as f64
}

/// Bytes that training needs, roughly: weights, gradients and both moments, and the activations
/// that the backward pass reads.
#[must_use]
pub fn memory_bytes(config: &Config) -> usize {
    let model = &config.model;
    // A block keeps the residual twice, two normed copies, the attention's output and two
    // projections of it, qkv, and the hidden layer before and after its activation.
    let block = (6 + 3 + 2 + 2 * model.mlp_ratio) * model.width;
    let token = model.layers * block + 3 * model.width + 2 * model.symbols;
    F32_BYTES * (4 * model.parameters() + config.tokens_per_step() * token)
}

/// The text of `info`.
#[must_use]
pub fn describe(config: &Config, entropy: Option<f64>) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<18}{value}");
    };
    let flops = flops_per_token(config);
    line("parameters", config.model.parameters().to_string());
    line("tokens per step", config.tokens_per_step().to_string());
    line("flops per token", format!("{flops:.4e}"));
    let step = flops * config.tokens_per_step() as f64;
    line("flops per step", format!("{step:.4e}"));
    line(
        "memory",
        format!("about {:.0} MiB", memory_bytes(config) as f64 / MIB),
    );
    let floor = match entropy {
        Some(nats) => format!("{nats:.6} nats a token"),
        None => "unknown (text)".to_owned(),
    };
    line("entropy floor", floor);
    text
}
