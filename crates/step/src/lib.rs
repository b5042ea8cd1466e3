//! The step protocol, `outpace.step/1`: JSON lines over a Unix socket between outpace and a
//! workload.
//!
//! outpace asks and the workload answers, one message each. `docs/protocol.md` describes the
//! protocol; this crate has its messages, and the loop that a workload written in Rust needs. It
//! never reads a clock: outpace measures. It knows no other crate of outpace.
//!
//! A workload implements [`Workload`] and calls [`serve`]:
//!
//! ```no_run
//! use outpace_step::{Hello, Start, Workload, WorkloadError};
//!
//! /// Finds the minimum of a parabola.
//! struct Descent {
//!     weight: f64,
//! }
//!
//! impl Workload for Descent {
//!     fn hello(&self) -> Hello {
//!         Hello { tokens_per_step: Some(1), ..Hello::default() }
//!     }
//!
//!     fn start(&mut self, start: &Start) -> Result<(), WorkloadError> {
//!         self.weight = start.model_seed as f64 / 1e6;
//!         Ok(())
//!     }
//!
//!     fn steps(&mut self, n: u32) -> Result<Vec<f64>, WorkloadError> {
//!         Ok((0..n).map(|_| { self.weight *= 0.9; self.weight.powi(2) }).collect())
//!     }
//! }
//!
//! fn main() {
//!     if let Err(error) = outpace_step::serve(&mut Descent { weight: 0.0 }) {
//!         eprintln!("error: {error}");
//!         std::process::exit(1);
//!     }
//! }
//! ```
//!
//! `examples/rust-workload` is a whole project with its `outpace.toml`.

mod connection;
mod error;
mod message;
mod predict;
mod serve;

pub use error::{ServeError, WorkloadError};
pub use message::{
    Evaluation, Hello, MAX_MESSAGE_BYTES, MAX_STEPS, PERTURB, PREDICT, RESUME, Reply, Request,
    SAVE, SOCKET_VARIABLE, Start, TextSummary, VERSION,
};
pub use predict::Passages;
pub use serve::{Workload, is_driven, serve, serve_stream};
