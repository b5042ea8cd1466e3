//! Readers of what candidates write, for the targets of `fuzz/`. Not compiled otherwise.

use std::path::Path;

use crate::WorkloadError;
use crate::check::checkpoint::{distances, read_untrusted};

/// A line of a workload, as its reply.
///
/// # Errors
/// It is none.
pub fn reply(line: &[u8]) -> Result<(), WorkloadError> {
    crate::client::parse(line).map(drop)
}

/// Compares a checkpoint with itself; the number of its tensors.
pub fn checkpoint(path: &Path) -> Option<usize> {
    let tensors = read_untrusted(path)?;
    let names = tensors.names();
    for name in &names {
        let found = distances(name, &tensors, [Some(&tensors)]).expect("it is there");
        assert!(found.norm >= 0.0 && found.others[0].is_some_and(|other| other >= 0.0));
    }
    Some(names.len())
}
