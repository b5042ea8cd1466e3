//! Requests, branches and landings in real repositories; nothing is built or timed.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod judge;
mod lab;
mod land;
