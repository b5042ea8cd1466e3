//! What the nightly pages say: standings, marks, failures, figures, files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use outpace_record::Timestamp;
use outpace_report::{Night, SeriesOfNight, nightly_markdown, write_nightly};
use outpace_track::Standing;

use crate::night::{self, commit, failure, night, series};

/// The files of a night, by name.
pub(crate) fn files(night: &Night) -> Vec<(String, String)> {
    let dir = tempfile::tempdir().expect("a folder can be made");
    let paths = write_nightly(dir.path(), night).expect("the night can be drawn");
    let name = |path: &Path| {
        path.strip_prefix(dir.path())
            .expect("paths are below the folder")
            .display()
            .to_string()
    };
    paths
        .iter()
        .map(|path| {
            (
                name(path),
                fs::read_to_string(path).expect("the file was written"),
            )
        })
        .collect()
}

/// The index, and the page of the first series that has this name.
fn pages(night: &Night, workload: &str) -> (String, String) {
    let files = files(night);
    let is_page =
        |name: &str| name.starts_with(&format!("series/{workload}-")) && name.ends_with(".html");
    let page = files
        .iter()
        .find(|(name, _)| is_page(name))
        .expect("the series has a page");
    (files[0].1.clone(), page.1.clone())
}

/// The text between tags, with single spaces.
pub(crate) fn words(page: &str) -> String {
    let body = page.split_once("<body>").map_or(page, |(_, body)| body);
    let body = body.split("<script").enumerate().map(|(i, part)| match i {
        0 => part,
        _ => part.split_once("</script>").map_or("", |(_, rest)| rest),
    });
    let body: String = body.collect();
    let parts = body
        .split('<')
        .map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    let text = parts.collect::<Vec<_>>().join(" ").replace('\u{a0}', " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn only(item: SeriesOfNight) -> Night {
    Night {
        series: vec![item],
        ..night::empty()
    }
}

#[test]
fn every_standing_has_its_words() {
    let state = |page: &str| {
        let row = page.split_once("data-state=\"").unwrap().1;
        row.split_once('"').unwrap().0.to_owned()
    };
    for (standing, change, expect_state, expect) in [
        (Standing::Faster, 0.05, "steady", "It became faster."),
        (
            Standing::Small,
            -0.006,
            "steady",
            "Less than is worth an alarm.",
        ),
        (
            Standing::Found,
            -0.05,
            "pending",
            "Found in the series, and not yet measured again. outpace regressions measures it again.",
        ),
        (
            Standing::NotProven,
            -0.05,
            "steady",
            "A fresh trial did not show it.",
        ),
        (
            Standing::Unmeasurable,
            -0.05,
            "pending",
            "It cannot be measured again: the commit before does not build.",
        ),
        (
            Standing::Unconfirmed,
            -0.05,
            "pending",
            "two later commits have to show it before it is an alarm.",
        ),
        (
            Standing::Regression,
            -0.05,
            "regression",
            "A fresh trial proved it, and later commits confirm it. Mend it, or accept it:",
        ),
        (
            Standing::Accepted,
            -0.05,
            "accepted",
            "Somebody accepted it.",
        ),
    ] {
        let night = only(series(("w", "m"), 40, &[((20, change), standing)]));
        let (index, page) = pages(&night, "w");
        let page = words(&page);
        assert_eq!(state(&index), expect_state, "{standing:?}");
        assert!(page.contains(expect), "{standing:?}: {page}");
        assert!(page.contains(standing.as_str()), "{standing:?}");
        let is_listed = matches!(expect_state, "regression" | "pending");
        assert_eq!(
            words(&index).contains("Open slowdowns"),
            is_listed,
            "{standing:?}"
        );
        let is_alarm = standing == Standing::Regression;
        assert_eq!(
            nightly_markdown(&night).contains("### Open regressions"),
            is_alarm
        );
    }
}

#[test]
fn regressions_come_first_then_what_is_not_settled() {
    let (index, _) = pages(&night(), "gpt-nano");
    let states: Vec<&str> = index
        .split("data-state=\"")
        .skip(1)
        .map(|rest| rest.split_once('"').unwrap().0)
        .collect();
    assert_eq!(
        states,
        [
            "regression",
            "pending",
            "pending",
            "accepted",
            "steady",
            "steady",
            "steady"
        ]
    );
    let index = words(&index);
    assert!(
        index.contains("1 open regression 3 more slowdowns not settled"),
        "{index}"
    );
    assert!(
        index.contains("7 series 3 workloads on 3 machine classes"),
        "{index}"
    );
}

#[test]
fn a_slowdown_that_was_brought_back_is_not_open() {
    let steps = [
        ((20, -0.05), Standing::Mended),
        ((40, 0.03), Standing::Faster),
    ];
    let (index, page) = pages(&only(series(("w", "m"), 60, &steps)), "w");
    assert!(index.contains("data-state=\"steady\"") && !index.contains("Open slowdowns"));
    assert!(words(&page).contains("Later commits brought back at least half of it."));
    let steps = [
        ((20, -0.05), Standing::Regression),
        ((40, 0.02), Standing::Faster),
    ];
    let (index, page) = pages(&only(series(("w", "m"), 60, &steps)), "w");
    assert!(
        index.contains("data-state=\"regression\""),
        "less than half is not enough"
    );
    assert!(!words(&page).contains("brought it back"));
}

#[test]
fn where_several_commits_lie_between_none_is_named() {
    let mut item = series(("w", "m"), 40, &[((20, -0.05), Standing::Regression)]);
    item.findings[0].before = 16;
    let (before, after) = (&commit(16)[..9], &commit(20)[..9]);
    let (index, page) = pages(&only(item), "w");
    let expect = format!("Somewhere between {before} and {after} it became 4.9 % slower");
    assert!(words(&index).contains(&expect), "{}", words(&index));
    let page = words(&page);
    assert!(
        page.contains(&format!(
            "somewhere between {before} and {after} , 3 more commits between them"
        )),
        "{page}"
    );
    assert!(page.contains(&format!(
        "outpace bisect {before} {after} names the commit."
    )));
    assert!(page.contains(&format!("up to {after} -4.9 %")));
}

#[test]
fn the_fresh_trial_is_told_with_its_bounds() {
    let night = only(series(
        ("w", "m"),
        40,
        &[((20, -0.05), Standing::Regression)],
    ));
    let expect = "-4.7 %, between -6.0 % and -3.7 % at 0.25 % error, 14 blocks";
    assert!(words(&pages(&night, "w").1).contains(expect));
    assert!(nightly_markdown(&night).contains(&format!("Fresh trial: {expect}.")));
}

#[test]
fn environments_anchors_and_untimed_commits_are_told() {
    let mut item = series(("w", "m"), 40, &[]);
    item.series.points[10..]
        .iter_mut()
        .for_each(|p| p.environment = "Linux 6.6".into());
    item.series.points[30..]
        .iter_mut()
        .for_each(|p| p.anchor = commit(9));
    item.series.points[5].same_as = Some(commit(4));
    let (_, page) = pages(&only(item), "w");
    let text = words(&page);
    for expect in [
        format!("from {} Linux 6.6, 2026-05-09", &commit(10)[..9]),
        format!(
            "from {} anchor {}, 2026-05-15",
            &commit(30)[..9],
            &commit(9)[..9]
        ),
        format!("same artefact as {} , not timed", &commit(4)[..9]),
        "shaded edge: another environment; grey dashes: another anchor.".to_owned(),
        "hollow: has the artefact of another commit and was not timed".to_owned(),
    ] {
        assert!(text.contains(&expect), "{expect}: {text}");
    }
    assert!(
        page.contains(&format!("not timed: same artefact as {}", &commit(4)[..9])),
        "beside the point"
    );
}

#[test]
fn failures_are_listed_and_a_new_one_stands_in_its_row() {
    let mut night = only(series(("w", "m"), 40, &[]));
    let (old, new) = (night::NOW - 30 * 86_400, night::NOW);
    night.failures = vec![failure("w", "m", 900, old), failure("other", "m", 901, new)];
    let index = words(&pages(&night, "w").0);
    assert!(index.contains("Not measured") && index.contains("unresolved import"));
    let row = format!("steady {} does not build", &commit(902)[..9]);
    assert!(!index.contains(&row));
    night.failures.push(failure("w", "m", 902, new));
    let (index, page) = pages(&night, "w");
    assert!(words(&index).contains(&row), "{}", words(&index));
    let page = words(&page);
    assert!(page.contains(&commit(902)[..9]) && !page.contains(&commit(901)[..9]));
}

#[test]
fn nothing_and_a_single_commit_are_answers_too() {
    let files = files(&night::empty());
    assert_eq!(files.len(), 1);
    assert!(
        words(&files[0].1).contains("No commit has been measured yet. Begin with outpace bench")
    );
    assert!(nightly_markdown(&night::empty()).contains("No commit has been measured yet."));
    let (index, page) = pages(&only(series(("w", "m"), 1, &[])), "w");
    assert!(index.contains("data-age=\"0\"") && index.contains("class=\"now\""));
    assert!(
        words(&page).contains("1 commit of 2026-05-18, measured beside an anchor"),
        "{}",
        words(&page)
    );
    let mut none = series(("w", "m"), 0, &[]);
    none.series.points.clear();
    let (index, page) = pages(&only(none), "w");
    assert!(words(&index).contains("not measured"));
    assert!(words(&page).contains("No commit of this series has been measured yet."));
}

#[test]
fn the_week_is_judged_by_its_noise() {
    let week = |night: &Night| {
        let (index, _) = pages(night, "w");
        let cell = index.split_once("data-name=\"in 7 days\">").unwrap().1;
        cell.split_once("</td>").unwrap().0.replace('\u{a0}', " ")
    };
    // Three commits a day: the last 21 are of the week.
    let mut night = only(series(("w", "m"), 60, &[((50, -0.05), Standing::Found)]));
    night.series[0]
        .series
        .points
        .iter_mut()
        .for_each(|p| p.value = 0.0);
    night.series[0].series.points[59].value = -0.05;
    assert_eq!(week(&night), "<span class=\"lower\">-4.9 %</span>");
    night.series[0].series.points[59].value = -0.01;
    assert_eq!(
        week(&night),
        "<span class=\"faint\">-1.0 %</span>",
        "0.01 is less than 1.96 * 0.0057"
    );
    night.generated = Timestamp::from_unix_seconds(night::NOW + 8 * 86_400);
    assert_eq!(week(&night), "<span class=\"faint\">no commit</span>");
    assert_eq!(
        week(&only(series(("w", "m"), 5, &[]))),
        "-",
        "nothing is older than a week"
    );
}

#[test]
fn readings_without_an_anchor_compare_with_the_first() {
    let mut item = series(("w", "m"), 3, &[]);
    item.series.first = String::new();
    for (point, value) in item.series.points.iter_mut().zip([3.0, 3.0, 3.1]) {
        (
            point.value,
            point.bounds,
            point.tokens_per_s,
            point.step_time_s,
        ) = (value, [None; 2], None, 0.05);
    }
    let text = words(&pages(&only(item), "w").1);
    assert!(
        text.contains("20 steps/s: +10.5 % against the first commit."),
        "{text}"
    );
    assert!(text.contains("measured by another tool") && !text.contains("anchor"));
}

#[test]
fn every_command_of_a_page_is_one_of_the_tracking_half() {
    let pages = files(&night());
    let texts = pages.iter().map(|(_, page)| words(page));
    let all: Vec<String> = texts.chain([nightly_markdown(&night())]).collect();
    let commands = all.iter().flat_map(|text| text.split("outpace ").skip(1));
    let verbs: BTreeSet<&str> = commands
        .filter_map(|rest| rest.split([' ', '`']).next())
        .collect();
    let known = ["bench", "bisect", "regressions"];
    let others = ["Nightly,", "←", "·"];
    let is_known = |verb: &&str| known.contains(verb) || others.contains(verb);
    let unknown: Vec<_> = verbs.iter().filter(|verb| !is_known(verb)).collect();
    assert!(
        verbs.contains("regressions") && unknown.is_empty(),
        "{unknown:?}"
    );
}
