//! github-action-benchmark: the history that it keeps in `data.js`. The action turns the results of
//! a dozen tools into one number for each benchmark and commit.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::json::{NumberOrText, Source};
use crate::result::{summary, text, unit, usable_time};
use crate::{Commit, Format, Import, ImportError, Imported, Statistic, Value, moment, units};

/// The suite of a workflow that does not name one. The action's own page leaves it out, too.
const DEFAULT_SUITE: &str = "Benchmark";
/// The tool whose lines may have several figures.
const GO: &str = "go";

#[derive(Deserialize)]
struct File {
    entries: BTreeMap<String, Vec<Entry>>,
}

/// A run of a suite.
#[derive(Deserialize)]
struct Entry {
    commit: CommitInfo,
    /// When it was uploaded, in milliseconds since 1970.
    date: i64,
    tool: String,
    benches: Vec<Bench>,
}

#[derive(Deserialize)]
struct CommitInfo {
    id: String,
    message: Option<String>,
    timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Bench {
    name: String,
    value: NumberOrText,
    unit: String,
    /// In words that each tool has its own for.
    range: Option<serde_json::Value>,
}

/// One result for each benchmark of each run, by suite, in the order of the uploads.
pub(crate) fn read(source: &Source<'_>) -> Result<Import, ImportError> {
    let file: File = source.parse()?;
    let mut import = Import::new(Format::GithubActionBenchmark);
    for (suite, entries) in &file.entries {
        for (i, entry) in entries.iter().enumerate() {
            let key = format!("entries.{}[{i}]", text(suite).unwrap_or_default());
            read_entry(source, &key, suite, entry, &mut import)?;
        }
    }
    Ok(import)
}

fn read_entry(
    source: &Source<'_>,
    key: &str,
    suite: &str,
    entry: &Entry,
    import: &mut Import,
) -> Result<(), ImportError> {
    let commit = commit(source, &format!("{key}.commit"), &entry.commit)?;
    let when = moment::from_milliseconds(entry.date).ok_or_else(|| {
        let reason = format!("{} is not a date in milliseconds", entry.date);
        source.wrong(format!("{key}.date"), reason)
    })?;
    for (i, bench) in entry.benches.iter().enumerate() {
        let before = i
            .checked_sub(1)
            .and_then(|before| entry.benches.get(before));
        if entry.tool == GO && before.is_some_and(|before| is_copy(bench, before)) {
            continue;
        }
        let key = format!("{key}.benches[{i}]");
        let name = if suite == DEFAULT_SUITE {
            bench.name.clone()
        } else {
            format!("{suite}: {}", bench.name)
        };
        let series = source.series(&format!("{key}.name"), &name)?;
        match value(source, &key, &entry.tool, bench)? {
            Ok(value) => import.results.push(Imported {
                series,
                commit: Some(commit.clone()),
                when: Some(when),
                value,
                machine: None,
                format: Format::GithubActionBenchmark,
            }),
            Err(reason) => import.skip(series, Some(&commit), reason),
        }
    }
    Ok(())
}

fn commit(source: &Source<'_>, key: &str, info: &CommitInfo) -> Result<Commit, ImportError> {
    let when = info.timestamp.as_deref();
    let when = when.map(|t| source.moment(&format!("{key}.timestamp"), t));
    Ok(Commit {
        id: source.commit_id(&format!("{key}.id"), &info.id)?,
        summary: info.message.as_deref().and_then(summary),
        when: when.transpose()?,
        dirty: false,
    })
}

/// Whether a benchmark of Go is the one before it again. A line with several figures,
/// `BenchmarkX 10 95 ns/op 64 B/op`, becomes `BenchmarkX` with the unit `ns/op 64 B/op`, as it did
/// before version 1.18 of the action, then `BenchmarkX - ns/op` and `BenchmarkX - B/op`.
fn is_copy(bench: &Bench, before: &Bench) -> bool {
    before.unit != bench.unit
        && own_unit(GO, &before.unit) == bench.unit
        && bench.value.0 == before.value.0
        && bench.name == format!("{} - {}", before.name, bench.unit)
}

/// The unit of the figure itself, without the rest of a line of Go.
fn own_unit<'a>(tool: &str, unit: &'a str) -> &'a str {
    match unit.split_whitespace().next() {
        Some(first) if tool == GO => first,
        _ => unit,
    }
}

/// The figure, or why there is none.
fn value(
    source: &Source<'_>,
    key: &str,
    tool: &str,
    bench: &Bench,
) -> Result<Result<Value, &'static str>, ImportError> {
    let named_unit = own_unit(tool, &bench.unit);
    let smaller_is_better =
        smaller_is_better(tool, named_unit).ok_or_else(|| ImportError::NoDirection {
            key: key.to_owned(),
            tool: text(tool).unwrap_or_default(),
            unit: unit(named_unit),
        })?;
    let per_second = units::per_second(named_unit);
    let number = match (bench.value.0, per_second) {
        (number, Some(per_second)) => match usable_time(number.map(|n| n / per_second)) {
            Ok(seconds) => source.not_negative(&format!("{key}.value"), seconds)?,
            Err(reason) => return Ok(Err(reason)),
        },
        (Some(number), None) => number,
        (None, None) => return Ok(Err("the figure is not a finite number")),
    };
    let scale = per_second.unwrap_or(1.0);
    Ok(Ok(Value {
        samples: Vec::new(),
        estimate: number,
        statistic: Statistic::Reported,
        sd: deviation(tool, bench.range.as_ref()).map(|sd| sd / scale),
        unit: per_second.map_or_else(|| unit(named_unit), |_| "s".to_owned()),
        smaller_is_better,
    }))
}

/// Whether less is better. Custom tools say it. For others a time and a rate speak for themselves;
/// the action's own rule, by tool alone, has throughputs of JMH and of Go the wrong way round.
fn smaller_is_better(tool: &str, unit: &str) -> Option<bool> {
    match tool {
        "customSmallerIsBetter" => Some(true),
        "customBiggerIsBetter" => Some(false),
        _ if units::per_second(unit).is_some() => Some(true),
        _ if units::is_rate(unit) => Some(false),
        "cargo" | GO | "benchmarkluau" | "googlecpp" | "catch2" | "julia" | "jmh"
        | "benchmarkdotnet" => Some(true),
        "benchmarkjs" | "pytest" => Some(false),
        _ => None,
    }
}

/// The standard deviation, which only BenchmarkDotNet writes in the unit of the value. Other ranges
/// are something else: percentages, intervals, or a deviation whose unit was dropped.
fn deviation(tool: &str, range: Option<&serde_json::Value>) -> Option<f64> {
    if tool != "benchmarkdotnet" {
        return None;
    }
    let number = range?.as_str()?.trim().strip_prefix('±')?;
    let number: f64 = number.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direction_follows_the_unit_before_the_tool() {
        for (tool, unit, expect) in [
            ("cargo", "ns/iter", Some(true)),
            ("pytest", "iter/sec", Some(false)),
            ("jmh", "ops/s", Some(false)),
            ("jmh", "us/op", Some(true)),
            ("go", "B/op", Some(true)),
            ("go", "MB/s", Some(false)),
            ("benchmarkjs", "ops/sec", Some(false)),
            ("customBiggerIsBetter", "ms", Some(false)),
            ("customSmallerIsBetter", "ops/s", Some(true)),
            ("to come", "ms", Some(true)),
            ("to come", "points", None),
        ] {
            assert_eq!(smaller_is_better(tool, unit), expect, "{tool} {unit}");
        }
    }

    #[test]
    fn only_a_range_that_is_a_standard_deviation_passes_for_one() {
        for (tool, range, expect) in [
            ("benchmarkdotnet", "± 2.5", Some(2.5)),
            ("benchmarkdotnet", "± NaN", None),
            ("catch2", "± 2.5", None),
            ("cargo", "± 100", None),
        ] {
            let range = serde_json::Value::from(range);
            assert_eq!(deviation(tool, Some(&range)), expect, "{tool} {range}");
        }
    }
}
