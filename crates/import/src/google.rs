//! Google Benchmark, JSON: repetitions of a benchmark and the aggregates over them, which are
//! separate rows of the file.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};

use crate::json::{Number, Source};
use crate::result::{text, usable_time};
use crate::{Format, Import, ImportError, Imported, Statistic, Value, units};

#[derive(Deserialize)]
struct File {
    context: Context,
    benchmarks: Vec<Row>,
}

#[derive(Deserialize)]
struct Context {
    date: Option<String>,
    host_name: Option<String>,
    num_cpus: Option<u64>,
}

#[derive(Deserialize)]
struct Row {
    /// The benchmark, and for an aggregate also its name: `sort/64_median`.
    name: String,
    /// The benchmark alone; missing in old versions.
    run_name: Option<String>,
    family_index: Option<u64>,
    per_family_instance_index: Option<u64>,
    /// Missing in the row of a repetition.
    aggregate_name: Option<String>,
    /// The mean of the iterations of a repetition, or what the aggregate is of them. Missing in
    /// rows of complexity.
    #[serde(default, deserialize_with = "present")]
    real_time: Option<Number>,
    time_unit: Option<String>,
    #[serde(default)]
    error_occurred: bool,
    error_message: Option<String>,
    #[serde(default)]
    skipped: bool,
    skip_message: Option<String>,
}

/// A number that is there, null included: an `Option` alone takes null for a missing key.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Number>, D::Error> {
    Number::deserialize(deserializer).map(Some)
}

/// The rows of one benchmark.
#[derive(Default)]
struct Group {
    series: String,
    repetitions: Vec<f64>,
    median: Option<f64>,
    mean: Option<f64>,
    sd: Option<f64>,
    /// Why a repetition has no figure.
    reason: Option<String>,
}

/// One result for each benchmark: the median of its repetitions, or the mean of its iterations
/// where it ran once.
pub(crate) fn read(source: &Source<'_>) -> Result<Import, ImportError> {
    let file: File = source.parse()?;
    let when = file.context.date.as_deref();
    let when = when
        .map(|date| source.moment("context.date", date))
        .transpose()?;
    let machine = machine(&file.context);
    let mut import = Import::new(Format::GoogleBenchmark);
    for group in groups(source, &file.benchmarks)? {
        match value(&group) {
            Ok(value) => import.results.push(Imported {
                series: group.series,
                commit: None,
                when,
                value,
                machine: machine.clone(),
                format: Format::GoogleBenchmark,
            }),
            Err(reason) => import.skip(group.series, None, &reason),
        }
    }
    Ok(import)
}

/// The rows by benchmark, in the order in which they first come.
fn groups(source: &Source<'_>, rows: &[Row]) -> Result<Vec<Group>, ImportError> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places = HashMap::new();
    for (i, row) in rows.iter().enumerate() {
        let key = format!("benchmarks[{i}]");
        let name = row.run_name.as_ref().unwrap_or(&row.name);
        // Two benchmarks may have the same name; their indices differ.
        let identity = (row.family_index, row.per_family_instance_index, name);
        let place = *places.entry(identity).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Group {
                series: source.series(&format!("{key}.name"), name)?,
                ..Group::default()
            });
        }
        add(source, &key, row, &mut groups[place])?;
    }
    Ok(groups)
}

fn add(source: &Source<'_>, key: &str, row: &Row, group: &mut Group) -> Result<(), ImportError> {
    if row.error_occurred || row.skipped {
        let message = row.error_message.as_ref().or(row.skip_message.as_ref());
        group.reason = Some(message.map_or("skipped", String::as_str).to_owned());
        return Ok(());
    }
    let aggregate = row.aggregate_name.as_deref();
    let target = match aggregate {
        None => None,
        Some("median") => Some(&mut group.median),
        Some("mean") => Some(&mut group.mean),
        Some("stddev") => Some(&mut group.sd),
        // Coefficients of variation and of complexity, and statistics of the user's own.
        Some(_) => return Ok(()),
    };
    let time = row
        .real_time
        .ok_or_else(|| source.wrong(key, "the key `real_time` is missing"))?;
    let Some(time) = time.0 else {
        group.reason = Some("the figure is not a finite number".to_owned());
        return Ok(());
    };
    let unit = row.time_unit.as_deref().unwrap_or("ns");
    let per_second = units::per_second(unit).ok_or_else(|| {
        let reason = format!("`{unit}` is not a unit of time");
        source.wrong(format!("{key}.time_unit"), reason)
    })?;
    let seconds = source.not_negative(&format!("{key}.real_time"), time / per_second)?;
    match target {
        Some(target) => *target = Some(seconds),
        None => group.repetitions.push(seconds),
    }
    Ok(())
}

/// The figure of a benchmark, or why it has none.
fn value(group: &Group) -> Result<Value, String> {
    let (estimate, statistic) = match (group.repetitions.as_slice(), group.median, group.mean) {
        ([once], ..) => (Some(*once), Statistic::Mean),
        ([], Some(median), _) => (Some(median), Statistic::Median),
        ([], None, Some(mean)) => (Some(mean), Statistic::Mean),
        ([], None, None) => match &group.reason {
            Some(reason) => return Err(reason.clone()),
            None => return Err("no row has a mean or a median".to_owned()),
        },
        (several, ..) => (Some(median(several)), Statistic::Median),
    };
    let estimate = usable_time(estimate)?;
    let samples = group.repetitions.clone();
    Ok(Value::seconds(samples, estimate, statistic, group.sd))
}

/// The median of at least one number.
fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[upper]
    } else {
        f64::midpoint(sorted[upper - 1], sorted[upper])
    }
}

/// The host's name and its number of CPUs. The file does not name the model.
fn machine(context: &Context) -> Option<String> {
    let host = context.host_name.as_deref().and_then(text);
    let cpus = context.num_cpus.map(|n| format!("{n} CPUs"));
    let parts: Vec<String> = host.into_iter().chain(cpus).collect();
    Some(parts.join(", ")).filter(|t| !t.is_empty())
}
