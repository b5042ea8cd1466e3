//! Runs of the history as gains over the first run of their machine class.

use std::collections::BTreeMap;

use outpace_record::Run;

/// Above this many the oldest runs are left out: their dots would run together.
const MOST_RUNS: usize = 500;

/// One run and its gain.
pub(crate) struct Point<'a> {
    pub(crate) run: &'a Run,
    /// Gain over the first run of its machine class.
    pub(crate) gain: f64,
    /// Whether the run before it was measured on another machine class.
    pub(crate) is_new_machine: bool,
}

/// The workloads that have runs, in order of name.
pub(crate) fn workloads(runs: &[Run]) -> Vec<&str> {
    let mut names: Vec<&str> = runs.iter().map(|r| r.workload.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The runs of one workload, oldest first, as gains.
pub(crate) fn points<'a>(runs: &'a [Run], workload: &str) -> Vec<Point<'a>> {
    let mut first: BTreeMap<&str, f64> = BTreeMap::new();
    let mut before: Option<&str> = None;
    let mut points = Vec::new();
    for run in runs.iter().filter(|r| r.workload == workload) {
        let Some(speed) = speed(run) else { continue };
        let class = run.machine_class.as_str();
        let anchor = *first.entry(class).or_insert(speed);
        let is_new_machine = before.is_some_and(|b| b != class);
        points.push(Point {
            run,
            gain: speed / anchor - 1.0,
            is_new_machine,
        });
        before = Some(class);
    }
    points.split_off(points.len().saturating_sub(MOST_RUNS))
}

/// Tokens per second, or steps per second where the workload does not count tokens.
fn speed(run: &Run) -> Option<f64> {
    let speed = run.tokens_per_s.unwrap_or(1.0 / run.step_time_s);
    (speed > 1e-12 && speed < 1e15).then_some(speed)
}
