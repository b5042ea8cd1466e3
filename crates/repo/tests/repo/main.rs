//! Everything here works on real repositories in temporary folders.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod branches;
mod discover;
mod export;
mod git_patches;
mod history;
mod landed;
mod messages;
mod patches;
mod policy;
mod support;
mod tampering;
mod worktree;
