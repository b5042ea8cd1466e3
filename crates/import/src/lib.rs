//! Results of other benchmark tools, read from the files that they write, so that their history can
//! be searched for regressions.
//!
//! Formats: hyperfine's `--export-json`, pytest-benchmark's `--benchmark-json`, Google Benchmark's
//! `--benchmark_out`, the `data.js` of github-action-benchmark, and criterion's directory. Times
//! are converted to seconds. Nothing is made up: what a file does not say is `None`, and a
//! benchmark that has no usable figure is listed in [`Import::skipped`].
//!
//! Files are untrusted. Text is cleaned by [`outpace_text::plain`], figures are finite, and a file
//! of the wrong shape is refused with the position or the key. This crate never writes.

mod criterion;
mod data_js;
mod detect;
mod error;
mod format;
mod google;
mod hyperfine;
mod json;
mod moment;
mod pytest;
mod result;
mod units;

pub use criterion::read_criterion_dir;
pub use detect::detect;
pub use error::ImportError;
pub use format::{Format, UnknownFormat};
pub use result::{Commit, Import, Imported, Skipped, Statistic, Value};

/// Reads the text of one file. The format is detected where it is not given.
///
/// # Errors
/// The format is not recognised or is another than the given one, the text is not valid JSON, a key
/// is missing or has a value that it cannot have, or there is no benchmark in it. Criterion has no
/// single file: see [`read_criterion_dir`].
pub fn read_text(text: &str, format: Option<Format>) -> Result<Import, ImportError> {
    let (columns_before, json) = detect::json_part(text);
    let json = json::without_bare_constants(json);
    let found = detect::recognise(&json::Source {
        format,
        text: &json,
        columns_before,
    })?;
    let format = match format {
        Some(asked) if asked != found => return Err(ImportError::OtherFormat { asked, found }),
        _ => found,
    };
    let source = json::Source {
        format,
        text: &json,
        columns_before,
    };
    let import = match format {
        Format::Hyperfine => hyperfine::read(&source),
        Format::PytestBenchmark => pytest::read(&source),
        Format::GoogleBenchmark => google::read(&source),
        Format::GithubActionBenchmark => data_js::read(&source),
        Format::Criterion => Err(ImportError::IsDirectory),
    }?;
    if import.results.is_empty() && import.skipped.is_empty() {
        return Err(ImportError::NoBenchmark { format });
    }
    Ok(import)
}
