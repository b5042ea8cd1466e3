//! The command, end to end: real git, real processes, real merges.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

#[expect(unreachable_pub, reason = "shared by the modules of this one binary")]
mod playground;

mod arrows;
mod bad_input;
mod budget;
mod campaign;
mod faults;
mod gate;
mod gpus;
mod howtos;
mod judge_input;
mod kill;
mod mutants;
mod red_team;
mod repositories;
mod sample;
mod spinning;
mod surface;
mod this_repository;
mod time_to_loss;
mod tracking;
mod workloads;
