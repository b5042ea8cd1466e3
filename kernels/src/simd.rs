//! Code for the vector unit of the machine that it runs on, chosen at run time: one binary serves
//! every x86-64 and aarch64.

/// Runs `work` compiled for the widest vectors of this machine. The closure itself, and what it
/// calls, must be `#[inline(always)]`, or they stay compiled for the oldest machine, and nobody
/// says so.
#[inline(always)]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}
