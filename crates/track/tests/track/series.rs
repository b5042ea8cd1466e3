use std::collections::HashMap;

use outpace_record::{Beside, Bridge};
use outpace_track::series_of;

use crate::common::{at, commit, point};

#[test]
fn points_go_in_the_order_of_their_commits_each_once_and_other_branches_are_left_out() {
    let mut again = point(1, 0.04);
    again.measured = at(9000);
    let points = vec![
        point(2, 0.0),
        point(1, 0.02),
        again,
        point(7, 0.0),
        point(0, 0.0),
    ];
    let order: HashMap<String, usize> = (0..3).map(|n| (commit(n), n)).collect();
    let series = series_of(points, Some(&order));
    assert_eq!(series.len(), 1);
    let commits: Vec<&str> = series[0].points.iter().map(|p| &*p.commit).collect();
    assert_eq!(commits, [commit(0), commit(1), commit(2)]);
    let twice = &series[0].points[1];
    assert!((twice.value - 0.03).abs() < 1e-12, "the mean of both");
    assert!((twice.sd - 0.002 / 2_f64.sqrt()).abs() < 1e-12);
    assert_eq!(twice.measured, at(9000));
    assert_eq!(twice.bounds[0].unwrap(), 0.04 - 0.01 + (twice.value - 0.04));
}

#[test]
fn workloads_classes_and_first_anchors_make_series_and_the_latest_anchor_goes_on() {
    let mut other_class = point(1, 0.0);
    other_class.machine_class = "n".into();
    let mut other_series = point(1, 0.0);
    other_series.series = commit(5);
    let mut other_workload = point(1, 0.0);
    other_workload.workload = "v".into();
    let mut bridged = point(3, 0.0);
    bridged.anchor = commit(2);
    let all = vec![
        point(1, 0.0),
        other_class,
        other_series,
        other_workload,
        bridged,
    ];
    let series = series_of(all, None);
    assert_eq!(series.len(), 4);
    let own = series.iter().find(|s| s.points.len() == 2).unwrap();
    assert_eq!((&own.first, &own.anchor), (&commit(0), &commit(2)));
    let marks = own.marks();
    assert_eq!(marks.len(), 1, "{marks:?}");
    assert_eq!((marks[0].from, &*marks[0].what), (1, "anchor 000000000"));
}

#[test]
fn a_commit_of_equal_artefact_is_shown_and_not_counted() {
    let mut copied = point(2, 0.5);
    copied.same_as = Some(commit(1));
    let series = series_of(vec![point(1, 0.0), copied.clone(), point(3, 0.0)], None);
    assert_eq!((series[0].points.len(), series[0].timed()), (3, vec![0, 2]));
    assert_eq!(series[0].readings().len(), 2);
    // What was timed says more than what was not.
    let mut timed = point(2, 0.1);
    timed.measured = at(0);
    let series = series_of(vec![copied, timed], None);
    assert_eq!(series[0].points[0].value, 0.1);
    assert_eq!(series[0].points[0].sd, 0.002);
}

#[test]
fn a_bridge_moves_the_ratio_and_adds_its_error() {
    let beside = Beside {
        anchor: commit(4),
        speedup: 0.1,
        sd: 0.003,
        bridge: Some(Bridge {
            first: commit(0),
            log_ratio: 0.2,
            sd: 0.004,
        }),
        ..Beside::default()
    };
    let (value, sd) = beside.log_ratio();
    assert!((value - (1.1_f64.ln() + 0.2)).abs() < 1e-12);
    assert!((sd - 0.005).abs() < 1e-12);
    assert_eq!(beside.series(), commit(0));
}
