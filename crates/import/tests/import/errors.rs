//! What is refused, and what is said about it.

use outpace_import::{Format, ImportError, read_criterion_dir, read_text};

use crate::{data, text_of};

/// A file of one benchmark, with `edit` made to a part of it.
fn refused(format: Format, from: &str, to: &str) -> String {
    let name = match format {
        Format::Hyperfine => "hyperfine/one-run.json",
        Format::PytestBenchmark => "pytest-benchmark/rounds.json",
        Format::GoogleBenchmark => "google-benchmark/single.json",
        _ => "github-action-benchmark/data.js",
    };
    let text = text_of(name);
    assert!(text.contains(from), "{from} is not in {name}");
    read_text(&text.replacen(from, to, 1), None)
        .unwrap_err()
        .to_string()
}

#[test]
fn the_place_is_named() {
    for (format, from, to, expect) in [
        (
            Format::Hyperfine,
            r#""median": 0.011972971"#,
            r#""median": "fast""#,
            "line 7, column 22, results[0].median: invalid type: string \"fast\", expected a number",
        ),
        (
            Format::Hyperfine,
            r#""median": 0.011972971"#,
            r#""middle": 0.011972971"#,
            "results[0]: missing field `median`",
        ),
        (
            Format::Hyperfine,
            r#""median": 0.011972971"#,
            r#""median": 1e999"#,
            "results[0].median: number out of range",
        ),
        (
            Format::Hyperfine,
            r#""median": 0.011972971"#,
            r#""median": -1"#,
            "results[0].median: -1 cannot be a time or a deviation",
        ),
        (
            Format::Hyperfine,
            "0.011972971\n      ]",
            "-2\n      ]",
            "results[0].times[0]: -2 cannot be a time",
        ),
        (
            Format::Hyperfine,
            "sleep 0.01",
            "\\u200b\\n",
            "results[0].command: the name is empty",
        ),
        (
            Format::PytestBenchmark,
            r#""fullname": "#,
            r#""fullname": 3, "was": "#,
            "benchmarks[0].fullname: invalid type: integer `3`, expected a string",
        ),
        (
            Format::PytestBenchmark,
            r#""datetime": "2026"#,
            r#""datetime": "last"#,
            "datetime: `last-11",
        ),
        (
            Format::GoogleBenchmark,
            r#""time_unit": "us""#,
            r#""time_unit": "fortnight""#,
            "benchmarks[1].time_unit: `fortnight` is not a unit of time",
        ),
        (
            Format::GoogleBenchmark,
            r#""real_time""#,
            r#""unreal_time""#,
            "benchmarks[0]: the key `real_time` is missing",
        ),
        (
            Format::GithubActionBenchmark,
            r#""id": "20a9"#,
            r#""id": "HEAD~20a9"#,
            "entries.Rust[0].commit.id: `HEAD~20a9",
        ),
        (
            Format::GithubActionBenchmark,
            r#""date": 1795814363602"#,
            r#""date": 9223372036854775807"#,
            "entries.Rust[0].date: 9223372036854775807 is not a date",
        ),
        (
            Format::GithubActionBenchmark,
            r#""lastUpdate":"#,
            r#""lastUpdate"."#,
            "line 2, column 15: expected `:`",
        ),
    ] {
        let message = refused(format, from, to);
        assert!(message.contains(expect), "{message}\n{expect}");
        assert!(message.contains("Hint: "), "{message}");
    }
}

#[test]
fn columns_count_from_the_beginning_of_the_line_before_an_assignment_too() {
    let message = read_text("window.BENCHMARK_DATA = {]", None)
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("line 1, column 26: key must be a string"),
        "{message}"
    );
    assert!(
        message.ends_with("Hint: check that the file is complete"),
        "{message}"
    );
}

#[test]
fn a_direction_that_is_not_known_is_not_guessed() {
    let format = Format::GithubActionBenchmark;
    let message = refused(format, "customSmallerIsBetter", "new\\u001b");
    let expect = "entries.Memory[0].benches[0]: whether less is better is not known for the tool \
                  `new` with the unit `KiB`";
    assert!(message.starts_with(expect), "{message}");
    assert!(message.contains("Hint: change `tool`"), "{message}");
    // Less time is better, by whatever tool.
    let text = text_of("github-action-benchmark/data.js");
    let text = text.replace("\"cargo\"", "\"new\"");
    let expect = read_text(&text_of("github-action-benchmark/data.js"), None).unwrap();
    assert_eq!(read_text(&text, None).unwrap(), expect);
}

#[test]
fn files_of_other_formats_are_named() {
    let text = text_of("hyperfine/one-run.json");
    let error = read_text(&text, Some(Format::GoogleBenchmark)).unwrap_err();
    assert!(matches!(
        error,
        ImportError::OtherFormat {
            found: Format::Hyperfine,
            ..
        }
    ));
    let message = error.to_string();
    assert_eq!(
        message,
        "this is a file of hyperfine, not of google-benchmark. Hint: read it as hyperfine"
    );
    let error = read_text(r#"{"a": 1}"#, None).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("Hint: available: criterion, hyperfine,"),
        "{error}"
    );
    let error = read_text(r#"{"a": 1}"#, Some(Format::Hyperfine)).unwrap_err();
    assert!(
        error.to_string().contains("missing field `results`"),
        "{error}"
    );
    let error = read_text("window.BENCHMARK_DATA = {}", None).unwrap_err();
    assert!(
        error.to_string().contains("missing field `entries`"),
        "{error}"
    );
    let error = "divan".parse::<Format>().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("`divan` is not a format. Hint: available: ")
    );
}

#[test]
fn files_without_a_benchmark_are_refused() {
    for text in [
        r#"{"results": []}"#,
        r#"{"benchmarks": [], "machine_info": {}}"#,
        r#"{"benchmarks": [], "context": {}}"#,
        r#"{"entries": {"a": []}, "lastUpdate": 0}"#,
    ] {
        let error = read_text(text, None).unwrap_err();
        assert!(
            matches!(error, ImportError::NoBenchmark { .. }),
            "{text}: {error}"
        );
    }
}

#[test]
fn criterion_takes_a_directory_and_names_the_file() {
    for name in ["estimates", "benchmark", "sample"] {
        let text = text_of(&format!("criterion/fibonacci 15/new/{name}.json"));
        let error = read_text(&text, None).unwrap_err();
        assert!(matches!(error, ImportError::IsDirectory), "{name}: {error}");
    }
    let error = read_criterion_dir(&data("hyperfine")).unwrap_err();
    assert!(
        matches!(
            error,
            ImportError::NoBenchmark {
                format: Format::Criterion
            }
        ),
        "{error}"
    );
    let error = read_criterion_dir(&data("nothing")).unwrap_err();
    assert!(matches!(error, ImportError::Io { .. }), "{error}");
}

#[test]
fn a_damaged_directory_of_criterion_is_refused_by_file_and_key() {
    let from = data("criterion/fibonacci 15/new");
    for (file, content, expect) in [
        (
            "sample.json",
            r#"{"iters":[1,2],"times":[1]}"#,
            "times: 2 samples have 1 times",
        ),
        (
            "sample.json",
            r#"{"iters":[1,0],"times":[1,1]}"#,
            "iters[1]: a sample is of one",
        ),
        (
            "sample.json",
            r#"{"iters":[1],"times":[-1]}"#,
            "times[0]: -0.000000001 cannot be",
        ),
        (
            "estimates.json",
            r#"{"median":{}}"#,
            "median: missing field `point_estimate`",
        ),
        ("estimates.json", "", "line 1, column 0: EOF while parsing"),
        (
            "benchmark.json",
            r#"{"full_id":"\u0007"}"#,
            "full_id: the name is empty",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let run = directory.path().join("a/new");
        std::fs::create_dir_all(&run).unwrap();
        for name in ["benchmark.json", "estimates.json", "sample.json"] {
            std::fs::copy(from.join(name), run.join(name)).unwrap();
        }
        read_criterion_dir(directory.path()).unwrap();
        std::fs::write(run.join(file), content).unwrap();
        let message = read_criterion_dir(directory.path())
            .unwrap_err()
            .to_string();
        assert!(
            message.contains(file) && message.contains(expect),
            "{message}\n{expect}"
        );
        std::fs::remove_file(run.join(file)).unwrap();
        std::fs::create_dir(run.join(file)).unwrap();
        if file != "benchmark.json" {
            let message = read_criterion_dir(directory.path())
                .unwrap_err()
                .to_string();
            assert!(message.ends_with("not a regular file"), "{message}");
        }
    }
}
