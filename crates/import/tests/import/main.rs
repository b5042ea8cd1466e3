//! Tests of outpace-import: files that the tools themselves wrote, and files that nobody should.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::path::{Path, PathBuf};

use outpace_import::{Format, Import, Imported, read_text};

mod cases;
mod errors;
mod hostile;
mod real;

/// The single files below `tests/data`, with their formats.
const FILES: [(&str, Format); 11] = [
    ("hyperfine/one-name.json", Format::Hyperfine),
    ("hyperfine/one-run.json", Format::Hyperfine),
    ("hyperfine/parameters.json", Format::Hyperfine),
    ("hyperfine/shell.json", Format::Hyperfine),
    ("pytest-benchmark/dirty.json", Format::PytestBenchmark),
    ("pytest-benchmark/rounds.json", Format::PytestBenchmark),
    ("pytest-benchmark/unversioned.json", Format::PytestBenchmark),
    ("google-benchmark/aggregates.json", Format::GoogleBenchmark),
    ("google-benchmark/repetitions.json", Format::GoogleBenchmark),
    ("google-benchmark/single.json", Format::GoogleBenchmark),
    (
        "github-action-benchmark/data.js",
        Format::GithubActionBenchmark,
    ),
];

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn text_of(name: &str) -> String {
    std::fs::read_to_string(data(name)).unwrap()
}

fn read(name: &str) -> Import {
    read_text(&text_of(name), None).unwrap()
}

/// The only result of a series.
fn only<'a>(import: &'a Import, series: &str) -> &'a Imported {
    let mut found = import.results.iter().filter(|r| r.series == series);
    let first = found
        .next()
        .unwrap_or_else(|| panic!("{series} is not in {import:#?}"));
    assert!(found.next().is_none(), "{series} is there twice");
    first
}
