//! The launcher and its supervisor with real processes.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod launching;
mod sandbox;
