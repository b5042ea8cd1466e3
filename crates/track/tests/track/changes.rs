use outpace_record::{Blessing, Change, ChangeState};
use outpace_track::{Finding, MIN_CHANGE, Standing, findings, series_of};

use crate::common::{blessing, change, commit, stepped};

fn found(n: usize, step: f64, records: &[Change], blessings: &[Blessing]) -> Vec<Finding> {
    let series = series_of(stepped(n, 20, step, 7), None);
    findings(&series[0], MIN_CHANGE, records, blessings)
}

fn standing(n: usize, step: f64, records: &[Change], blessings: &[Blessing]) -> Standing {
    let found = found(n, step, records, blessings);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].before, found[0].after), (19, 20));
    assert!((found[0].change - step).abs() < 0.003);
    found[0].standing
}

#[test]
fn a_flat_series_has_no_change_and_a_step_has_one() {
    assert_eq!(found(40, 0.0, &[], &[]), []);
    assert_eq!(standing(40, -0.05, &[], &[]), Standing::Found);
    assert_eq!(standing(40, 0.05, &[], &[]), Standing::Faster);
    assert_eq!(standing(60, -0.008, &[], &[]), Standing::Small);
}

#[test]
fn a_change_is_an_alarm_when_proven_and_shown_by_two_later_commits() {
    let is = |state| standing(40, -0.05, &[change(20, state)], &[]);
    assert_eq!(is(ChangeState::Proven), Standing::Regression);
    assert_eq!(is(ChangeState::NotProven), Standing::NotProven);
    assert_eq!(is(ChangeState::Unmeasurable), Standing::Unmeasurable);
    assert_eq!(is(ChangeState::Testing), Standing::Found, "it was killed");
    let proven = [change(20, ChangeState::Proven)];
    let mut series = series_of(stepped(23, 20, -0.05, 7), None).remove(0);
    let of = |series: &_| findings(series, MIN_CHANGE, &proven, &[])[0].standing;
    assert_eq!(
        of(&series),
        Standing::Regression,
        "commits 21 and 22 show it"
    );
    series.points[22].same_as = Some(commit(21));
    let found = findings(&series, MIN_CHANGE, &proven, &[]);
    for finding in found {
        assert_eq!(
            finding.standing,
            Standing::Unconfirmed,
            "22 says nothing of its own"
        );
    }
}

#[test]
fn a_trial_that_ended_counts_though_a_later_one_was_killed() {
    let records = [
        change(20, ChangeState::NotProven),
        change(20, ChangeState::Testing),
    ];
    assert_eq!(standing(40, -0.05, &records, &[]), Standing::NotProven);
}

#[test]
fn a_record_counts_near_its_commit_in_its_direction_and_series() {
    let proven = |after| change(after, ChangeState::Proven);
    let is = |record: Change| standing(40, -0.05, &[record], &[]);
    assert_eq!(is(proven(23)), Standing::Regression);
    assert_eq!(is(proven(17)), Standing::Regression);
    assert_eq!(is(proven(24)), Standing::Found);
    assert_eq!(is(proven(16)), Standing::Found);
    let other = |edit: fn(&mut Change)| {
        let mut record = proven(20);
        edit(&mut record);
        is(record)
    };
    assert_eq!(other(|r| r.workload = "v".into()), Standing::Found);
    assert_eq!(other(|r| r.machine_class = "n".into()), Standing::Found);
    assert_eq!(other(|r| r.series = "s".into()), Standing::Found);
    assert_eq!(other(|r| r.found = 0.05), Standing::Found);
}

#[test]
fn a_slowdown_that_is_mended_is_no_alarm() {
    let mut points = stepped(40, 20, -0.05, 7);
    for point in &mut points[30..] {
        point.value += 0.04;
    }
    let proven = [change(20, ChangeState::Proven)];
    let standings = |points: &[outpace_track::Point]| -> Vec<Standing> {
        let series = series_of(points.to_vec(), None);
        let found = findings(&series[0], MIN_CHANGE, &proven, &[]);
        found.iter().map(|finding| finding.standing).collect()
    };
    assert_eq!(standings(&points), [Standing::Mended, Standing::Faster]);
    for point in &mut points[30..] {
        point.value -= 0.025;
    }
    let less = standings(&points);
    assert_eq!(
        less[0],
        Standing::Regression,
        "less than half came back: {less:?}"
    );
}

#[test]
fn the_latest_word_on_a_commit_counts() {
    let is = |words: &[Blessing]| standing(40, -0.05, &[change(20, ChangeState::Proven)], words);
    assert_eq!(is(&[blessing(20, true)]), Standing::Accepted);
    assert_eq!(
        is(&[blessing(20, true), blessing(20, false)]),
        Standing::Regression
    );
    assert_eq!(
        is(&[blessing(20, false), blessing(20, true)]),
        Standing::Accepted
    );
    assert_eq!(is(&[blessing(19, true)]), Standing::Regression);
    let mut other = blessing(20, true);
    other.workload = Some("v".into());
    assert_eq!(is(&[other]), Standing::Regression);
}
