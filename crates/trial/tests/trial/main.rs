//! Scheduling with a fake clock and fake programs; the supervisor and the launcher with real ones.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod fake;
mod launching;
mod scheduling;
