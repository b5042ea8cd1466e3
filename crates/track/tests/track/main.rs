//! Series, changes and searches, without a process.
#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

mod bisect;
mod changes;
mod common;
mod proof;
mod selection;
mod series;
