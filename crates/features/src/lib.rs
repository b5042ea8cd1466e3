//! Nothing but a manifest: one set of features for what several crates depend on.
//!
//! Cargo gives a dependency the features that the packages of one command ask for. `cargo build`
//! (the command alone), `cargo build -p outpace-gpt` and `cargo test --workspace` would each ask
//! for others, and most dependencies would be compiled two or three times. `ci/features.py` checks
//! that they agree.
