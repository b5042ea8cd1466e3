//! The reference workload of outpace: a GPT trained with candle, on a CPU or a GPU.
//!
//! A program behind a socket: it speaks the step protocol (`session`), and can also be used by
//! hand. It knows nothing of trials, verdicts or clocks that judge it. The operations are in
//! `outpace-kernels`.

pub mod check;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod data;
pub mod drill;
pub mod evaluate;
pub mod export;
pub mod figures;
pub mod gpu;
pub mod language;
pub mod model;
pub mod optimizer;
pub mod peaks;
pub mod place;
pub mod predict;
pub mod profile;
pub mod random;
mod run;
pub mod sample;
pub mod session;
pub mod text;
pub mod threads;
pub mod train;
pub mod trainer;
