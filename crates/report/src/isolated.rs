//! Runs with one process at a time, in which a proven gain has to show again.

use outpace_record::{Block, Verdict};
use outpace_stats::{Isolated, IsolatedShape, Summary, isolated_log_ratio};

/// Those of a verdict, with how they were laid out; nothing where there are none, or where they
/// were judged by their median turns, as older versions did on GPUs.
fn runs(verdict: &Verdict) -> Option<(&[Block], IsolatedShape)> {
    let shape = verdict.isolated_shape()?;
    (!verdict.alone.is_empty()).then_some((&*verdict.alone, shape))
}

/// Their log ratios.
pub(crate) fn log_ratios(verdict: &Verdict) -> Vec<f64> {
    let Some((runs, shape)) = runs(verdict) else {
        return Vec::new();
    };
    runs.iter()
        .filter_map(|run| isolated_log_ratio(&run.isolated_run(), &shape).ok())
        .filter(|x| x.is_finite())
        .collect()
}

/// What they say together.
pub(crate) fn summary(verdict: &Verdict) -> Option<Summary> {
    let (runs, shape) = runs(verdict)?;
    let mut isolated = Isolated::new(shape).ok()?;
    for run in runs {
        isolated.push(&run.isolated_run()).ok()?;
    }
    Some(isolated.summary())
}
