//! The supervisor as a program of its own, for this crate's tests; the command carries it inside.

use std::process::ExitCode;

fn main() -> ExitCode {
    outpace_process::supervise::main(std::env::args_os().skip(1))
}
