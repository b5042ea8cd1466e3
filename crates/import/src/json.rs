//! JSON with positions, and the figures in it.

use std::borrow::Cow;
use std::fmt;

use outpace_text::plain;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Error, Visitor};

use crate::{Format, ImportError};

/// Characters of a reason or of a path of keys in an error: those of the file may be long.
const MAX_REASON_CHARS: usize = 200;

/// A text that is being read, and where it came from.
pub(crate) struct Source<'a, F = Format> {
    /// The format, where it is known.
    pub(crate) format: F,
    /// The JSON.
    pub(crate) text: &'a str,
    /// Characters of the file's first line that stand before the JSON.
    pub(crate) columns_before: usize,
}

impl<F: Into<Option<Format>> + Copy> Source<'_, F> {
    /// The text as a value of some type.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, ImportError> {
        let mut deserializer = serde_json::Deserializer::from_str(self.text);
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
        match T::deserialize(tracked).and_then(|value| deserializer.end().map(|()| value)) {
            Ok(value) => Ok(value),
            Err(error) => Err(self.refuse(&error, &track.path().to_string())),
        }
    }

    fn refuse(&self, error: &serde_json::Error, path: &str) -> ImportError {
        let shift = if error.line() == 1 {
            self.columns_before
        } else {
            0
        };
        let text = error.to_string();
        let position = format!(" at line {} column {}", error.line(), error.column());
        ImportError::Json {
            format: self.format.into(),
            // serde_path_to_error calls the root by a full stop, and a key that it could not read
            // by a question mark.
            key: plain(path.trim_end_matches(['.', '?']), MAX_REASON_CHARS),
            line: error.line(),
            column: error.column() + shift,
            reason: plain(
                text.strip_suffix(&position).unwrap_or(&text),
                MAX_REASON_CHARS,
            ),
        }
    }
}

impl Source<'_> {
    /// The error for a value that cannot be.
    pub(crate) fn wrong(&self, key: impl fmt::Display, reason: impl fmt::Display) -> ImportError {
        ImportError::Value {
            format: self.format,
            key: plain(&key.to_string(), MAX_REASON_CHARS),
            reason: plain(&reason.to_string(), MAX_REASON_CHARS),
        }
    }
}

/// A number, or null, which most tools write for what is not finite. A key that is missing is an
/// error, unlike with an `Option`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number(pub(crate) Option<f64>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor { texts: false })
    }
}

/// A [`Number`] that may also be a text: github-action-benchmark has stored the values of custom
/// tools unchecked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NumberOrText(pub(crate) Option<f64>);

impl<'de> Deserialize<'de> for NumberOrText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = deserializer.deserialize_any(NumberVisitor { texts: true })?;
        Ok(Self(number.0))
    }
}

struct NumberVisitor {
    texts: bool,
}

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Number, E> {
        Ok(Number(Some(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Number, E> {
        Ok(Number(Some(value as f64)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Number, E> {
        Ok(Number(Some(value as f64)))
    }

    fn visit_unit<E: Error>(self) -> Result<Number, E> {
        Ok(Number(None))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
        let number = text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
        match number {
            Some(number) if self.texts => Ok(Number(Some(number))),
            _ => Err(E::invalid_type(serde::de::Unexpected::Str(text), &self)),
        }
    }
}

/// The text with null in place of `NaN` and `Infinity`, which Google Benchmark and Python write and
/// JSON does not have.
pub(crate) fn without_bare_constants(text: &str) -> Cow<'_, str> {
    const CONSTANTS: [&str; 4] = ["-NaN", "NaN", "-Infinity", "Infinity"];
    if !text.contains("NaN") && !text.contains("Infinity") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let constant = CONSTANTS
            .iter()
            .find(|constant| rest.starts_with(**constant));
        if let (false, Some(constant)) = (in_string, constant) {
            out.push_str("null");
            rest = &rest[constant.len()..];
            continue;
        }
        in_string ^= c == '"' && !escaped;
        escaped = in_string && c == '\\' && !escaped;
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_that_json_lacks_become_null_outside_of_texts_only() {
        let text = r#"{"a": NaN, "NaN": -Infinity, "b": "x \" NaN", "c": [Infinity, -NaN]}"#;
        let expect = r#"{"a": null, "NaN": null, "b": "x \" NaN", "c": [null, null]}"#;
        assert_eq!(without_bare_constants(text), expect);
    }
}
