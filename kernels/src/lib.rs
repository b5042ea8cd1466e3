//! The operations a GPT trains with, each beside its reference. What agents may patch.
//!
//! One folder an operation (`rotary` is a part of `attention` and no operation by itself):
//! `reference.rs` says in f64 and in the most obvious way what the operation means, `cpu.rs` is the
//! version that trains, `mod.rs` makes it a candle operation **with a real backward** (candle's own
//! fused operations have none: gradients stop there without an error) and checks it against the
//! reference and against finite differences. `tape` records them and computes gradients.
//!
//! Invariants of every operation here:
//! * Results do not depend on the number of threads: work is cut at fixed places and reduced in a fixed order.
//! * Non-finite input gives non-finite output; nothing is clamped or hidden.
//! * f32 trains; f64 exists so that gradient checks can be sharp. Storage is contiguous and row-major; what trains is on the CPU.
//!
//! The crate knows nothing about models, data, protocols or clocks other than the profile's.

pub mod adamw;
pub mod add;
pub mod attention;
pub mod cross_entropy;
pub mod cuda;
pub mod embedding;
pub mod linear;
pub mod profile;
pub mod relu_squared;
pub mod rms_norm;
pub mod rotary;
pub mod rows;
pub mod tape;
pub mod tile;

mod host;
mod real;
mod simd;
mod tasks;

#[cfg(test)]
mod check;

pub use real::{REDUCTION_LANES, Real};
