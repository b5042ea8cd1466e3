//! What is wrong with a trial, in words: the block, the pair and the value.

use outpace_record::suggestion;
use outpace_text::plain;
use serde_json::{Deserializer, Error, Map, Value};
use serde_path_to_error::{Path, Segment};

use super::exports;
use super::input::Text;

/// Keys of a trial.
pub(super) const KEYS: [&str; 12] = [
    "blocks",
    "min_speedup",
    "alpha",
    "threshold",
    "screen",
    "sum_threshold",
    "margin",
    "bound_blocks",
    "alone",
    "steps_per_turn",
    "warmup_turns",
    "steps_per_run",
];

/// Longest value that is quoted.
const QUOTED: usize = 40;

/// The first fault of a text that `error` refused.
pub(super) fn of(text: &Text, error: &Error) -> String {
    let mut json = Deserializer::from_slice(&text.bytes);
    match serde_path_to_error::deserialize::<_, Value>(&mut json) {
        Err(fault) => syntax(text, fault.path(), fault.inner()),
        Ok(value) => match exports::lacks(&value) {
            Some(message) => message,
            None => match check(&value) {
                Err(message) => message,
                Ok(()) => format!("not a trial: {}", in_json_words(text, error)),
            },
        },
    }
}

/// The fault of a text that is not JSON.
fn syntax(text: &Text, path: &Path, error: &Error) -> String {
    let start = String::from_utf8_lossy(&text.bytes[..text.bytes.len().min(200)]);
    if let Some(message) = exports::table_lacks(&start) {
        return message;
    }
    let place = place(path).unwrap_or_else(|| "not a trial".into());
    match word_at(&text.bytes, error) {
        Some(word) if !error.is_eof() && looks_like_a_number(&word) => {
            let hint = number_hint(&word);
            format!("{place}: `{word}` is not a number{hint}")
        }
        _ => format!("{place}: {}", in_json_words(text, error)),
    }
}

/// "block 2, pair 1", or nothing where the fault is in neither.
fn place(path: &Path) -> Option<String> {
    let mut segments = path.iter();
    if !matches!(segments.next(), Some(Segment::Map { key }) if key == "blocks") {
        return None;
    }
    let indices: Vec<usize> = segments
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(index + 1),
            _ => None,
        })
        .collect();
    match indices[..] {
        [] => None,
        [block] => Some(format!("block {block}")),
        [block, pair, ..] => Some(format!("block {block}, pair {pair}")),
    }
}

/// serde_json's message with the line of the input instead of that of the text.
fn in_json_words(text: &Text, error: &Error) -> String {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    if error.is_eof() {
        return "it ends before its last bracket is closed".into();
    }
    // What a block without another fault can have.
    if message.starts_with("data did not match") {
        return "a block has the key `pairs` twice".into();
    }
    let message = message
        .replace("duplicate field", "duplicate key")
        .replace("expected ident", "expected `null`, `true` or `false`");
    let line = text.line + error.line().saturating_sub(1);
    let column = error.column();
    format!("{message} (line {line}, column {column})")
}

/// The word at the place of an error: what stands between brackets, commas, colons and blanks.
fn word_at(bytes: &[u8], error: &Error) -> Option<String> {
    let line = bytes
        .split(|b| *b == b'\n')
        .nth(error.line().checked_sub(1)?)?;
    let ends = |b: &u8| b.is_ascii_whitespace() || b"[]{},:\"".contains(b);
    let at = error.column().checked_sub(1)?.min(line.len());
    let from = line[..at].iter().rposition(ends).map_or(0, |n| n + 1);
    let length = line[from..].iter().position(ends);
    let word = &line[from..length.map_or(line.len(), |n| from + n)];
    let word = plain(&String::from_utf8_lossy(word), QUOTED);
    (!word.is_empty()).then_some(word)
}

fn looks_like_a_number(word: &str) -> bool {
    let letters = word.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let named = ["nan", "inf", "infinity", "none", "na", "n/a"].contains(&letters.as_str());
    named || letters.starts_with(|c: char| c.is_ascii_digit() || c == '.')
}

fn check(value: &Value) -> Result<(), String> {
    let Value::Object(trial) = value else {
        let kind = kind(value);
        return Err(format!(
            "not a trial: {kind}, where an object with `blocks` is expected"
        ));
    };
    if let Some(wrong) = trial.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let hint = suggestion(wrong, &KEYS);
        let wrong = plain(wrong, QUOTED);
        return Err(format!("unknown key `{wrong}`. Hint: {hint}"));
    }
    match trial.get("blocks") {
        None => return Err("not a trial: key `blocks` is missing".into()),
        Some(Value::Array(blocks)) => each(blocks, "block", check_block)?,
        Some(other) => return Err(format!("`blocks` is {}, must be an array", kind(other))),
    }
    match trial.get("alone") {
        None | Some(Value::Null) => {}
        Some(Value::Array(runs)) => each(runs, "isolated run", check_run)?,
        Some(other) => return Err(format!("`alone` is {}, must be an array", kind(other))),
    }
    check_options(trial)
}

fn check_options(trial: &Map<String, Value>) -> Result<(), String> {
    let options = trial.iter();
    for (key, value) in options.filter(|(key, _)| !["blocks", "alone"].contains(&key.as_str())) {
        let (right, wanted) = match key.as_str() {
            "screen" => (value.is_boolean(), "true or false"),
            _ => (value.is_number(), "a number"),
        };
        if !right && !value.is_null() {
            return Err(format!("`{key}` is {}, must be {wanted}", shown(value)));
        }
    }
    Ok(())
}

/// The first fault of an array's elements, with the element's number in front.
fn each(
    elements: &[Value],
    what: &str,
    check: impl Fn(&Value) -> Result<(), String>,
) -> Result<(), String> {
    for (index, element) in elements.iter().enumerate() {
        check(element).map_err(|message| {
            // "block 2, pair 1: ..." is one place.
            let joint = if message.starts_with("pair ") {
                ","
            } else {
                ":"
            };
            format!("{what} {}{joint} {message}", index + 1)
        })?;
    }
    Ok(())
}

/// Unlike a block it is never bare: what starting took belongs to it.
fn check_run(run: &Value) -> Result<(), String> {
    match run {
        Value::Object(_) => check_block(run),
        other => Err(format!("is {}, must be an object", kind(other))),
    }
}

fn check_block(block: &Value) -> Result<(), String> {
    let pairs = match block {
        Value::Object(keys) => keys.get("pairs").ok_or_else(|| missing_pairs(keys))?,
        other => other,
    };
    match pairs {
        Value::Array(pairs) => each(pairs, "pair", check_pair),
        other => Err(format!("{} is not a list of pairs", shown(other))),
    }
}

fn missing_pairs(keys: &Map<String, Value>) -> String {
    let names: Vec<&String> = keys.keys().collect();
    let hint = suggestion("pairs", &names);
    match hint.strip_prefix("did you mean ") {
        Some(near) => {
            let near = near.trim_end_matches('?');
            format!("unknown key {near}. Hint: did you mean `pairs`?")
        }
        None => "key `pairs` is missing".into(),
    }
}

fn check_pair(pair: &Value) -> Result<(), String> {
    let Value::Array(times) = pair else {
        let pair = shown(pair);
        return Err(format!("{pair} is not a pair of two times"));
    };
    if let Some(wrong) = times.iter().find(|time| !time.is_number()) {
        let hint = wrong.as_str().map(number_hint).unwrap_or_default();
        return Err(format!("{} is not a number{hint}", shown(wrong)));
    }
    if times.len() == 2 {
        return Ok(());
    }
    // 0,52 and 0,5 are four numbers in JSON.
    let hint = if times.len() == 4 && times.iter().all(Value::is_u64) {
        ". Hint: a decimal comma? Write 0.52"
    } else {
        ""
    };
    Err(format!("{} numbers instead of two{hint}", times.len()))
}

/// What to do about a text that is meant as a number.
fn number_hint(text: &str) -> String {
    let point = text.replacen(',', ".", 1);
    if text.contains(',') && point.trim().parse::<f64>().is_ok() {
        return format!(
            ". Hint: it has a decimal comma; write {}",
            plain(point.trim(), QUOTED)
        );
    }
    if text.trim().parse::<f64>().is_ok_and(f64::is_finite) {
        return ". Hint: write it without quotes, with digits on both sides of the point".into();
    }
    String::new()
}

/// A value as it stands, quoted.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => kind(value).into(),
        other => format!("`{}`", plain(&other.to_string(), QUOTED)),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
