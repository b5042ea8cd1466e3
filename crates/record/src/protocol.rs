//! The step protocol, `outpace.step/1`: JSON lines over a Unix socket between outpace and a workload.

use serde::{Deserialize, Serialize};

/// The version that is spoken here.
pub const VERSION: u32 = 1;
/// The longest message in bytes; a longer one ends the trial.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// Environment variable that holds the socket's path.
pub const SOCKET_VARIABLE: &str = "OUTPACE_SOCKET";

/// What outpace asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Begin training afresh.
    Start {
        /// Seed of the initial weights.
        model_seed: u64,
        /// Seed of the training data.
        data_seed: u64,
        /// Move every initial weight by so many units in the last place (only to a workload that `can` "perturb").
        #[serde(default, skip_serializing_if = "Option::is_none")]
        perturb_ulps: Option<u32>,
    },
    /// Train `n` steps.
    Step {
        /// Number of steps.
        n: u32,
    },
    /// Write a checkpoint.
    Save {
        /// File to write.
        path: String,
    },
    /// Exit with 0.
    Stop,
}

/// What a workload answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reply {
    /// The first message, unasked.
    Hello(Hello),
    /// `start` is done.
    Ready,
    /// `step` is done, on the device, not queued.
    Done {
        /// Steps trained since `start`.
        step: u64,
        /// Loss of each step of this turn, in nats per token; `null` stands for a loss that is not finite.
        losses: Vec<Option<f64>>,
    },
    /// `save` is done.
    Saved,
    /// The workload gives up.
    Error {
        /// Why.
        message: String,
    },
}

/// Who the workload is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the protocol it speaks.
    pub protocol: u32,
    /// Tokens that one step trains on.
    #[serde(default)]
    pub tokens_per_step: Option<u64>,
    /// Floating-point operations for one token, forward and backward.
    #[serde(default)]
    pub flops_per_token: Option<f64>,
    /// Trainable parameters.
    #[serde(default)]
    pub parameters: Option<u64>,
    /// Optional abilities: "perturb" (`perturb_ulps`), "save", "resume".
    #[serde(default)]
    pub can: Vec<String>,
}

/// What `evaluate` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Validation loss in nats per token.
    pub loss: f64,
    /// The same per byte of raw text, in bits.
    #[serde(default)]
    pub bits_per_byte: Option<f64>,
    /// Tokens it was computed over.
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
