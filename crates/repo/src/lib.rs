//! Everything that outpace does with git: reading and exporting revisions, patches and what they
//! may touch, merges with proof, the history of records, and the audit of both.
//!
//! Trees and commits go in and out as hex ids; git2 stays inside. The `git` command is run only
//! where it knows what libgit2 does not: transport, promised objects, signatures, trusted owners.
//! No hook and no filter runs. This crate never writes the user's index or checked-out files, moves
//! a reference only by compare-and-swap, and never prints. What an agent leaves behind (files,
//! paths, patches, messages) is hostile data here.

mod apply;
mod audit;
mod bundle;
mod canon;
mod checked_out;
mod error;
mod export;
mod forbidden;
mod git;
mod history;
mod ignore;
mod left_out;
mod lfs;
mod merge;
mod message;
mod owner;
mod patch;
mod patch_text;
mod paths;
mod policy;
mod promised;
mod proof;
mod repo;
mod revision;
mod safe_write;
mod sign;
mod sources;
mod submodules;
mod trees;
mod work_tree;
mod worktree;

pub use audit::{Audited, audit};
pub use error::RepoError;
pub use export::ExportOptions;
pub use history::{Day, Entry, History, HistoryError, Pruned, Transfer};
pub use left_out::LeftOut;
pub use merge::{MergeError, MergeRequest};
pub use message::{Trailers, merge_message, parse_trailers, proven_text};
pub use patch::{FileChange, FileStatus, Patch};
pub use patch_text::decode_patch;
pub use paths::check_globs;
pub use policy::{Violation, check_policy};
pub use proof::{next_baseline, proof_path};
pub use repo::Repo;
pub use revision::Commit;
pub use work_tree::{WorkTree, work_tree};
pub use worktree::MAX_FILE_BYTES;
