//! Child processes: how they are started, supervised, measured and ended, the directories that they
//! run in, and the locks that keep two of us apart.
//!
//! Every child process goes through [`Launcher`]. Nothing here knows what a program is for: no
//! protocol, no git, no record, no terminal.

mod context;
mod cores;
mod disk;
mod launch;
mod lock;
mod log_tail;
mod pristine;
mod processes;
mod program;
mod sandbox;
mod subject;
pub mod supervise;
mod sweep;
mod tree;
mod usage;
mod watch;

pub use context::{Context, Scratch, scratch_faults};
pub use launch::{Finished, LaunchError, LaunchSpec, Launcher, Limits, Running};
pub use lock::{Holder, MachineLock, MachineUse, RepositoryLock, Waiting};
pub use log_tail::open_written;
pub use pristine::{InUse, PristineDir};
pub use program::is_missing;
pub use sandbox::{Probed, Reach, Sandbox, Tier};
pub use subject::Subject;
pub use sweep::sweep_leftovers;
pub use tree::{
    copy_dependencies, copy_file, copy_tree, files_below, remove_file, remove_tree, touch_all,
    write_whole,
};
pub use usage::ProcessTree;
