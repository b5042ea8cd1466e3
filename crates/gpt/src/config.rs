//! A config file: model, data, optimiser and run, each a table of TOML. Sizes are validated here
//! and nowhere else; what comes out can be trained. Unknown keys are errors that name the file, the
//! line and the keys that exist.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// Nobody trains wider or longer than this on one device; a typo of three zeros should not ask for
/// a terabyte.
const LARGEST_SIZE: usize = 65_536;
/// The largest number of parameters that a config may describe: 1 Gi.
const MOST_PARAMETERS: usize = 1 << 30;

/// The whole file.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Sizes of the network.
    pub model: Model,
    /// What it learns.
    pub data: Data,
    /// How it learns.
    #[serde(default)]
    pub optimizer: Optimizer,
    /// How the program runs.
    #[serde(default)]
    pub run: Run,
}

/// Sizes of the network.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Number of different tokens; text needs 256.
    pub symbols: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads a block; they share the width.
    pub heads: usize,
    /// Tokens in a sequence.
    pub sequence: usize,
    /// Hidden width of the MLP over the model's width.
    #[serde(default = "default_mlp_ratio")]
    pub mlp_ratio: usize,
    /// Base of the rotary angles.
    #[serde(default = "default_rotary_base")]
    pub rotary_base: f64,
    /// Added under the root of every norm.
    #[serde(default = "default_norm_epsilon")]
    pub norm_epsilon: f64,
}

/// What a model learns.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Sequences in a step.
    pub batch: usize,
    /// The generated language. Without it a text is needed: `path` here, or `--data`.
    pub language: Option<Language>,
    /// A text file, or a folder of them.
    pub path: Option<PathBuf>,
}

/// The generated language; see `language.rs` for what the numbers do.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// Fixes the language. The text is drawn by the data seed.
    pub seed: u64,
    /// Symbols that usually follow a symbol.
    #[serde(default = "default_successors")]
    pub successors: usize,
    /// Classes of the symbol before the last; each class prefers other successors.
    #[serde(default = "default_classes")]
    pub classes: usize,
    /// Probability that any symbol at all comes next.
    #[serde(default = "default_smoothing")]
    pub smoothing: f64,
}

/// Shape of the learning rate over steps, after the warm-up.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Stays.
    #[default]
    Constant,
    /// Falls along half a cosine until `total_steps`.
    Cosine,
}

/// AdamW and its learning rate.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Optimizer {
    /// Peak learning rate.
    pub learning_rate: f64,
    /// After the warm-up.
    pub schedule: Schedule,
    /// Steps over which the rate rises from nothing.
    pub warmup_steps: u64,
    /// Where the cosine ends.
    pub total_steps: u64,
    /// What is left of the rate at the end of the cosine.
    pub final_fraction: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decay of matrices; norms are left alone.
    pub weight_decay: f64,
}

/// How the program runs.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Run {
    /// Threads that compute; 0 means one for each core that the process may use.
    pub threads: usize,
    /// Where it trains.
    pub device: Device,
    /// What it multiplies in.
    pub precision: Precision,
}

/// Where a model trains.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// All threads of the process.
    #[default]
    Cpu,
    /// The first GPU that the driver shows.
    Cuda,
}

/// Numbers of weights and activations. Master weights, moments and sums are f32 in both.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits with the exponent of f32, on CUDA.
    Bf16,
}

impl Default for Optimizer {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            schedule: Schedule::Constant,
            warmup_steps: 20,
            total_steps: 1000,
            final_fraction: 0.1,
            beta1: 0.9,
            beta2: 0.95,
            epsilon: 1e-8,
            weight_decay: 0.1,
        }
    }
}

fn default_mlp_ratio() -> usize {
    4
}
fn default_rotary_base() -> f64 {
    10_000.0
}
fn default_norm_epsilon() -> f64 {
    1e-5
}
fn default_successors() -> usize {
    6
}
fn default_classes() -> usize {
    8
}
fn default_smoothing() -> f64 {
    0.02
}

/// A config that cannot be used: the user's mistake, exit code 2.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads and validates `path`.
    ///
    /// # Errors
    /// A file that cannot be read or parsed, or a value that cannot be trained with; all name the
    /// file, most the key and the value.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError(format!("{}: {error}", path.display())))?;
        Self::parse(&text)
            .map_err(|ConfigError(message)| ConfigError(format!("{}: {message}", path.display())))
    }

    /// Parses and validates the text of a config.
    ///
    /// # Errors
    /// As [`Config::load`], without the file's name.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self =
            toml::from_str(text).map_err(|e| ConfigError(e.to_string().trim_end().to_owned()))?;
        config.validate().map_err(ConfigError)?;
        Ok(config)
    }

    /// Tokens that one step trains on.
    #[must_use]
    pub fn tokens_per_step(&self) -> usize {
        self.data.batch * self.model.sequence
    }

    fn validate(&self) -> Result<(), String> {
        self.model.validate()?;
        size("data.batch", self.data.batch)?;
        if let Some(language) = &self.data.language {
            language.validate(self.model.symbols)?;
            if self.data.path.is_some() {
                return Err("data.path and data.language: only one can be learnt".to_owned());
            }
        }
        self.optimizer.validate()?;
        at_most("run.threads", self.run.threads, 1024)
    }
}

impl Model {
    /// Width of one attention head.
    #[must_use]
    pub fn head_dim(&self) -> usize {
        self.width / self.heads
    }

    /// Number of trainable numbers.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let square = self.width * self.width;
        let block = 4 * square + 2 * square * self.mlp_ratio + 2 * self.width;
        2 * self.symbols * self.width + self.layers * block + self.width
    }

    fn validate(&self) -> Result<(), String> {
        for (key, value) in [
            ("model.symbols", self.symbols),
            ("model.width", self.width),
            ("model.layers", self.layers),
            ("model.heads", self.heads),
            ("model.sequence", self.sequence),
            ("model.mlp_ratio", self.mlp_ratio),
        ] {
            size(key, value)?;
        }
        if !self.width.is_multiple_of(2 * self.heads) {
            return Err(format!(
                "model.width = {} must be a multiple of 2 x model.heads = {}, because rotary embedding turns pairs inside a head",
                self.width,
                2 * self.heads
            ));
        }
        if self.parameters() > MOST_PARAMETERS {
            return Err(format!(
                "model: {} parameters are more than the {MOST_PARAMETERS} supported",
                self.parameters()
            ));
        }
        positive("model.rotary_base", self.rotary_base)?;
        positive("model.norm_epsilon", self.norm_epsilon)
    }
}

impl Language {
    fn validate(&self, symbols: usize) -> Result<(), String> {
        size("data.language.successors", self.successors)?;
        size("data.language.classes", self.classes)?;
        at_most("data.language.successors", self.successors, symbols)?;
        at_most("data.language.classes", self.classes, symbols)?;
        // Above zero: then every symbol can follow every other and the stationary distribution is
        // unique.
        positive("data.language.smoothing", self.smoothing)?;
        fraction("data.language.smoothing", self.smoothing)
    }
}

impl Optimizer {
    fn validate(&self) -> Result<(), String> {
        positive("optimizer.learning_rate", self.learning_rate)?;
        positive("optimizer.epsilon", self.epsilon)?;
        for (key, value) in [
            ("optimizer.final_fraction", self.final_fraction),
            ("optimizer.weight_decay", self.weight_decay),
        ] {
            fraction(key, value)?;
        }
        for (key, value) in [
            ("optimizer.beta1", self.beta1),
            ("optimizer.beta2", self.beta2),
        ] {
            if !(0.0..1.0).contains(&value) {
                return Err(format!("{key} = {value} must be at least 0 and below 1"));
            }
        }
        if self.schedule == Schedule::Cosine && self.total_steps <= self.warmup_steps {
            return Err(format!(
                "optimizer.total_steps = {} must be above optimizer.warmup_steps = {}",
                self.total_steps, self.warmup_steps
            ));
        }
        Ok(())
    }
}

fn size(key: &str, value: usize) -> Result<(), String> {
    if value == 0 {
        return Err(format!("{key} = 0 must be at least 1"));
    }
    at_most(key, value, LARGEST_SIZE)
}

fn at_most(key: &str, value: usize, most: usize) -> Result<(), String> {
    if value > most {
        return Err(format!("{key} = {value} must be at most {most}"));
    }
    Ok(())
}

fn positive(key: &str, value: f64) -> Result<(), String> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(format!("{key} = {value} must be a positive number"))
}

fn fraction(key: &str, value: f64) -> Result<(), String> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(format!("{key} = {value} must be between 0 and 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[model]\nsymbols = 16\nwidth = 8\nlayers = 1\nheads = 2\nsequence = 4\n\
                        [data]\nbatch = 2\nlanguage = { seed = 1 }\n[optimizer]\n[run]\n";

    #[test]
    fn the_smallest_config_gets_defaults() {
        let config = Config::parse(GOOD).unwrap();
        assert_eq!(config.tokens_per_step(), 8);
        assert_eq!(config.model.parameters(), 2 * 16 * 8 + 12 * 64 + 3 * 8);
        assert_eq!(config.optimizer, Optimizer::default());
    }

    #[test]
    fn every_mistake_is_named() {
        for (from, to, expected) in [
            (
                "width = 8",
                "width = 0",
                "model.width = 0 must be at least 1",
            ),
            (
                "width = 8",
                "width = 6",
                "model.width = 6 must be a multiple of 2 x model.heads = 4",
            ),
            ("width = 8", "widht = 8", "unknown field `widht`"),
            ("width = 8", "width = \"8\"", "invalid type"),
            (
                "width = 8",
                "width = 80000",
                "model.width = 80000 must be at most 65536",
            ),
            (
                "width = 8\nlayers = 1",
                "width = 65536\nlayers = 9",
                "parameters are more than",
            ),
            ("width = 8\n", "", "missing field `width`"),
            ("batch = 2", "batch = -2", "invalid value"),
            (
                "batch = 2",
                "batch = 2\npath = \"x\"",
                "only one can be learnt",
            ),
            (
                "seed = 1",
                "seed = 1, successors = 17",
                "data.language.successors = 17 must be at most 16",
            ),
            (
                "seed = 1",
                "seed = 1, smoothing = 0.0",
                "data.language.smoothing = 0 must be a positive",
            ),
            (
                "seed = 1",
                "seed = 1, smoothing = 1.5",
                "data.language.smoothing = 1.5 must be between",
            ),
            (
                "[optimizer]",
                "[optimizer]\nlearning_rate = nan",
                "optimizer.learning_rate = NaN",
            ),
            (
                "[optimizer]",
                "[optimizer]\nbeta1 = 1.0",
                "optimizer.beta1 = 1 must be",
            ),
            (
                "[optimizer]",
                "[optimizer]\nschedule = \"linear\"",
                "unknown variant `linear`",
            ),
            (
                "[optimizer]",
                "[optimizer]\nschedule = \"cosine\"\ntotal_steps = 5",
                "optimizer.total_steps = 5 must be above optimizer.warmup_steps = 20",
            ),
            (
                "[run]",
                "[run]\nthreads = 5000",
                "run.threads = 5000 must be at most 1024",
            ),
        ] {
            assert!(GOOD.contains(from));
            let error = Config::parse(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.0.contains(expected), "{to}: {error}");
        }
    }
}
