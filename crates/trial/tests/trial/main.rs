//! Scheduling with a fake clock and fake programs; the supervisor and the launcher with real ones.

mod fake;
mod launching;
mod scheduling;
