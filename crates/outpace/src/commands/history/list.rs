//! A line a record.

use anyhow::Result;
use outpace_record::{Document, HistoryEntry};
use outpace_repo::{Entry, History};
use outpace_report::format::gain;
use outpace_text::{plain, short};
use serde_json::Value;

use crate::options::Options;
use crate::ui::Terminal;

/// Most characters of a record's description in a list.
const WHAT_CHARS: usize = 100;

/// JSON lines of the records' names.
pub(super) fn names(history: &History<'_>, kind: Option<&str>) -> Result<()> {
    for day in history.days(kind)? {
        for entry in history.entries(&day)? {
            let document = HistoryEntry {
                schema: HistoryEntry::SCHEMA.into(),
                id: entry.id,
                kind: entry.kind,
                date: entry.date,
            };
            crate::out!("{}", serde_json::to_string(&document)?);
        }
    }
    Ok(())
}

/// Lines for people.
pub(super) fn lines(options: &Options, history: &History<'_>, kind: Option<&str>) -> Result<()> {
    let mut ui = Terminal::new(options);
    let days = history.days(kind)?;
    if days.is_empty() {
        ui.say(
            "history",
            "empty. Hint: `outpace bench` records a run, `outpace gate` a verdict",
        );
    }
    for day in days {
        for (entry, json) in history.read(&day)? {
            ui.result(&line(&entry, &json)?);
        }
    }
    Ok(())
}

fn line(entry: &Entry, json: &str) -> Result<String> {
    let value: Value = serde_json::from_str(json)?;
    let what = plain(&describe(&entry.kind, &value), WHAT_CHARS);
    let (date, id, kind) = (&entry.date, short(&entry.id), &entry.kind);
    Ok(format!("{date}  {id}  {kind:<14} {what}"))
}

fn describe(kind: &str, value: &Value) -> String {
    let text = |key: &str| value[key].as_str().unwrap_or_default();
    let id = |key: &str| short(text(key));
    match kind {
        "run" => format!(
            "{} {:.0} tokens/s  {}",
            text("workload"),
            value["tokens_per_s"].as_f64().unwrap_or(0.0),
            text("summary")
        ),
        "failure" => {
            let stage = text("stage");
            format!(
                "{} {}  {stage} fails  {}",
                text("workload"),
                id("commit"),
                text("summary")
            )
        }
        "change" => {
            let found = gain(value["found"].as_f64().unwrap_or(0.0));
            let (state, after) = (text("state"), id("after"));
            format!(
                "{} {found} at {after}  {state}  {}",
                text("workload"),
                text("summary")
            )
        }
        "bisection" => {
            let found = value["found"][0].as_str().map_or("nothing", short);
            format!("{} {found}  {}", text("workload"), text("summary"))
        }
        "blessing" => {
            let word = match value["accepted"].as_bool() {
                Some(true) => "accepted",
                _ => "not accepted any more",
            };
            format!("{} {word}  {}", id("commit"), text("reason"))
        }
        "test" => match &value["test"] {
            Value::Null => format!("{} {}", text("workload"), id("tree")),
            index => format!(
                "{} {}  number {} on {}",
                text("workload"),
                id("tree"),
                index["index"],
                index["branch"].as_str().unwrap_or_default()
            ),
        },
        "test-result" => format!("{}  {}", id("test"), text("verdict")),
        "imported" => format!("{} {}", text("tool"), text("series")),
        _ => format!("{}  {}", text("verdict"), text("title")),
    }
}
