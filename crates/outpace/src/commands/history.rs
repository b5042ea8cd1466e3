//! `outpace history`: the record store.

use anyhow::Result;
use outpace_record::{Document, HistoryEntry};
use outpace_repo::{Entry, History};
use outpace_text::{plain, short};

use crate::exit::OK;
use crate::options::Options;
use crate::setup::open_repo;
use crate::ui::Terminal;

/// Most characters of a record's description in a list.
const WHAT_CHARS: usize = 100;

/// List, show and export the records under refs/outpace/history.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  outpace history list --kind verdict\n  outpace history show 4d2e7aa\n  outpace history export > history.jsonl"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// One line a record, oldest day first.
    #[command(after_help = "Example:\n  outpace history list --kind run")]
    List {
        /// Only this kind: run, verdict, attempt.
        #[arg(long, value_parser = ["run", "verdict", "attempt"])]
        kind: Option<String>,
        /// Print JSON lines.
        #[arg(long)]
        json: bool,
    },
    /// Print one record.
    #[command(after_help = "Example:\n  outpace history show 4d2e7aa")]
    Show {
        /// Its id, or the first digits of it.
        id: String,
    },
    /// Print all records as JSON lines.
    #[command(after_help = "Example:\n  outpace history export --kind run > runs.jsonl")]
    Export {
        /// Only this kind: run, verdict, attempt.
        #[arg(long, value_parser = ["run", "verdict", "attempt"])]
        kind: Option<String>,
    },
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let repo = open_repo(options)?;
    let history = repo.history();
    match &args.verb {
        Verb::List { kind, json: true } => names(&history, kind.as_deref())?,
        Verb::List { kind, .. } => list(options, &history, kind.as_deref())?,
        Verb::Show { id } => crate::out!("{}", history.get(id)?.trim_end()),
        Verb::Export { kind } => {
            for day in history.days(kind.as_deref())? {
                for (_, json) in history.read(&day)? {
                    let value: serde_json::Value = serde_json::from_str(&json)?;
                    crate::out!("{value}");
                }
            }
        }
    }
    Ok(OK)
}

fn names(history: &History<'_>, kind: Option<&str>) -> Result<()> {
    for day in history.days(kind)? {
        for (entry, _) in history.read(&day)? {
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

fn list(options: &Options, history: &History<'_>, kind: Option<&str>) -> Result<()> {
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
    let value: serde_json::Value = serde_json::from_str(json)?;
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let what = match entry.kind.as_str() {
        "run" => format!(
            "{} {:.0} tokens/s  {}",
            text("workload"),
            value["tokens_per_s"].as_f64().unwrap_or(0.0),
            text("summary")
        ),
        _ => format!("{}  {}", text("verdict"), text("title")),
    };
    Ok(format!(
        "{}  {}  {:<8} {}",
        entry.date,
        short(&entry.id),
        entry.kind,
        plain(&what, WHAT_CHARS)
    ))
}
