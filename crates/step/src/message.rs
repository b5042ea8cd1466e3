//! The messages. Both sides ignore fields that they do not know, so the protocol grows by adding
//! some; a message of an unknown type is an error.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The version of the protocol.
pub const VERSION: u32 = 1;
/// The longest message in bytes, its line break included. A longer one ends the trial.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// The most steps of one [`Request::Step`]. Their losses have to fit into one message, and JSON
/// takes up to 25 bytes for a number and its comma.
pub const MAX_STEPS: u32 = 40_000;
/// Environment variable that holds the path of the socket.
pub const SOCKET_VARIABLE: &str = "OUTPACE_SOCKET";

/// Ability of a workload that answers [`Request::Save`].
pub const SAVE: &str = "save";
/// Ability of a workload that understands [`Start::perturb_ulps`].
pub const PERTURB: &str = "perturb";
/// Ability of a workload that understands [`Start::checkpoint`].
pub const RESUME: &str = "resume";

/// Ability of a workload that answers [`Request::Predict`].
pub const PREDICT: &str = "predict";

/// What outpace asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Begin training from a fresh model. A workload reads it as [`Start`].
    Start {
        /// Seed of the initial weights.
        model_seed: u64,
        /// Seed of the training data.
        data_seed: u64,
        /// Move every initial weight by so many units in the last place. Sent only to a workload
        /// that lists [`PERTURB`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        perturb_ulps: Option<u32>,
        /// A file that `save` wrote, whose model is to be asked with `predict`. Sent only to a
        /// workload that lists [`RESUME`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checkpoint: Option<PathBuf>,
    },
    /// Train `n` steps.
    Step {
        /// Number of steps, 1 to [`MAX_STEPS`].
        n: u32,
    },
    /// Write a checkpoint. Sent only to a workload that lists [`SAVE`].
    Save {
        /// File to write.
        path: String,
    },
    /// Say what the model as it is now expects of a text: ln p of every next token, or, with `at`,
    /// of every symbol at one position a passage. Nothing may be learnt from it. Sent only to a
    /// workload that lists [`PREDICT`].
    Predict {
        /// File of token ids, unsigned 32-bit little-endian: `passages x (length + 1)`.
        text: String,
        /// Number of passages.
        passages: usize,
        /// Tokens of a passage that are to be predicted; token `i + 1` follows tokens `0..=i`.
        length: usize,
        /// One position a passage, each below `length`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Vec<usize>>,
        /// File to write, 32-bit little-endian floats: `passages x length` natural logarithms of
        /// the probabilities of the tokens that came, or, with `at`, `passages x symbols` of all.
        out: String,
    },
    /// Exit with 0.
    Stop,
}

/// `start` as a workload reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Start {
    /// Seed of the initial weights, 0 to 2^53 - 1.
    pub model_seed: u64,
    /// Seed of the training data, 0 to 2^53 - 1.
    pub data_seed: u64,
    /// Units in the last place to move every initial weight by. 0 unless the workload lists
    /// [`PERTURB`].
    #[serde(default)]
    pub perturb_ulps: u32,
    /// Checkpoint whose model is to be taken. None unless the workload lists [`RESUME`].
    #[serde(default)]
    pub checkpoint: Option<PathBuf>,
}

/// What a workload answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reply {
    /// The first message, sent without a request.
    Hello(Hello),
    /// `start` is done.
    Ready,
    /// `step` is done: finished on the device, not queued.
    Done {
        /// Steps trained since `start`.
        step: u64,
        /// Loss of each of these steps in nats per token. `null` is a loss that is not finite.
        losses: Vec<Option<f64>>,
    },
    /// `save` is done.
    Saved,
    /// `predict` is done.
    Predicted,
    /// The workload gives up.
    Error {
        /// Why.
        message: String,
    },
}

/// What a workload says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the protocol that it speaks.
    pub protocol: u32,
    /// Tokens that one step trains on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_step: Option<u64>,
    /// Floating-point operations for one token, forward and backward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flops_per_token: Option<f64>,
    /// Trainable parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// Optional abilities: [`SAVE`], [`PERTURB`], [`RESUME`], [`PREDICT`].
    #[serde(default)]
    pub can: Vec<String>,
}

impl Default for Hello {
    /// A workload of this version that states nothing.
    fn default() -> Self {
        Self {
            protocol: VERSION,
            tokens_per_step: None,
            flops_per_token: None,
            parameters: None,
            can: Vec::new(),
        }
    }
}

/// What the command `evaluate` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Validation loss in nats per token.
    pub loss: f64,
    /// The same in bits per byte of raw text.
    #[serde(default)]
    pub bits_per_byte: Option<f64>,
    /// Tokens that the loss is the mean of.
    pub tokens: u64,
    /// Entropy of the data in nats per token, where it is known.
    #[serde(default)]
    pub entropy_floor: Option<f64>,
    /// Largest distance of a sum of probabilities from 1.
    #[serde(default)]
    pub probability_sum_error: Option<f64>,
    /// Largest change of a past loss when the future was changed.
    #[serde(default)]
    pub causality_error: Option<f64>,
}

/// What the command `text` prints of the validation text that it drew.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TextSummary {
    /// Number of different tokens.
    pub symbols: usize,
    /// Tokens to predict in each passage, which has one more.
    pub length: usize,
    /// Entropy of the text in nats per token, where it is known.
    #[serde(default)]
    pub entropy_floor: Option<f64>,
}
