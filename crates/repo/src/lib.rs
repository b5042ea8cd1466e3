//! Everything that outpace does with git: reading and exporting revisions, patches and what they
//! may touch, merges with proof, the history of records, and the audit of both.
//!
//! Trees and commits go in and out as hex ids; git2 stays inside. This crate never runs the `git`
//! command, a hook or a filter, never writes the user's index or checked-out files, and moves a
//! reference only by compare-and-swap. It never prints and never starts a process. What an agent
//! leaves behind (files, paths, patches, messages) is hostile data here.
#![forbid(unsafe_code)]

mod apply;
mod audit;
mod canon;
mod checked_out;
mod error;
mod export;
mod forbidden;
mod history;
mod ignore;
mod merge;
mod message;
mod patch;
mod patch_text;
mod paths;
mod policy;
mod proof;
mod repo;
mod revision;
mod safe_write;
mod trees;
mod worktree;

pub use audit::{Audited, audit};
pub use error::RepoError;
pub use export::ExportOptions;
pub use history::{Day, Entry, History, HistoryError, Pruned, Transfer};
pub use merge::{MergeError, MergeRequest};
pub use message::{Trailers, merge_message, parse_trailers, proven_text};
pub use patch::{FileChange, FileStatus, Patch};
pub use patch_text::decode_patch;
pub use paths::check_globs;
pub use policy::{Violation, check_policy};
pub use proof::{next_baseline, proof_path};
pub use repo::Repo;
pub use revision::Commit;
pub use worktree::MAX_FILE_BYTES;
