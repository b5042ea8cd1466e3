//! What is read from a file.

use outpace_record::Timestamp;
use outpace_text::plain;

use crate::json::Source;
use crate::{Format, ImportError};

/// Names that are longer are refused, not cut: two of them could become one series.
const MAX_SERIES_CHARS: usize = 1000;
/// Characters of a commit's summary, of a machine and of a reason.
const MAX_TEXT_CHARS: usize = 200;
/// Characters of a unit.
const MAX_UNIT_CHARS: usize = 40;
/// Digits of an abbreviated commit id at least, and of SHA-256 ids.
const COMMIT_DIGITS: std::ops::RangeInclusive<usize> = 4..=64;

/// What one file or directory holds, in the order of the file. That of github-action-benchmark is
/// by suite, and that of criterion by directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// The format that was read.
    pub format: Format,
    /// One for each benchmark, and for each commit where the file has several.
    pub results: Vec<Imported>,
    /// The benchmarks without a usable figure.
    pub skipped: Vec<Skipped>,
}

/// One benchmark, measured once.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The name of the benchmark, plain text on one line. The same in every file of a tool.
    pub series: String,
    /// The commit that was measured, where the file names it.
    pub commit: Option<Commit>,
    /// When it was measured. A time without an offset is taken for UTC.
    pub when: Option<Timestamp>,
    /// What was measured.
    pub value: Value,
    /// The machine, in the words that the file has for it.
    pub machine: Option<String>,
    /// Where it comes from.
    pub format: Format,
}

/// The commit that was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id in lower-case hex, 4 to 64 digits.
    pub id: String,
    /// The first line of its message.
    pub summary: Option<String>,
    /// When it was committed.
    pub when: Option<Timestamp>,
    /// The tree had changes that were not committed: the value is not the commit's alone.
    pub dirty: bool,
}

/// A figure and what it was made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// The raw samples in `unit`, in order of measurement; empty where the file has none.
    pub samples: Vec<f64>,
    /// The figure to follow, in `unit`. Finite, and above zero where it is a time.
    pub estimate: f64,
    /// What `estimate` is of the samples.
    pub statistic: Statistic,
    /// The standard deviation of the samples, in `unit`, where the tool says it.
    pub sd: Option<f64>,
    /// `s` where it is a time, and else what the tool says.
    pub unit: String,
    /// Whether less is better.
    pub smaller_is_better: bool,
}

/// What a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// The median of the samples.
    Median,
    /// The mean of all that was measured.
    Mean,
    /// One number, and the file does not say of what.
    Reported,
}

impl Value {
    /// A time, in seconds.
    pub(crate) fn seconds(
        samples: Vec<f64>,
        estimate: f64,
        statistic: Statistic,
        sd: Option<f64>,
    ) -> Self {
        Self {
            samples,
            estimate,
            statistic,
            sd,
            unit: "s".to_owned(),
            smaller_is_better: true,
        }
    }
}

/// A benchmark without a usable figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The name of the benchmark.
    pub series: String,
    /// The commit, where the file names it.
    pub commit: Option<String>,
    /// Why.
    pub reason: String,
}

impl Import {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            results: Vec::new(),
            skipped: Vec::new(),
        }
    }

    pub(crate) fn skip(&mut self, series: String, commit: Option<&Commit>, reason: &str) {
        self.skipped.push(Skipped {
            series,
            commit: commit.map(|c| c.id.clone()),
            reason: plain(reason, MAX_TEXT_CHARS),
        });
    }
}

/// Why a time is of no use, or the time.
pub(crate) fn usable_time(seconds: Option<f64>) -> Result<f64, &'static str> {
    match seconds {
        None => Err("the figure is not a finite number"),
        Some(0.0) => Err("the time is 0: not measured, or too short for the tool"),
        Some(seconds) => Ok(seconds),
    }
}

/// The rules that hold for all formats. `key` names the place in the file.
impl Source<'_> {
    /// A name that is safe to show.
    pub(crate) fn series(&self, key: &str, name: &str) -> Result<String, ImportError> {
        let name = plain(name, usize::MAX);
        let chars = name.chars().count();
        match chars {
            0 => Err(self.wrong(key, "the name is empty")),
            1..=MAX_SERIES_CHARS => Ok(name),
            _ => Err(self.wrong(
                key,
                format!("the name has {chars} characters, at most {MAX_SERIES_CHARS} are read"),
            )),
        }
    }

    /// A figure that must not be negative: a time, or a deviation.
    pub(crate) fn not_negative(&self, key: &str, number: f64) -> Result<f64, ImportError> {
        if number.is_finite() && number >= 0.0 {
            return Ok(number);
        }
        Err(self.wrong(key, format!("{number} cannot be a time or a deviation")))
    }

    /// Samples of time in seconds. Nothing where one of them is not a number.
    pub(crate) fn samples(
        &self,
        key: &str,
        numbers: &[Option<f64>],
    ) -> Result<Vec<f64>, ImportError> {
        let Some(numbers) = numbers.iter().copied().collect::<Option<Vec<f64>>>() else {
            return Ok(Vec::new());
        };
        for (i, number) in numbers.iter().enumerate() {
            self.not_negative(&format!("{key}[{i}]"), *number)?;
        }
        Ok(numbers)
    }

    /// A commit id.
    pub(crate) fn commit_id(&self, key: &str, id: &str) -> Result<String, ImportError> {
        let hex = id.bytes().all(|b| b.is_ascii_hexdigit());
        if hex && COMMIT_DIGITS.contains(&id.len()) {
            return Ok(id.to_ascii_lowercase());
        }
        Err(self.wrong(key, format!("`{}` is not a commit id", plain(id, 80))))
    }

    /// A date.
    pub(crate) fn moment(&self, key: &str, text: &str) -> Result<Timestamp, ImportError> {
        crate::moment::parse(text)
            .ok_or_else(|| self.wrong(key, format!("`{}` is not a date", plain(text, 40))))
    }
}

/// The first line of a message; nothing where it is empty.
pub(crate) fn summary(message: &str) -> Option<String> {
    text(message.trim_start().lines().next().unwrap_or_default())
}

/// A text for people; nothing where it is empty.
pub(crate) fn text(text: &str) -> Option<String> {
    Some(plain(text, MAX_TEXT_CHARS)).filter(|t| !t.is_empty())
}

/// A unit as the tool writes it.
pub(crate) fn unit(text: &str) -> String {
    plain(text, MAX_UNIT_CHARS)
}
