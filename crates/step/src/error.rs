//! Why the loop of a workload ended early.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use crate::{MAX_MESSAGE_BYTES, MAX_STEPS, SOCKET_VARIABLE};

/// Any error of a workload; `?` makes one of every error type.
pub type WorkloadError = Box<dyn Error + Send + Sync>;

/// Why the loop ended before `stop`. The text is complete: it names its cause.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Nothing says where outpace listens.
    #[error(
        "{SOCKET_VARIABLE} is not set. Hint: outpace sets it when it starts this program: name the \
         program as `run` in outpace.toml, or with `outpace compare --base-cmd`"
    )]
    NoSocket,
    /// The socket cannot be reached.
    #[error("{SOCKET_VARIABLE} = {}: cannot connect: {error}", path.display())]
    Connect {
        /// Path of the socket.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Reading failed.
    #[error("cannot read from outpace: {0}")]
    Receive(io::Error),
    /// Writing failed.
    #[error("cannot write to outpace: {0}")]
    Send(io::Error),
    /// A request is too long.
    #[error("a request of more than {} KiB", MAX_MESSAGE_BYTES >> 10)]
    TooLong,
    /// The stream ended inside a request.
    #[error("the connection ended inside a request, after {bytes} bytes")]
    CutOff {
        /// How much had come.
        bytes: usize,
    },
    /// A request is not in the protocol.
    #[error("a request that is not in the step protocol: {0}")]
    Malformed(serde_json::Error),
    /// Training has not begun.
    #[error("`{request}` before `start`")]
    NotStarted {
        /// What was asked.
        request: &'static str,
    },
    /// The workload did not say that it can do this.
    #[error("asked for the ability `{ability}`, which is not in `can` of `hello`")]
    NotListed {
        /// What it would take.
        ability: &'static str,
    },
    /// A number of steps that cannot be answered.
    #[error("step: n = {n} must be between 1 and {MAX_STEPS}")]
    StepCount {
        /// What was asked.
        n: u32,
    },
    /// The workload returned too few losses or too many.
    #[error("the workload returned {losses} losses for {n} steps")]
    LossCount {
        /// Steps that were asked for.
        n: u32,
        /// Losses that came.
        losses: usize,
    },
    /// A file that outpace named cannot be used.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: io::Error,
    },
    /// The workload returned too few predictions or too many.
    #[error("the workload returned {predictions} predictions for {passages} passages of {length}")]
    PredictionCount {
        /// Passages that were asked for.
        passages: usize,
        /// Tokens to predict in each.
        length: usize,
        /// Predictions that came.
        predictions: usize,
    },
    /// The workload failed.
    #[error("{}", with_causes(&**.0))]
    Workload(WorkloadError),
}

/// An error and its causes in one line.
fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
