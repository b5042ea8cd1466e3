//! The formats and their names.

use std::fmt;
use std::str::FromStr;

use outpace_text::plain;

/// A tool whose results can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// criterion, the directory `target/criterion`.
    Criterion,
    /// hyperfine, `--export-json`.
    Hyperfine,
    /// pytest-benchmark, `--benchmark-json`.
    PytestBenchmark,
    /// Google Benchmark, `--benchmark_out` with `--benchmark_out_format=json`.
    GoogleBenchmark,
    /// github-action-benchmark, `data.js` or the file of `external-data-json-path`.
    GithubActionBenchmark,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Criterion,
        Self::Hyperfine,
        Self::PytestBenchmark,
        Self::GoogleBenchmark,
        Self::GithubActionBenchmark,
    ];

    /// The name, as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Criterion => "criterion",
            Self::Hyperfine => "hyperfine",
            Self::PytestBenchmark => "pytest-benchmark",
            Self::GoogleBenchmark => "google-benchmark",
            Self::GithubActionBenchmark => "github-action-benchmark",
        }
    }

    /// What writes such a file, for a hint.
    pub(crate) fn written_by(self) -> &'static str {
        match self {
            Self::Criterion => "`cargo bench`, in target/criterion",
            Self::Hyperfine => "`hyperfine --export-json FILE`",
            Self::PytestBenchmark => "`pytest --benchmark-json=FILE`",
            Self::GoogleBenchmark => "`--benchmark_out=FILE --benchmark_out_format=json`",
            Self::GithubActionBenchmark => "the action, as data.js on its pages branch",
        }
    }

    /// The names of all of them, for a message.
    pub(crate) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let named = |f: &Self| f.name() == text;
        Self::ALL
            .into_iter()
            .find(named)
            .ok_or_else(|| UnknownFormat {
                name: plain(text, 40),
            })
    }
}

/// Not the name of a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a format. Hint: available: {}", Format::names())]
pub struct UnknownFormat {
    /// What was given.
    pub name: String,
}
