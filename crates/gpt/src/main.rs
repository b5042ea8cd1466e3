//! `outpace-gpt`: the reference workload of outpace.

use std::process::ExitCode;

/// Keeps freed pages and asks for large ones; `threads.rs` says why that matters.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    outpace_gpt::cli::main()
}
