//! All series in the order of the page, each with its file name and the figures of its row.

use std::collections::BTreeSet;

use outpace_record::{Failure, record_id};

use super::shown::State;
use super::{Night, Shown};
use crate::text::slug;

/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// Days that the latest change is about.
const WEEK_DAYS: i64 = 7;

/// Digits of the hash in a file name.
const HASH: usize = 8;

/// A series on the page.
pub(super) struct Row<'a> {
    pub(super) shown: Shown<'a>,
    /// Name of its files without the ending.
    pub(super) name: String,
    pub(super) state: State,
    /// The newest commit that failed after the last that was measured.
    pub(super) failure: Option<&'a Failure>,
    pub(super) week: Difference,
    pub(super) first: Difference,
}

/// How the latest commit compares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Difference {
    /// Nothing to compare with.
    None,
    /// No commit in that time.
    NoCommit,
    /// A gain.
    Gain {
        gain: f64,
        /// Whether it may be nothing but noise.
        is_noise: bool,
    },
}

impl<'a> Row<'a> {
    /// Those that need a reader first.
    pub(super) fn all(night: &'a Night) -> Vec<Self> {
        let mut taken = BTreeSet::new();
        let series = night.series.iter();
        let mut rows: Vec<Self> = series
            .map(|item| {
                let shown = Shown::new(item);
                Self {
                    name: file_name(&shown, &mut taken),
                    state: shown.state(),
                    failure: failure(&shown, &night.failures),
                    week: week(&shown, night.generated.unix_seconds()),
                    first: first(&shown),
                    shown,
                }
            })
            .collect();
        rows.sort_by(|a, b| a.key().cmp(&b.key()));
        rows
    }

    fn key(&self) -> (State, &str, &str, &str, &str) {
        let series = self.shown.series;
        (
            self.state,
            &series.workload,
            &series.machine_class,
            &series.first,
            &self.name,
        )
    }

    /// Whole days since a commit of it was measured last.
    pub(super) fn age_days(&self, night: &Night) -> Option<i64> {
        let measured = self.shown.measured()?.unix_seconds();
        Some((night.generated.unix_seconds().saturating_sub(measured)).max(0) / DAY_S)
    }

    /// The word for its state: that of its most urgent slowdown.
    pub(super) fn word(&self) -> &'static str {
        let urgent = self
            .shown
            .open()
            .filter(|f| State::of(f.standing) == self.state);
        match (self.state, urgent.last()) {
            (_, None) if self.shown.len() == 0 => "not measured",
            (State::Pending, Some(finding)) => finding.standing.as_str(),
            (state, _) => state.word(),
        }
    }
}

/// The first point that is not older than so many days.
pub(super) fn since(shown: &Shown<'_>, now_s: i64, days: i64) -> usize {
    let is_old = |i: &usize| shown.date(*i).unix_seconds() < now_s.saturating_sub(days * DAY_S);
    (0..shown.len()).rev().find(is_old).map_or(0, |i| i + 1)
}

fn week(shown: &Shown<'_>, now_s: i64) -> Difference {
    let start = since(shown, now_s, WEEK_DAYS);
    let Some(latest) = shown.latest() else {
        return Difference::None;
    };
    if latest < start {
        return Difference::NoCommit;
    }
    let before = (0..start).rev().find(|&i| shown.value(i).is_some());
    let gain = before.and_then(|b| Some(shown.value(latest)? - shown.value(b)?));
    match (before, gain) {
        (Some(before), Some(change)) => Difference::Gain {
            gain: change.exp_m1(),
            is_noise: shown.is_noise(latest, before),
        },
        _ => Difference::None,
    }
}

fn first(shown: &Shown<'_>) -> Difference {
    let Some(latest) = shown.latest() else {
        return Difference::None;
    };
    let has_zero = match shown.bounds(latest) {
        [Some(low), Some(high)] => low < 0.0 && high > 0.0,
        _ => false,
    };
    match shown.gain(latest) {
        Some(gain) => Difference::Gain {
            gain,
            is_noise: has_zero,
        },
        None => Difference::None,
    }
}

fn failure<'a>(shown: &Shown<'_>, failures: &'a [Failure]) -> Option<&'a Failure> {
    let of_series = failures.iter().filter(|failure| {
        failure.workload == shown.series.workload
            && failure.machine_class == shown.series.machine_class
            && shown
                .measured()
                .is_none_or(|measured| failure.finished > measured)
    });
    of_series.max_by_key(|failure| failure.finished)
}

/// A name that is the same every night, and unique whatever the names are. Two names that differ
/// by case only have different hashes.
fn file_name(shown: &Shown<'_>, taken: &mut BTreeSet<String>) -> String {
    let series = shown.series;
    let parts = [&series.workload, &series.machine_class, &series.first];
    let key: Vec<String> = parts.iter().map(|p| format!("{}:{p}", p.len())).collect();
    let hash = record_id(key.concat().as_bytes());
    let name = format!(
        "{}-{}-{}",
        slug(&series.workload),
        slug(&series.machine_class),
        &hash[..HASH]
    );
    let mut numbered = (2..).map(|n| format!("{name}-{n}"));
    let mut free = name.clone();
    while !taken.insert(free.clone()) {
        free = numbered.next().expect("numbers do not end");
    }
    free
}
