//! `outpace history`: the record store.

use anyhow::Result;

use crate::exit::OK;
use crate::options::Options;
use crate::screen::Screen;
use crate::setting::open_repo;

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
        /// Its id, or the beginning of it.
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
    let of_kind = |kind: &Option<String>| -> Result<Vec<outpace_repo::Entry>> {
        let mut entries = history.list()?;
        entries.retain(|entry| kind.as_ref().is_none_or(|kind| entry.kind == *kind));
        Ok(entries)
    };
    match &args.verb {
        Verb::List { kind, json } => {
            list(options, &of_kind(kind)?, &|id| Ok(history.get(id)?), *json)?;
        }
        Verb::Show { id } => crate::out!("{}", history.get(id)?.trim_end()),
        Verb::Export { kind } => {
            for entry in of_kind(kind)? {
                let value: serde_json::Value = serde_json::from_str(&history.get(&entry.id)?)?;
                crate::out!("{value}");
            }
        }
    }
    Ok(OK)
}

fn list(
    options: &Options,
    entries: &[outpace_repo::Entry],
    get: &dyn Fn(&str) -> Result<String>,
    json: bool,
) -> Result<()> {
    let mut screen = Screen::new(options);
    if entries.is_empty() {
        screen.say(
            "history",
            "empty. Hint: `outpace bench` records a run, `outpace gate` a verdict",
        );
    }
    for entry in entries {
        if json {
            crate::out!(
                "{}",
                serde_json::json!({"id": entry.id, "kind": entry.kind, "date": entry.date})
            );
            continue;
        }
        let value: serde_json::Value = serde_json::from_str(&get(&entry.id)?)?;
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
        let what = outpace_record::plain(&what, 100);
        screen.result(&format!(
            "{}  {}  {:<8} {what}",
            entry.date,
            &entry.id[..entry.id.len().min(12)],
            entry.kind
        ));
    }
    Ok(())
}
