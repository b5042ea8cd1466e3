use std::collections::HashSet;

use outpace_track::{Selection, Todo};

use crate::common::commit;

fn set(numbers: &[usize]) -> HashSet<String> {
    numbers.iter().map(|n| commit(*n)).collect()
}

#[test]
fn every_nth_is_counted_back_from_the_newest_and_last_cuts_the_oldest() {
    let check = |every, last, n, expect: &[usize]| {
        let selection = Selection {
            every,
            last,
            failed_too: false,
        };
        assert_eq!(selection.choose(n), expect, "{every:?} {last:?} {n}");
    };
    check(None, None, 4, &[0, 1, 2, 3]);
    check(Some(3), None, 8, &[1, 4, 7]);
    check(None, Some(2), 4, &[2, 3]);
    check(Some(2), Some(2), 9, &[6, 8]);
    check(Some(0), Some(9), 2, &[0, 1]);
    check(None, None, 0, &[]);
}

#[test]
fn what_is_there_is_skipped_and_failures_are_tried_again_only_when_asked() {
    let commits: Vec<String> = (0..6).map(commit).collect();
    let (done, failed) = (set(&[1, 2]), set(&[4]));
    let mut selection = Selection::default();
    let todo = selection.todo(&commits, &done, &failed);
    let expect = Todo {
        measure: vec![0, 3, 5],
        done: 2,
        failed: 1,
    };
    assert_eq!(todo, expect);
    selection.failed_too = true;
    assert_eq!(
        selection.todo(&commits, &done, &failed).measure,
        [0, 3, 4, 5]
    );
}
