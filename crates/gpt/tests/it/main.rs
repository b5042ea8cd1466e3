//! The program as others use it: the real binary, small configs in temporary folders.
#![expect(
    clippy::unwrap_used,
    reason = "a test whose stage cannot be set has failed"
)]

mod protocol;
mod support;
mod verbs;
