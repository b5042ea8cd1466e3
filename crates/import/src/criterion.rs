//! criterion: the directory `target/criterion`, in which each benchmark has `new/benchmark.json`,
//! `estimates.json` and `sample.json`. The files do not say what was measured. They are read as
//! nanoseconds, which is wrong for users of a custom measurement.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::json::{Number, Source};
use crate::result::usable_time;
use crate::{Format, Import, ImportError, Imported, Statistic, Value, json};

/// The last run of a benchmark. criterion keeps the one before as `base`, and those that
/// `--save-baseline` names under their names.
const LAST_RUN: &str = "new";
/// What is read of a file. A million samples take 40 MB.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Directories deep. criterion makes three at most.
const MAX_DEPTH: usize = 8;
const NANOSECONDS: f64 = 1e9;

#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
    std_dev: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: Number,
}

#[derive(Deserialize)]
struct Samples {
    /// Iterations of each sample.
    iters: Vec<Number>,
    /// The time of all of them.
    times: Vec<Number>,
}

/// Reads the last run of each benchmark below a directory: `target/criterion`, a part of it, or
/// `target`. The files have neither a date nor a commit nor a machine.
///
/// # Errors
/// The directory or a file in it cannot be read, a file is refused, or there is no benchmark.
/// Symbolic links below the directory are not followed.
pub fn read_criterion_dir(path: &Path) -> Result<Import, ImportError> {
    // Cargo tags its target directory; a group of benchmarks may be called criterion, too.
    let is_target = path.join("CACHEDIR.TAG").is_file();
    let path = &path.join(if is_target { "criterion" } else { "" });
    let mut runs = Vec::new();
    if path.join("benchmark.json").is_file() {
        runs.push(path.clone());
    }
    find_runs(path, 0, &mut runs)?;
    runs.sort();
    let mut import = Import::new(Format::Criterion);
    for run in runs {
        read_run(&run, &mut import)?;
    }
    if import.results.is_empty() && import.skipped.is_empty() {
        return Err(ImportError::NoBenchmark {
            format: Format::Criterion,
        });
    }
    Ok(import)
}

/// Collects the directories of last runs.
fn find_runs(path: &Path, depth: usize, runs: &mut Vec<PathBuf>) -> Result<(), ImportError> {
    let io = |error| ImportError::Io {
        path: path.to_owned(),
        error,
    };
    for entry in fs::read_dir(path).map_err(io)? {
        let entry = entry.map_err(io)?;
        if !entry.file_type().map_err(io)?.is_dir() {
            continue;
        }
        let below = entry.path();
        if entry.file_name() == LAST_RUN && below.join("benchmark.json").is_file() {
            runs.push(below);
        } else if depth < MAX_DEPTH {
            find_runs(&below, depth + 1, runs)?;
        }
    }
    Ok(())
}

fn read_run(run: &Path, import: &mut Import) -> Result<(), ImportError> {
    let benchmark: Benchmark = read_file(&run.join("benchmark.json"))?;
    let path = run.join("estimates.json");
    let estimates: Estimates = read_file(&path)?;
    let samples_path = run.join("sample.json");
    let samples = match fs::exists(&samples_path) {
        Ok(false) => Vec::new(),
        _ => in_file(&samples_path, samples(&read_file(&samples_path)?))?,
    };
    let series = in_file(
        &run.join("benchmark.json"),
        source("").series("full_id", &benchmark.full_id),
    )?;
    let seconds = |key: &str, estimate: &Estimate| match estimate.point_estimate.0 {
        None => Ok(None),
        Some(ns) => in_file(&path, source("").not_negative(key, ns / NANOSECONDS)).map(Some),
    };
    let median = seconds("median.point_estimate", &estimates.median)?;
    let sd = seconds("std_dev.point_estimate", &estimates.std_dev)?;
    match usable_time(median) {
        Err(reason) => import.skip(series, None, reason),
        Ok(estimate) => import.results.push(Imported {
            series,
            commit: None,
            when: None,
            value: Value::seconds(samples, estimate, Statistic::Median, sd),
            machine: None,
            format: Format::Criterion,
        }),
    }
    Ok(())
}

/// Seconds an iteration.
fn samples(samples: &Samples) -> Result<Vec<f64>, ImportError> {
    let source = source("");
    let (iters, times) = (&samples.iters, &samples.times);
    if iters.len() != times.len() {
        let reason = format!("{} samples have {} times", iters.len(), times.len());
        return Err(source.wrong("times", reason));
    }
    let each = iters.iter().zip(times).enumerate();
    each.map(|(i, (iters, time))| match (iters.0, time.0) {
        (Some(iters), Some(time)) if iters >= 1.0 => {
            source.not_negative(&format!("times[{i}]"), time / iters / NANOSECONDS)
        }
        _ => Err(source.wrong(
            format!("iters[{i}]"),
            "a sample is of one iteration at least",
        )),
    })
    .collect()
}

fn read_file<T: DeserializeOwned>(path: &Path) -> Result<T, ImportError> {
    let io = |error| ImportError::Io {
        path: path.to_owned(),
        error,
    };
    let mut text = String::new();
    // Opening a named pipe would wait for its writer.
    if !fs::metadata(path).map_err(io)?.is_file() {
        return Err(io(io::Error::other("not a regular file")));
    }
    let file = File::open(path).map_err(io)?;
    let bytes = file
        .take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(io)?;
    if bytes as u64 > MAX_FILE_BYTES {
        return Err(io(io::Error::from(io::ErrorKind::FileTooLarge)));
    }
    in_file(path, source(&json::without_bare_constants(&text)).parse())
}

fn source(text: &str) -> Source<'_> {
    Source {
        format: Format::Criterion,
        text,
        columns_before: 0,
    }
}

fn in_file<T>(path: &Path, result: Result<T, ImportError>) -> Result<T, ImportError> {
    result.map_err(|error| ImportError::InFile {
        path: path.to_owned(),
        error: Box::new(error),
    })
}
