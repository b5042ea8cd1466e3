//! Files that are damaged or made to do harm: never a panic, never a figure that cannot be.

use outpace_import::{Format, Import, ImportError, read_criterion_dir, read_text};
use proptest::prelude::*;

use crate::{FILES, text_of};

/// What holds for whatever is read.
fn check(import: &Import) {
    for result in &import.results {
        let value = &result.value;
        assert!(value.estimate.is_finite(), "{result:?}");
        assert!(value.unit != "s" || value.estimate > 0.0, "{result:?}");
        assert!(
            value.sd.is_none_or(|sd| sd.is_finite() && sd >= 0.0),
            "{result:?}"
        );
        assert!(
            value.samples.iter().all(|s| s.is_finite() && *s >= 0.0),
            "{result:?}"
        );
        let commit = result.commit.as_ref();
        assert!(commit.is_none_or(|c| c.id.bytes().all(|b| b.is_ascii_hexdigit())));
        let summary = commit
            .and_then(|c| c.summary.as_deref())
            .unwrap_or_default();
        let machine = result.machine.as_deref().unwrap_or_default();
        for text in [&result.series, &value.unit, summary, machine] {
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
        assert!(!result.series.is_empty());
    }
    for skipped in &import.skipped {
        assert!(!skipped.series.is_empty() && !skipped.reason.is_empty());
        let text = format!("{}{}", skipped.series, skipped.reason);
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
}

/// Reads in every way.
fn read_all_ways(text: &str) {
    for format in Format::ALL.into_iter().map(Some).chain([None]) {
        match read_text(text, format) {
            Ok(import) => check(&import),
            Err(error) => {
                let message = error.to_string();
                assert!(!message.chars().any(char::is_control), "{message:?}");
                assert!(message.chars().count() < 700, "{message}");
            }
        }
    }
}

#[test]
fn names_are_cleaned() {
    let text = text_of("hyperfine/one-run.json");
    let text = text.replace("sleep 0.01", "\\u001b[31ma\\n\\u202e  b\\u0000");
    let import = read_text(&text, None).unwrap();
    assert_eq!(import.results[0].series, "[31ma b");
}

#[test]
fn a_name_that_is_too_long_is_refused_and_not_cut() {
    let text = text_of("hyperfine/one-run.json");
    assert!(read_text(&text.replace("sleep 0.01", &"x".repeat(1000)), None).is_ok());
    let error = read_text(&text.replace("sleep 0.01", &"x".repeat(1001)), None).unwrap_err();
    let expect = "results[0].command: the name has 1001 characters, at most 1000 are read";
    assert!(error.to_string().starts_with(expect), "{error}");
}

#[test]
fn nan_and_infinity_which_json_lacks_skip_a_benchmark_and_not_the_file() {
    for constant in ["NaN", "-NaN", "Infinity", "-Infinity", "null"] {
        let text = text_of("google-benchmark/single.json");
        let import = read_text(&text.replace("2.5723927594131548e+00", constant), None).unwrap();
        check(&import);
        assert_eq!(import.results.len(), 2, "{constant}");
        let skipped = &import.skipped[0];
        assert_eq!(skipped.series, "sort/strings/64");
        assert_eq!(skipped.reason, "the figure is not a finite number");
    }
    let text = text_of("github-action-benchmark/data.js");
    let import = read_text(&text.replace("\"value\": 15660", "\"value\": null"), None).unwrap();
    assert_eq!((import.results.len(), import.skipped.len()), (32, 4));
}

#[test]
fn deep_and_wide_files_are_refused_in_time() {
    let deep = "[".repeat(1_000_000);
    for text in [
        deep.clone(),
        format!(r#"{{"results": {deep}"#),
        format!(r#"{{"results": [{{"command": {deep}"#),
        format!(r#"window.BENCHMARK_DATA = {{"entries": {{"a": {deep}"#),
        format!(r#"{{"a": {}"#, r#"{"a":"#.repeat(500_000)),
    ] {
        let error = read_text(&text, None).unwrap_err();
        assert!(matches!(error, ImportError::Json { .. }), "{error}");
    }
    // A hundred thousand rows of one name, and as many of different names.
    for name in [|_: usize| String::from("same"), |i: usize| i.to_string()] {
        let rows: Vec<String> = (0..100_000)
            .map(|i| {
                format!(
                    r#"{{"name":"{}","real_time":{},"time_unit":"ns"}}"#,
                    name(i),
                    i + 1
                )
            })
            .collect();
        let text = format!(r#"{{"context":{{}},"benchmarks":[{}]}}"#, rows.join(","));
        let import = read_text(&text, None).unwrap();
        check(&import);
        let samples: usize = import.results.iter().map(|r| r.value.samples.len()).sum();
        assert_eq!(samples, 100_000);
    }
}

#[cfg(unix)]
#[test]
fn symbolic_links_to_directories_are_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(directory.path(), directory.path().join("loop")).unwrap();
    std::os::unix::fs::symlink(crate::data("criterion"), directory.path().join("a")).unwrap();
    let error = read_criterion_dir(directory.path()).unwrap_err();
    assert!(matches!(error, ImportError::NoBenchmark { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// A piece of a real file is replaced, left out or put in again elsewhere.
    #[test]
    fn mutated_files_do_not_panic(
        file in 0..FILES.len(),
        edits in prop::collection::vec((0.0..1.0f64, 0usize..40, 0usize..PIECES.len()), 1..6),
    ) {
        let mut text: Vec<char> = text_of(FILES[file].0).chars().collect();
        for (place, length, piece) in edits {
            let from = (place * text.len() as f64) as usize;
            let to = (from + length).min(text.len());
            text.splice(from..to, PIECES[piece].chars());
        }
        read_all_ways(&text.into_iter().collect::<String>());
    }

    /// The value of a key is replaced by one of another kind, so that the file stays valid JSON.
    #[test]
    fn values_of_another_kind_do_not_panic(
        file in 0..FILES.len(),
        edits in prop::collection::vec((0usize..400, 0usize..VALUES.len()), 1..5),
    ) {
        let text = text_of(FILES[file].0);
        let json = text.strip_prefix("window.BENCHMARK_DATA = ").unwrap_or(&text);
        let mut json: serde_json::Value = serde_json::from_str(json).unwrap();
        for (place, value) in edits {
            let mut left = place;
            replace(&mut json, &mut left, VALUES[value]);
        }
        read_all_ways(&json.to_string());
    }

    /// The same for a file of criterion's directory.
    #[test]
    fn mutated_directories_of_criterion_do_not_panic(
        file in 0..CRITERION.len(),
        place in 0.0..1.0f64,
        length in 0usize..40,
        piece in 0usize..PIECES.len(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let run = directory.path().join("new");
        std::fs::create_dir(&run).unwrap();
        for (i, name) in CRITERION.into_iter().enumerate() {
            let mut text = text_of(&format!("criterion/fibonacci 15/new/{name}"));
            if i == file {
                let from = (place * text.len() as f64) as usize;
                let to = (from + length).min(text.len());
                text.replace_range(from..to, PIECES[piece]);
            }
            std::fs::write(run.join(name), text).unwrap();
        }
        if let Ok(import) = read_criterion_dir(directory.path()) {
            check(&import);
        }
    }

    #[test]
    fn any_text_does_not_panic(text in ".{0,200}") {
        read_all_ways(&text);
    }
}

const CRITERION: [&str; 3] = ["benchmark.json", "estimates.json", "sample.json"];

const PIECES: [&str; 20] = [
    "",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "NaN",
    "-Infinity",
    "1e999",
    "-1",
    "1e-320",
    "9223372036854775808",
    "\\u0000",
    "\\ud800",
    "\u{202e}",
    "\n",
    "\"name\": {}",
];

const VALUES: [&str; 12] = [
    "null",
    "-1.5",
    "0",
    "1e300",
    "1e-310",
    "true",
    "[]",
    "{}",
    "[null, -1]",
    "\"\"",
    "\"\\u001b[2J\\u2028\"",
    "\"1e308\"",
];

/// Replaces the value at a place of the tree, counted depth first.
fn replace(json: &mut serde_json::Value, left: &mut usize, by: &str) {
    if *left == 0 {
        *json = serde_json::from_str(by).unwrap();
    }
    *left = left.wrapping_sub(1);
    match json {
        serde_json::Value::Array(items) => {
            items.iter_mut().for_each(|item| replace(item, left, by));
        }
        serde_json::Value::Object(items) => {
            items.values_mut().for_each(|item| replace(item, left, by));
        }
        _ => {}
    }
}
