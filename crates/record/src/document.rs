//! What all JSON documents share: the `schema` key, their version, their content hash.

use std::fmt;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A JSON document that carries `"schema": "outpace.<name>/<version>"`.
pub trait Document: Serialize + DeserializeOwned {
    /// The value of its `schema` key.
    const SCHEMA: &'static str;

    /// The document as it is stored: pretty-printed JSON that ends in a newline. Its bytes define
    /// its id.
    fn to_json(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(self).expect("records hold no map with non-string keys");
        compact_number_rows(&mut text);
        text.push('\n');
        text
    }

    /// Reads a document of this kind.
    ///
    /// # Errors
    /// The text is not JSON, names another kind or a newer version, or lacks a required field.
    fn from_json(text: &str) -> Result<Self, ReadError> {
        check_schema(text, Self::SCHEMA)?;
        Ok(serde_json::from_str(text)?)
    }
}

/// Why a document could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, or a field is missing or of the wrong type.
    #[error("not a valid document: {0}")]
    Json(#[from] serde_json::Error),
    /// It says that it is something else.
    #[error("this is `{found}`, expected `{expected}`")]
    OtherKind {
        /// The schema that it names.
        found: String,
        /// The schema that was asked for.
        expected: &'static str,
    },
    /// It was written by a newer outpace.
    #[error("`{found}` is newer than this outpace reads (`{expected}`). Hint: update outpace")]
    Newer {
        /// The schema that it names.
        found: String,
        /// The newest that is understood.
        expected: &'static str,
    },
}

/// The SHA-256 of everything that a reader gives, in hex.
///
/// # Errors
/// It cannot be read.
pub fn sha256_of(mut reader: impl std::io::Read) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hex::encode(hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// When a stored record ended, or began where it does not say; nothing where it says neither.
pub fn ended_at(json: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Moments {
        finished: Option<Timestamp>,
        started: Option<Timestamp>,
    }
    let moments: Moments = serde_json::from_str(json).ok()?;
    moments.finished.or(moments.started)
}

fn check_schema(text: &str, expected: &'static str) -> Result<(), ReadError> {
    #[derive(Deserialize)]
    struct Head {
        schema: String,
    }
    let found = serde_json::from_str::<Head>(text)?.schema;
    if found == expected {
        return Ok(());
    }
    let split = |s: &str| {
        s.rsplit_once('/')
            .map(|(name, v)| (name.to_owned(), v.parse::<u32>().ok()))
    };
    match (split(&found), split(expected)) {
        (Some((a, Some(have))), Some((b, Some(know)))) if a == b && have > know => {
            Err(ReadError::Newer { found, expected })
        }
        _ => Err(ReadError::OtherKind { found, expected }),
    }
}

/// The id of a record: SHA-256 over its bytes, in hex.
pub fn record_id(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Puts innermost lists of numbers on one line each: raw samples stay readable in a diff and take a
/// third of the space.
fn compact_number_rows(text: &mut String) {
    let mut out = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        if !in_string && let Some(row) = number_row(rest) {
            out.extend(
                row.split_whitespace()
                    .flat_map(|word| [word, if word.ends_with(',') { " " } else { "" }]),
            );
            rest = &rest[row.len()..];
            continue;
        }
        in_string ^= c == '"' && !escaped;
        escaped = in_string && c == '\\' && !escaped;
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    *text = out;
}

/// The list of numbers and nulls that `text` begins with, brackets included.
fn number_row(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?;
    let end = inside.find(|c: char| {
        !(c.is_ascii_digit() || c.is_ascii_whitespace() || "+-.,eEnul".contains(c))
    })?;
    inside[end..].starts_with(']').then(|| &text[..end + 2])
}

/// A moment in UTC, RFC 3339: `2026-05-19T08:30:00.125Z`. Milliseconds keep what is written within
/// one second in order; a person is shown seconds.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Timestamp(#[schemars(with = "String")] jiff::Timestamp);

impl Timestamp {
    /// From seconds since 1970-01-01 UTC; out-of-range values become the nearest moment that can be
    /// written.
    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self(jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX))
    }

    /// From the system's clock time, cut to milliseconds.
    pub fn from_system(time: std::time::SystemTime) -> Self {
        let millis = time
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| d.as_millis());
        let millis = i64::try_from(millis).unwrap_or(i64::MAX);
        Self(jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX))
    }

    /// Seconds since 1970-01-01 UTC.
    pub fn unix_seconds(self) -> i64 {
        self.0.as_second()
    }

    /// The day, `2026-05-19`.
    pub fn date(self) -> String {
        self.0.to_string()[..10].to_owned()
    }

    /// Whether a text is a day, `2026-05-19`.
    pub fn is_day(text: &str) -> bool {
        text.parse::<jiff::civil::Date>()
            .is_ok_and(|day| day.to_string() == text)
    }

    /// Day and minute for a person, `2026-05-19 08:30`.
    pub fn minute(self) -> String {
        self.0.to_string()[..16].replace('T', " ")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.strftime("%Y-%m-%dT%H:%M:%SZ").fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_rows_are_put_on_one_line_and_nothing_else_is_touched() {
        let mut text = serde_json::to_string_pretty(&serde_json::json!({
            "a": [[1.5, 2.0], [3.0, null]], "s": ["x [1,\n  2]", "\\\" [3,  4]"], "e": [], "o": [{"pairs": [[1, 2]]}]
        }))
        .unwrap();
        let before: serde_json::Value = serde_json::from_str(&text).unwrap();
        compact_number_rows(&mut text);
        assert!(
            text.contains("[1.5, 2.0]") && text.contains("[3.0, null]"),
            "{text}"
        );
        assert_eq!(
            before,
            serde_json::from_str::<serde_json::Value>(&text).unwrap()
        );
    }
}
