//! hyperfine, `--export-json`: whole commands, in seconds.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::json::{Number, Source};
use crate::result::usable_time;
use crate::{Format, Import, ImportError, Imported, Statistic, Value};

#[derive(Deserialize)]
struct File {
    results: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    /// The command, or the name that was given for it.
    command: String,
    median: Number,
    /// Null for a single run.
    stddev: Option<f64>,
    #[serde(default)]
    times: Vec<Number>,
    parameters: Option<BTreeMap<String, String>>,
}

/// One result for each command. The file has neither a date nor a commit nor a machine.
pub(crate) fn read(source: &Source<'_>) -> Result<Import, ImportError> {
    let file: File = source.parse()?;
    let mut import = Import::new(Format::Hyperfine);
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &file.results {
        *named.entry(&row.command).or_default() += 1;
    }
    for (i, row) in file.results.iter().enumerate() {
        let ambiguous = named[row.command.as_str()] > 1;
        let key = format!("results[{i}]");
        let series = source.series(&format!("{key}.command"), &name(row, ambiguous))?;
        let numbers: Vec<Option<f64>> = row.times.iter().map(|n| n.0).collect();
        let samples = source.samples(&format!("{key}.times"), &numbers)?;
        let estimate = match usable_time(row.median.0) {
            Ok(seconds) => source.not_negative(&format!("{key}.median"), seconds)?,
            Err(reason) => {
                import.skip(series, None, reason);
                continue;
            }
        };
        let sd = row
            .stddev
            .map(|sd| source.not_negative(&format!("{key}.stddev"), sd));
        import.results.push(Imported {
            series,
            commit: None,
            when: None,
            value: Value::seconds(samples, estimate, Statistic::Median, sd.transpose()?),
            machine: None,
            format: Format::Hyperfine,
        });
    }
    Ok(import)
}

/// The command, with its parameters where another row has the same name: `--command-name` given
/// once names all of a parameter scan.
fn name(row: &Row, ambiguous: bool) -> String {
    match &row.parameters {
        Some(parameters) if ambiguous && !parameters.is_empty() => {
            let pairs: Vec<String> = parameters.iter().map(|(k, v)| format!("{k}={v}")).collect();
            format!("{} ({})", row.command, pairs.join(", "))
        }
        _ => row.command.clone(),
    }
}
