//! Reading `outpace.toml`: every error names file, line and key, and speaks of TOML.

use serde_path_to_error::{Path, Segment};
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::Config;
use super::check::{Step, validate};
use crate::suggestion;

/// What is wrong with an `outpace.toml`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}{}", hint.as_ref().map(|h| format!(". Hint: {h}")).unwrap_or_default())]
pub struct ConfigError {
    /// File, line and key; no key where the text is not TOML.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Reads and checks an `outpace.toml`; `file` is the name that messages carry.
///
/// # Errors
/// Not TOML, an unknown key, a wrong type, or an impossible value.
pub fn parse_config(text: &str, file: &str) -> Result<Config, ConfigError> {
    let document = DeTable::parse(text).map_err(|error| ConfigError {
        place: at(text, file, error.span().map(|span| span.start)),
        message: error.message().lines().collect::<Vec<_>>().join(" "),
        hint: None,
    })?;
    if let Some(path) = not_a_table(document.get_ref()) {
        let (offset, value) = find(&document, &path);
        let is = match value {
            Some(DeValue::Datetime(date)) => format!("the date {date}"),
            _ => "an array".into(),
        };
        return Err(ConfigError {
            place: format!("{}: {}", at(text, file, offset), shown(&path)),
            message: format!("must be a table, is {is}"),
            hint: None,
        });
    }
    let reader = toml::Deserializer::from(document.clone());
    let config: Config = serde_path_to_error::deserialize(reader)
        .map_err(|error| misfit(text, file, &document, &error))?;
    validate(&config).map_err(|fault| {
        let place = at(text, file, find(&document, &fault.path).0);
        ConfigError {
            place: format!("{place}: {}", fault.key),
            message: fault.message,
            hint: None,
        }
    })?;
    Ok(config)
}

/// The first array or date where a table belongs, of those that serde takes for one: it reads an
/// array's elements as the table's values, in the order of the Rust type, and a date as a table
/// with one key.
fn not_a_table(document: &DeTable<'_>) -> Option<Vec<Step>> {
    document.iter().find_map(|(key, value)| {
        let key = key.get_ref().as_ref();
        let value = value.get_ref();
        let below = match key {
            "policy" | "gate" | "machine" | "sandbox" => value.is_array().then(Vec::new),
            "workload" | "agent" => value.as_table()?.iter().find_map(|(name, value)| {
                let name = Step::Key(name.get_ref().clone().into_owned());
                if value.get_ref().is_array() {
                    return Some(vec![name]);
                }
                let env = value.get_ref().as_table()?.get("env")?;
                let is_date = matches!(env.get_ref(), DeValue::Datetime(_));
                is_date.then(|| vec![name, Step::Key("env".into())])
            }),
            "tunable" => {
                let is_array = |element: &Spanned<DeValue<'_>>| element.get_ref().is_array();
                let index = value.as_array()?.iter().position(is_array);
                index.map(|index| vec![Step::Index(index)])
            }
            _ => None,
        };
        below.map(|below| [vec![Step::Key(key.to_owned())], below].concat())
    })
}

/// A value of the wrong type, a key that is unknown or missing.
fn misfit(
    text: &str,
    file: &str,
    document: &Spanned<DeTable<'_>>,
    error: &serde_path_to_error::Error<Error>,
) -> ConfigError {
    let path = steps(error.path());
    let key = shown(&path);
    let (offset, value) = find(document, &path);
    let offset = offset.or(error.inner().span().map(|span| span.start));
    let (message, hint) = match value {
        Some(DeValue::Datetime(date)) => (not_a_date(date, error.inner()), None),
        _ => in_toml_words(error.inner()),
    };
    let place = at(text, file, offset);
    let separator = if key.is_empty() { "" } else { ": " };
    ConfigError {
        place: format!("{place}{separator}{key}"),
        message,
        hint,
    }
}

/// The way that serde went until it found the fault.
fn steps(path: &Path) -> Vec<Step> {
    let steps = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Map { key } if key == DATE => None,
        Segment::Map { key } | Segment::Enum { variant: key } => Some(Step::Key(key.clone())),
        Segment::Unknown => None,
    });
    steps.collect()
}

/// A path as messages show it: `workload.w.run (element 2)`.
fn shown(path: &[Step]) -> String {
    let mut shown = String::new();
    for step in path {
        match step {
            Step::Index(index) => shown.push_str(&format!(" (element {})", index + 1)),
            Step::Key(key) if shown.is_empty() => shown.push_str(key),
            Step::Key(key) => shown.push_str(&format!(".{key}")),
        }
    }
    shown
}

/// Where the text has the key at the end of a path, or the last key on the way that it has; and the
/// value at the end.
fn find<'a, 'i>(
    document: &'a Spanned<DeTable<'i>>,
    path: &[Step],
) -> (Option<usize>, Option<&'a DeValue<'i>>) {
    let (mut offset, mut value) = (None, None);
    let mut table = Some(document.get_ref());
    for step in path {
        let next = match step {
            Step::Key(name) => table
                .and_then(|table| table.iter().find(|(key, _)| key.get_ref() == name))
                .map(|(key, next)| (key.span(), next.get_ref())),
            Step::Index(index) => value
                .and_then(DeValue::as_array)
                .and_then(|array| array.get(*index))
                .map(|next| (next.span(), next.get_ref())),
        };
        let Some((span, next)) = next else {
            return (offset, None);
        };
        offset = Some(span.start);
        table = next.as_table();
        value = Some(next);
    }
    (offset, value)
}

/// `file:line:column`, or the file where the offset is not known.
fn at(text: &str, file: &str, offset: Option<usize>) -> String {
    let Some(before) = offset.and_then(|offset| text.get(..offset)) else {
        return file.to_owned();
    };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
    format!("{file}:{line}:{column}")
}

/// A date comes as a table with one key of this name.
const DATE: &str = "$__toml_private_datetime";

/// What is wrong with a date: no key takes one.
fn not_a_date(date: &impl std::fmt::Display, error: &Error) -> String {
    let expected = error.message().rsplit_once(", expected ");
    let wanted = match expected {
        // A table was read, and its one key refused.
        _ if error.message().contains(DATE) => "a table",
        Some((found, expected)) if found.ends_with("map") => wanted(expected),
        _ => "a table",
    };
    format!("must be {wanted}, is the date {date}")
}

/// serde speaks of Rust's types. What it says in the words of TOML, and a hint.
fn in_toml_words(error: &Error) -> (String, Option<String>) {
    let message = error.message().lines().collect::<Vec<_>>().join(" ");
    for (start, what) in [
        ("unknown field ", "unknown key"),
        ("unknown variant ", "unknown value"),
    ] {
        if let Some((wrong, known)) = message.strip_prefix(start).and_then(names) {
            return (format!("{what} `{wrong}`"), Some(suggestion(wrong, &known)));
        }
    }
    if let Some(field) = message.strip_prefix("missing field ") {
        return (format!("the key {field} is missing"), None);
    }
    let typed = ["invalid type: ", "invalid value: "];
    let typed = typed.iter().find_map(|start| message.strip_prefix(start));
    if let Some((found, expected)) = typed.and_then(|rest| rest.rsplit_once(", expected ")) {
        return (
            format!("must be {}, is {}", wanted(expected), given(found)),
            None,
        );
    }
    if message.starts_with("wanted ") {
        return ("must be a string".into(), None);
    }
    (message, None)
}

/// From "`bulid`, expected one of `track`, `build`" to the wrong name and the known ones.
fn names(list: &str) -> Option<(&str, Vec<&str>)> {
    let mut quoted = list.split('`').skip(1).step_by(2);
    Some((quoted.next()?, quoted.collect()))
}

/// What serde expected.
fn wanted(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of at least 0",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "an array",
        "a map" => "a table",
        other if other.starts_with("struct ") => "a table",
        _ => "a string",
    }
}

/// What serde found: the kind of value, and the value where it is short.
fn given(found: &str) -> String {
    let (kind, value) = found.split_once(' ').unwrap_or((found, ""));
    match kind {
        "string" => format!("the string {value}"),
        // One beyond 64 bits: "integer `99999999999999999999` as i128".
        "integer" => match value.split_once("` as ") {
            Some((number, _)) => format!("{}, which is too large", number.trim_matches('`')),
            None => format!("the integer {}", value.trim_matches('`')),
        },
        "floating" => format!(
            "the float {}",
            value.trim_start_matches("point ").trim_matches('`')
        ),
        "boolean" => value.trim_matches('`').to_owned(),
        "sequence" => "an array".into(),
        _ => "a table".into(),
    }
}
