//! Where a series changed, and how far the proof of each change has come.

use outpace_record::{Blessing, Change, ChangeState};
use outpace_stats::segment;

use crate::Series;

/// Commits that have to show a proven change again before it is an alarm: a single build may be
/// slow by the luck of its layout.
const CONFIRMATIONS: usize = 2;
/// A record of a fresh trial belongs to a change that is found up to so many readings away from it:
/// each new reading may move where the change is seen.
const NEAR: usize = 3;

/// A change of level in a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Index of the last point at the old level.
    pub before: usize,
    /// Index of the first point at the new level.
    pub after: usize,
    /// ln of the ratio of the levels: negative is slower.
    pub change: f64,
    /// How far it has come.
    pub standing: Standing,
    /// The record of the fresh trial, where there was one.
    pub proof: Option<Change>,
}

/// What a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It became faster.
    Faster,
    /// It became slower by less than is worth an alarm.
    Small,
    /// It became slower; to be measured again.
    Found,
    /// The fresh trial did not show it.
    NotProven,
    /// One of the two commits cannot be measured again.
    Unmeasurable,
    /// Proven; two later commits have to show it before it is an alarm.
    Unconfirmed,
    /// Proven and confirmed: the alarm.
    Regression,
    /// Later changes brought back at least half of it.
    Mended,
    /// Somebody accepted it.
    Accepted,
}

impl Standing {
    /// The word of lists and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Small => "small",
            Self::Found => "found",
            Self::NotProven => "not proven",
            Self::Unmeasurable => "not measurable",
            Self::Unconfirmed => "unconfirmed",
            Self::Regression => "regression",
            Self::Mended => "mended",
            Self::Accepted => "accepted",
        }
    }
}

/// The changes of a series, oldest first. `min_change` is the share from which a slowdown is worth
/// an alarm. `records` and `blessings` may be those of all series, in the order in which they were
/// written.
pub fn findings(
    series: &Series,
    min_change: f64,
    records: &[Change],
    blessings: &[Blessing],
) -> Vec<Finding> {
    let timed = series.timed();
    let segments = segment(&series.readings()).segments;
    let pairs = segments.windows(2).map(|pair| {
        let change = pair[1].level - pair[0].level;
        let place = pair[1].start;
        let (before, after) = (timed[place - 1], timed[place]);
        let proof = record_of(series, &timed, place, change, records);
        let confirmed = confirmations(series, &timed[place..pair[1].end], change);
        let standing = if is_blessed(series, before, after, blessings) {
            Standing::Accepted
        } else if change > 0.0 {
            Standing::Faster
        } else {
            standing(change, min_change, proof.as_ref(), confirmed)
        };
        Finding {
            before,
            after,
            change,
            standing,
            proof,
        }
    });
    let mut found: Vec<Finding> = pairs.collect();
    mend(&mut found);
    found
}

/// A slowdown is over when the series is nearer to its old level again.
fn mend(found: &mut [Finding]) {
    for index in 0..found.len() {
        let change = found[index].change;
        let since: f64 = found[index..].iter().map(|finding| finding.change).sum();
        let standing = &mut found[index].standing;
        if change < 0.0 && since >= change / 2.0 && *standing != Standing::Accepted {
            *standing = Standing::Mended;
        }
    }
}

fn standing(change: f64, min_change: f64, proof: Option<&Change>, confirmed: bool) -> Standing {
    match proof.map(|proof| proof.state) {
        Some(ChangeState::Proven) if confirmed => Standing::Regression,
        Some(ChangeState::Proven) => Standing::Unconfirmed,
        Some(ChangeState::NotProven) => Standing::NotProven,
        Some(ChangeState::Unmeasurable) => Standing::Unmeasurable,
        // A trial that was killed has used its index up; the question is still open.
        Some(ChangeState::Testing) | None if change.exp_m1() > -min_change => Standing::Small,
        Some(ChangeState::Testing) | None => Standing::Found,
    }
}

/// Whether so many later commits are nearer to the new level than to the old one.
fn confirmations(series: &Series, of_segment: &[usize], change: f64) -> bool {
    let Some((first, later)) = of_segment.split_first() else {
        return false;
    };
    let level = series.points[*first].value;
    let near = |index: &&usize| (series.points[**index].value - level).abs() < change.abs() / 2.0;
    later.iter().filter(near).count() >= CONFIRMATIONS
}

/// The latest record of a fresh trial of this change: the same direction, not far away.
fn record_of(
    series: &Series,
    timed: &[usize],
    place: usize,
    change: f64,
    records: &[Change],
) -> Option<Change> {
    let is_near = |record: &&Change| {
        let of_series = record.workload == series.workload
            && record.machine_class == series.machine_class
            && record.series == series.first;
        let at = timed
            .iter()
            .position(|&index| series.points[index].commit == record.after);
        of_series
            && (record.found < 0.0) == (change < 0.0)
            && at.is_some_and(|at| at.abs_diff(place) <= NEAR)
    };
    let near: Vec<&Change> = records.iter().filter(is_near).collect();
    // A trial that came to its end says more than a later one that was killed.
    let ended = near.iter().rev().find(|r| r.state != ChangeState::Testing);
    ended.or(near.last()).map(|record| (*record).clone())
}

/// Whether the commits between the two points hold one that was accepted. The latest word on a
/// commit counts.
fn is_blessed(series: &Series, before: usize, after: usize, blessings: &[Blessing]) -> bool {
    let of_workload = |b: &&Blessing| b.workload.as_ref().is_none_or(|w| *w == series.workload);
    series.points[before + 1..=after].iter().any(|point| {
        let mut words = blessings.iter().filter(of_workload);
        words
            .rfind(|blessing| blessing.commit == point.commit)
            .is_some_and(|blessing| blessing.accepted)
    })
}
