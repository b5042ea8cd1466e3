//! Campaigns with a judge that answers from a script: no clock, no build, no process but git's.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod budget;
mod fake;
mod moved;
mod resume;
mod settled;
