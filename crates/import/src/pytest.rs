//! pytest-benchmark, `--benchmark-json`: functions of a Python process, in seconds.

use serde::Deserialize;

use crate::json::{Number, Source};
use crate::result::{text, usable_time};
use crate::{Commit, Format, Import, ImportError, Imported, Statistic, Value};

#[derive(Deserialize)]
struct File {
    benchmarks: Vec<Row>,
    datetime: Option<String>,
    commit_info: Option<CommitInfo>,
    machine_info: MachineInfo,
}

#[derive(Deserialize)]
struct Row {
    /// With the path of the test file: `test_sort.py::test_sort[500]`.
    fullname: String,
    stats: Stats,
}

#[derive(Deserialize)]
struct Stats {
    median: Number,
    /// 0 for a single round.
    stddev: Option<f64>,
    rounds: Option<u64>,
    /// The samples, each the mean of some iterations; left out by some options.
    #[serde(default)]
    data: Vec<Number>,
}

#[derive(Deserialize)]
struct CommitInfo {
    /// `unversioned` outside of a repository.
    id: Option<String>,
    time: Option<String>,
    #[serde(default)]
    dirty: bool,
}

#[derive(Deserialize)]
struct MachineInfo {
    machine: Option<String>,
    cpu: Option<Cpu>,
}

#[derive(Deserialize)]
struct Cpu {
    /// The model; `brand` in old versions.
    #[serde(alias = "brand")]
    brand_raw: Option<String>,
    count: Option<u64>,
}

/// One result for each benchmark.
pub(crate) fn read(source: &Source<'_>) -> Result<Import, ImportError> {
    let file: File = source.parse()?;
    let mut import = Import::new(Format::PytestBenchmark);
    let commit = file.commit_info.map(|info| commit(source, &info));
    let commit = commit.transpose()?.flatten();
    let when = file.datetime.map(|date| source.moment("datetime", &date));
    let when = when.transpose()?;
    let machine = machine(&file.machine_info);
    for (i, row) in file.benchmarks.iter().enumerate() {
        let key = format!("benchmarks[{i}]");
        let series = source.series(&format!("{key}.fullname"), &row.fullname)?;
        let numbers: Vec<Option<f64>> = row.stats.data.iter().map(|n| n.0).collect();
        let samples = source.samples(&format!("{key}.stats.data"), &numbers)?;
        let estimate = match usable_time(row.stats.median.0) {
            Ok(seconds) => source.not_negative(&format!("{key}.stats.median"), seconds)?,
            Err(reason) => {
                import.skip(series, commit.as_ref(), reason);
                continue;
            }
        };
        let sd = row.stats.stddev.filter(|_| row.stats.rounds != Some(1));
        let sd = sd.map(|sd| source.not_negative(&format!("{key}.stats.stddev"), sd));
        import.results.push(Imported {
            series,
            commit: commit.clone(),
            when,
            value: Value::seconds(samples, estimate, Statistic::Median, sd.transpose()?),
            machine: machine.clone(),
            format: Format::PytestBenchmark,
        });
    }
    Ok(import)
}

/// The commit; nothing outside of a repository, where the id is a word.
fn commit(source: &Source<'_>, info: &CommitInfo) -> Result<Option<Commit>, ImportError> {
    let id = info.id.as_deref().unwrap_or_default();
    let Ok(id) = source.commit_id("commit_info.id", id) else {
        return Ok(None);
    };
    let when = info
        .time
        .as_deref()
        .map(|t| source.moment("commit_info.time", t));
    Ok(Some(Commit {
        id,
        summary: None,
        when: when.transpose()?,
        dirty: info.dirty,
    }))
}

/// The model of the CPU, or else the architecture. Not the host's name: on a rented machine it is
/// another one each time.
fn machine(info: &MachineInfo) -> Option<String> {
    let cpu = info.cpu.as_ref();
    let brand = cpu.and_then(|c| c.brand_raw.as_deref()).and_then(text);
    let name = brand.or_else(|| info.machine.as_deref().and_then(text))?;
    match cpu.and_then(|c| c.count) {
        Some(count) => Some(format!("{name}, {count} CPUs")),
        None => Some(name),
    }
}
