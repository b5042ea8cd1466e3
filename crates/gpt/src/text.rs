//! Validation text for a judge, who shows it to whatever model it judges.

use crate::config::Config;
use crate::data::Source;
use anyhow::{Context as _, Result};
use outpace_step::{Passages, TextSummary};
use std::path::Path;

/// What to draw.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Seed of the text.
    pub seed: u64,
    /// How many passages.
    pub passages: usize,
    /// Tokens to predict in each.
    pub length: usize,
    /// Draw from all of a text, and not from its validation part.
    pub whole: bool,
}

/// Writes the passages of `plan` to `out`.
///
/// # Errors
/// A text that is too short, or a file that cannot be written.
pub fn write(config: &Config, source: &Source, plan: &Plan, out: &Path) -> Result<TextSummary> {
    let text = Passages {
        tokens: source.passages(plan.seed, plan.passages, plan.length, plan.whole)?,
        length: plan.length,
    };
    text.write(out)
        .with_context(|| format!("{}: cannot be written", out.display()))?;
    Ok(TextSummary {
        symbols: config.model.symbols,
        length: plan.length,
        entropy_floor: source.entropy(),
    })
}
