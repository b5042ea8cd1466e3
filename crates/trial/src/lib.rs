//! Two programs in, evidence out: starts both, checks that they train the same model, and times
//! them beside each other with a clock that they cannot reach.
//!
//! Nothing here knows git or how programs are built, writes records to a repository, or talks to a
//! terminal (progress goes to an [`outpace_record::Observer`]).

mod beside;
mod block;
mod check;
mod client;
mod evaluate;
mod executor;
mod executors;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gpu;
mod guards;
mod handed;
mod isolated;
mod loss;
mod machine;
mod noise;
mod peak;
mod plan;
mod run;
mod settings;
mod trial;

pub use beside::{SideBySide, measure_beside};
pub use block::{BlockPlan, run_block};
pub use check::{CheckOutcome, Checkpoint, NOT_COMPARED, Trainees, check_same_model};
pub use client::WorkloadError;
pub use evaluate::{evaluate, profile};
pub use executor::{Clock, Closed, Executor, Placement, Side, Turn, WorkloadProcess, pairs_of};
pub use executors::{executor, lock_machine, waiting_event};
pub use gpu::{GpuNow, Gpus, conditions_of, gpus_now};
pub use loss::{
    Programs, ScreeningRuns, SeedSettings, SeedTrial, Shapes, run_base_seeds, run_seeds, shapes,
};
pub use machine::{demanded, machine, sandbox_tier};
pub use noise::{Noise, measure_noise};
pub use peak::{Peaks, measure_peaks, plausible};
pub use plan::{Plan, pilot};
pub use run::{Measured, measure_run};
pub use settings::{Earlier, Evaluator, SameModel, Settings, SideError};
pub use trial::{Trial, run_trial};
