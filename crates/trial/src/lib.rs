//! Turns two revisions into evidence: builds them, starts them, checks that they train the same model, and times them
//! beside each other with a clock that they cannot reach.
//!
//! Every child process goes through [`Launcher`]. Nothing here knows git (sources come through [`Sources`]), writes records
//! to a repository, or talks to a terminal (progress goes to an [`Observer`]).

mod alone;
mod arena;
mod artefact;
mod block;
mod build;
mod check;
mod checkpoint;
mod evaluate;
mod event;
mod gpu;
mod laid;
mod launch;
mod lock;
mod machine;
mod peak;
mod peer;
mod plan;
mod process_mode;
mod process_tree;
mod run;
mod session;
mod subject;
pub mod supervise;
mod tree;
mod trial;

pub use arena::{Arena, Clock, Closed, Residence, Session, Side, Turn, arena, pairs_of};
pub use artefact::identity_of_file;
pub use block::{BlockPlan, run_block};
pub use build::{BuildError, Builder, Built, Sources};
pub use check::{CheckOutcome, NOT_COMPARED, Trainees, check_same_model};
pub use evaluate::{evaluate, profile};
pub use event::{Event, NoObserver, Observer};
pub use gpu::{GpuNow, Gpus, conditions_of, gpus_now};
pub use laid::InUse;
pub use launch::{Finished, LaunchError, LaunchSpec, Launcher, Limits, Running, open_written};
pub use lock::Lock;
pub use machine::{machine, sandbox_tier};
pub use peak::{copy_bytes_per_s, peak_flops_per_s, plausible};
pub use peer::PeerError;
pub use plan::{Plan, pilot, settle};
pub use run::{Measured, measure_run};
pub use subject::{Context, Scratch, Subject};
pub use trial::{Settings, SideError, Trial, run_trial};
