//! The nightly page as files: names, sizes, and what a second night leaves alone.

use std::collections::BTreeSet;
use std::fs;

use outpace_report::{Night, write_nightly};

use crate::night::{self, night, series};
use crate::nightly::{files, only, words};

#[test]
fn long_histories_are_drawn_as_columns_and_listed_in_a_file() {
    let night = only(series(("w", "m"), 2000, &[]));
    let files = files(&night);
    let page = &files[1].1;
    let json = page
        .split_once("type=\"application/json\">")
        .unwrap()
        .1
        .split_once("</script>")
        .unwrap()
        .0;
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["wide"]["at"].as_array().unwrap().len(), 400);
    assert_eq!(json["narrow"]["texts"].as_array().unwrap().len(), 140);
    assert_eq!(json["wide"]["texts"][0][1], "5 commits");
    assert!(words(page).contains("The latest 300 of 2,000 commits."));
    assert_eq!(page.matches("<tr>").count(), 301);
    assert_eq!(files[2].1.lines().count(), 2001);
    assert!(page.len() < 400_000, "{}", page.len());
}

#[test]
fn equal_input_gives_equal_bytes_and_other_files_stay() {
    assert_eq!(files(&night()), files(&night()));
    let mut turned = night();
    turned.series.reverse();
    assert_eq!(
        files(&night()),
        files(&turned),
        "the order of the series does not matter"
    );
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    write_nightly(dir.path(), &night()).unwrap();
    let paths = write_nightly(dir.path(), &night()).unwrap();
    assert!(paths[0].ends_with("index.html"));
    assert_eq!(
        fs::read_to_string(dir.path().join("notes.txt")).unwrap(),
        "mine"
    );
    let in_series = fs::read_dir(dir.path().join("series")).unwrap().count();
    assert_eq!(in_series, 2 * night().series.len(), "no draft is left");
    let blocked = dir.path().join("notes.txt");
    let error = write_nightly(&blocked, &night()).unwrap_err().to_string();
    assert!(error.contains("notes.txt"), "{error}");
}

#[test]
fn file_names_are_safe_unique_and_the_same_every_night() {
    let names = [
        "a",
        "A",
        "a/b",
        "a b",
        "../../etc/passwd",
        "",
        "…",
        "con",
        ".hidden",
        &"x".repeat(5000),
    ];
    let both = names
        .iter()
        .flat_map(|w| [series((w, "m"), 2, &[]), series((w, "M"), 2, &[])]);
    let mut night = Night {
        series: both.collect(),
        ..night::empty()
    };
    night.series.push(night.series[0].clone());
    let names: Vec<String> = files(&night).into_iter().map(|(name, _)| name).collect();
    let folded: BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(folded.len(), 1 + 2 * night.series.len());
    for name in names.iter().skip(1) {
        let name = name.strip_prefix("series/").unwrap();
        let is_safe = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        assert!(
            name.chars().all(is_safe) && !name.starts_with('.') && name.len() < 120,
            "{name}"
        );
    }
    let alone = files(&only(night.series[2].clone()));
    assert!(
        names.contains(&alone[1].0),
        "the name does not depend on the other series"
    );
}
