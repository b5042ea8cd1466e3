//! How the format of a text is recognised.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use crate::json::{self, Source};
use crate::{Format, ImportError};

/// What `data.js` begins with.
const SCRIPT_PREFIX: &str = "window.BENCHMARK_DATA";

/// The format of a text, by its outermost keys. [`Format::Criterion`] for a single file of its
/// directory. Nothing where it is not complete JSON.
pub fn detect(text: &str) -> Option<Format> {
    let (columns_before, json) = json_part(text);
    let source = Source {
        format: None,
        text: &json::without_bare_constants(json),
        columns_before,
    };
    recognise(&source).ok()
}

/// The format of a text. A text whose keys are not known passes for the format that was asked for,
/// so that the error names the key that is missing.
pub(crate) fn recognise(source: &Source<'_, Option<Format>>) -> Result<Format, ImportError> {
    let keys: BTreeMap<String, IgnoredAny> = source.parse()?;
    let all = |wanted: &[&str]| wanted.iter().all(|k| keys.contains_key(*k));
    let known: [(Format, &[&str]); 8] = [
        (Format::GithubActionBenchmark, &["entries", "lastUpdate"]),
        (Format::GithubActionBenchmark, &["entries", "repoUrl"]),
        (Format::PytestBenchmark, &["benchmarks", "machine_info"]),
        (Format::GoogleBenchmark, &["benchmarks", "context"]),
        (Format::Criterion, &["median_abs_dev", "std_dev"]),
        (Format::Criterion, &["sampling_mode", "iters"]),
        (Format::Criterion, &["full_id", "directory_name"]),
        (Format::Hyperfine, &["results"]),
    ];
    let found = known.iter().find(|(_, wanted)| all(wanted));
    match (found, source.format) {
        (Some((format, _)), _) => Ok(*format),
        (None, Some(asked)) => Ok(asked),
        (None, None) if source.columns_before > 0 => Ok(Format::GithubActionBenchmark),
        (None, None) => Err(ImportError::NotRecognised),
    }
}

/// The JSON of a text, without a byte order mark and without the assignment around it that
/// `data.js` has; and the characters of its first line that stand before it.
pub(crate) fn json_part(text: &str) -> (usize, &str) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let assigned = text
        .strip_prefix(SCRIPT_PREFIX)
        .and_then(|rest| rest.trim_start_matches(' ').strip_prefix('='));
    match assigned {
        Some(json) => {
            let before = text.len() - json.len();
            (before, json.trim_end().trim_end_matches(';'))
        }
        None => (0, text),
    }
}
