//! Why a file was refused, where in it, and what to do next.

use std::path::PathBuf;

use crate::Format;

/// Why results could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Valid JSON, and none of the known formats.
    #[error("not a file of a known tool. Hint: available: {}", Format::names())]
    NotRecognised,
    /// The file is of another format than the one asked for.
    #[error("this is a file of {found}, not of {asked}. Hint: read it as {found}")]
    OtherFormat {
        /// What was asked for.
        asked: Format,
        /// What it is.
        found: Format,
    },
    /// A single file of criterion was given.
    #[error(
        "criterion writes a directory for each benchmark. Hint: give the directory, usually \
         target/criterion"
    )]
    IsDirectory,
    /// Not valid JSON, or a key is missing or of the wrong type.
    #[error("line {line}, column {column}{}: {reason}. Hint: {}", at(key), hint(*format))]
    Json {
        /// The format, where it is known.
        format: Option<Format>,
        /// Keys and indices down to the place, as in `results[2].median`; empty at the top.
        key: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A value of the right type that cannot be.
    #[error("{key}: {reason}. Hint: {}", hint(Some(*format)))]
    Value {
        /// The format.
        format: Format,
        /// Keys and indices down to the value, as in `results[2].median`.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A tool of github-action-benchmark whose figures may be better when they are higher or lower.
    #[error(
        "{key}: whether less is better is not known for the tool `{tool}` with the unit `{unit}`. \
         Hint: change `tool` to customSmallerIsBetter or customBiggerIsBetter"
    )]
    NoDirection {
        /// Keys and indices down to the benchmark.
        key: String,
        /// The tool, as the file has it.
        tool: String,
        /// The unit, as the file has it.
        unit: String,
    },
    /// A file or directory with no benchmark in it.
    #[error("no benchmark of {format} in it. Hint: {}", hint(Some(*format)))]
    NoBenchmark {
        /// The format.
        format: Format,
    },
    /// A file of a directory is refused.
    #[error("{}: {error}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: Box<ImportError>,
    },
    /// A file or directory could not be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
}

fn at(key: &str) -> String {
    if key.is_empty() {
        String::new()
    } else {
        format!(", {key}")
    }
}

fn hint(format: Option<Format>) -> String {
    format.map_or_else(
        || "check that the file is complete".to_owned(),
        |f| format!("the file is written by {}", f.written_by()),
    )
}
