//! Scheduling with a fake clock and fake programs.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod fake;

mod blocks;
mod noise;
mod pilots;
mod same_model;
mod scheduling;
mod trials;
