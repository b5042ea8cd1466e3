//! Where a step's time goes, operation by operation. Off unless asked for: then one relaxed load a
//! call is all it costs.
//!
//! Spans do not nest: each operation opens one around its own work, so that shares add up.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

static ENABLED: AtomicBool = AtomicBool::new(false);
static TOTALS: Mutex<BTreeMap<&'static str, Totals>> = Mutex::new(BTreeMap::new());

/// What one operation has used since the profile was last taken.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Wall time inside the operation.
    pub seconds: f64,
    /// Floating-point operations by the textbook count, not what the hardware executed.
    pub flops: f64,
    /// Bytes of its inputs and outputs, each counted once.
    pub bytes: f64,
    /// Number of calls.
    pub calls: u64,
}

/// An open measurement; it ends when dropped.
#[must_use = "a span measures until it is dropped"]
pub struct Span(Option<(&'static str, f64, f64, Instant)>);

/// Switches the profile on or off.
pub fn enable(on: bool) {
    ENABLED.store(on, Ordering::Relaxed);
}

/// Whether it is on.
#[cfg(feature = "cuda")]
pub(crate) fn is_enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Opens a measurement of `name`, which does `flops` operations on `bytes` bytes.
pub fn span(name: &'static str, flops: usize, bytes: usize) -> Span {
    if !ENABLED.load(Ordering::Relaxed) {
        return Span(None);
    }
    Span(Some((name, flops as f64, bytes as f64, Instant::now())))
}

/// The totals so far, by operation; starts again from nothing. Waits for what is still being
/// measured on a device.
pub fn take() -> BTreeMap<&'static str, Totals> {
    #[cfg(feature = "cuda")]
    crate::cuda::device::settle(add);
    std::mem::take(&mut *totals())
}

fn add(name: &'static str, seconds: f64, flops: f64, bytes: f64) {
    let mut totals = totals();
    let entry = totals.entry(name).or_default();
    entry.seconds += seconds;
    entry.flops += flops;
    entry.bytes += bytes;
    entry.calls += 1;
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some((name, flops, bytes, start)) = self.0.take() {
            add(name, start.elapsed().as_secs_f64(), flops, bytes);
        }
    }
}

fn totals() -> std::sync::MutexGuard<'static, BTreeMap<&'static str, Totals>> {
    // A panic while adding numbers leaves numbers behind; they are still a profile.
    TOTALS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_counted_only_while_enabled() {
        drop(span("test.profile", 1, 1));
        assert!(!take().contains_key("test.profile"));
        enable(true);
        drop(span("test.profile", 2, 3));
        enable(false);
        let totals = take()["test.profile"];
        assert_eq!((totals.flops, totals.bytes, totals.calls), (2.0, 3.0, 1));
        assert!(totals.seconds >= 0.0);
    }
}
