//! Cases that the files of the tools do not have, or that need a second look.

use outpace_import::{Import, Statistic, read_text};

use crate::{only, read, text_of};

/// A file of a tool after an edit.
fn edited(name: &str, from: &str, to: &str) -> Import {
    let text = text_of(name);
    assert!(text.contains(from), "{from} is not in {name}");
    read_text(&text.replacen(from, to, 1), None).unwrap()
}

#[test]
fn a_single_round_of_pytest_has_no_deviation() {
    // The printed table has 611.2001 ns, and 0.0000 for StdDev.
    let import = read("pytest-benchmark/dirty.json");
    let value = &only(&import, "test_once.py::test_once").value;
    assert_eq!(format!("{:.4}", value.estimate * 1e9), "611.2001");
    assert_eq!((value.samples.len(), value.sd), (1, None));
}

#[test]
fn a_dirty_tree_is_said_and_a_directory_without_commits_has_none() {
    let commit = |name| read(name).results[0].commit.clone();
    assert!(commit("pytest-benchmark/dirty.json").unwrap().dirty);
    assert!(!commit("pytest-benchmark/rounds.json").unwrap().dirty);
    assert_eq!(commit("pytest-benchmark/unversioned.json"), None);
}

#[test]
fn benchmarks_of_google_with_one_name_are_not_repetitions_of_one() {
    let name = r#""run_name": "sort/strings/512""#;
    let import = edited(
        "google-benchmark/single.json",
        name,
        r#""run_name": "sort/strings/64""#,
    );
    let same = import
        .results
        .iter()
        .filter(|r| r.series == "sort/strings/64");
    let samples: Vec<usize> = same.map(|r| r.value.samples.len()).collect();
    assert_eq!(samples, [1, 1]);
}

#[test]
fn repetitions_of_google_without_aggregates_get_a_median() {
    let row = |us: f64| format!(r#"{{"name": "a", "real_time": {us}, "time_unit": "us"}}"#);
    for (times, expect) in [(&[3.0, 1.0, 8.0][..], 3e-6), (&[3.0, 1.0, 8.0, 5.0], 4e-6)] {
        let rows: Vec<String> = times.iter().copied().map(row).collect();
        let text = format!(r#"{{"context": {{}}, "benchmarks": [{}]}}"#, rows.join(","));
        let import = read_text(&text, None).unwrap();
        let value = &only(&import, "a").value;
        assert!((value.estimate / expect - 1.0).abs() < 1e-12, "{value:?}");
        assert_eq!((value.statistic, value.sd), (Statistic::Median, None));
    }
}

#[test]
fn a_deviation_of_benchmarkdotnet_is_converted_with_its_value() {
    let name = "github-action-benchmark/data.js";
    let import = edited(name, "\"cargo\"", "\"benchmarkdotnet\"");
    let first = import
        .results
        .iter()
        .find(|r| r.series == "Rust: fibonacci 15");
    let value = &first.unwrap().value;
    assert_eq!(value.sd, Some(381e-9));
    assert_eq!(value.estimate, 2951e-9);
}

#[test]
fn commit_ids_are_in_lower_case() {
    let name = "github-action-benchmark/data.js";
    let import = edited(name, "\"id\": \"20a92b92b", "\"id\": \"20A92B92B");
    assert_eq!(import, read(name));
}

#[test]
fn values_that_were_stored_as_texts_are_read() {
    let name = "github-action-benchmark/data.js";
    let import = edited(name, "\"value\": 15660", "\"value\": \" 15660.0 \"");
    assert_eq!(import, read(name));
}

#[test]
fn a_line_of_go_with_several_figures_gives_each_once_and_in_its_own_unit() {
    let bench = |name: &str, value: f64, unit: &str| {
        format!(r#"{{"name": "{name}", "value": {value}, "unit": "{unit}", "extra": "10 times"}}"#)
    };
    let benches = [
        bench("BenchmarkX", 95.0, "ns/op\\t 64 B/op\\t 8 MB/s"),
        bench("BenchmarkX - ns/op", 95.0, "ns/op"),
        bench("BenchmarkX - B/op", 64.0, "B/op"),
        bench("BenchmarkX - MB/s", 8.0, "MB/s"),
        bench("BenchmarkY", 7.0, "ns/op"),
    ];
    let text = text_of("github-action-benchmark/data.js");
    let mut json: serde_json::Value =
        serde_json::from_str(text.strip_prefix("window.BENCHMARK_DATA = ").unwrap()).unwrap();
    let entry = &mut json["entries"]["Rust"][0];
    entry["tool"] = "go".into();
    entry["benches"] = serde_json::from_str(&format!("[{}]", benches.join(","))).unwrap();
    let import = read_text(&json.to_string(), None).unwrap();
    let of_go = import
        .results
        .iter()
        .filter(|r| r.series.contains("Benchmark"));
    let found: Vec<_> = of_go
        .map(|r| {
            (
                &r.series["Rust: ".len()..],
                r.value.estimate,
                &*r.value.unit,
            )
        })
        .collect();
    let expect = [
        ("BenchmarkX", 95e-9, "s"),
        ("BenchmarkX - B/op", 64.0, "B/op"),
        ("BenchmarkX - MB/s", 8.0, "MB/s"),
        ("BenchmarkY", 7e-9, "s"),
    ];
    assert_eq!(found, expect);
}
