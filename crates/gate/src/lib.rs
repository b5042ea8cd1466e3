//! One request in, one outcome out: what is asked of a gate is a [`outpace_record::GateRequest`],
//! who judges it a [`Judge`], what comes back a [`GateOutcome`], and what becomes of a proof a
//! [`Landing`].
//!
//! Nothing here prints; progress goes to an observer. Nothing here decides what "faster" means:
//! that is the rule of proof in `outpace-stats`, with the samples that `outpace-trial` measured.

mod anchor;
mod artefact;
mod begin;
mod beside;
mod branch;
mod budget;
mod build;
mod candidate;
mod commands;
mod data;
mod error;
mod harness;
mod judge;
mod land;
mod loss;
mod merge;
mod missing;
mod placeholders;
mod unfinished;
mod verdict;
mod verify;
mod workload;

pub use beside::{Beside, Pairing, Unmeasured};
pub use branch::{current_base, default_branch, sync_default_branch};
pub use budget::next_test;
pub use commands::{Commands, compare_commands};
pub use data::data_fault;
pub use error::GateError;
pub use harness::{Harness, machine_of};
pub use judge::{GateOutcome, Judge, refused_by_policy};
pub use land::{Landing, Next, land};
pub use loss::BaseSeeds;
pub use verdict::{Surroundings, reason_of};
