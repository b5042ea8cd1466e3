//! What came out of a range.

/// How many commits.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    pub(super) measured: usize,
    pub(super) copied: usize,
    pub(super) failed: usize,
    pub(super) done_before: usize,
    pub(super) failed_before: usize,
}
