//! `outpace history`: the record store.

mod export;
mod import;
mod list;
mod prune;
mod show;
mod sync;
mod table;

use anyhow::Result;

use crate::exit::OK;
use crate::options::Options;
use crate::setup::open_repo;

/// List, show, exchange, export and prune the records under refs/outpace/history.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  outpace history list --kind verdict\n  outpace history pull && outpace history push\n  outpace history export --format csv > runs.csv"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// Kinds of records.
const KINDS: [&str; 11] = [
    "run",
    "verdict",
    "attempt",
    "failure",
    "change",
    "bisection",
    "blessing",
    "imported",
    "baseline-check",
    "test",
    "test-result",
];

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// One line a record, oldest day first.
    #[command(after_help = "Example:\n  outpace history list --kind run")]
    List {
        /// Only this kind.
        #[arg(long, value_parser = KINDS)]
        kind: Option<String>,
        /// Print JSON lines.
        #[arg(long)]
        json: bool,
    },
    /// Print one record; of a verdict, also how it was reached over several runs.
    #[command(
        after_help = "Example:\n  outpace history show 4d2e7aa\n\nThe record goes to stdout, the runs to stderr."
    )]
    Show {
        /// Its id, or the first digits of it.
        id: String,
    },
    /// Print all records as JSON lines, or the runs as a table.
    #[command(
        after_help = "Example:\n  outpace history export --kind run > runs.jsonl\n  outpace history export --format parquet --out runs.parquet"
    )]
    Export(export::Args),
    /// Add the results of another tool, or an export of outpace.
    #[command(
        after_help = "Example:\n  outpace history import runs.jsonl\n  outpace history import target/criterion --commit HEAD\n  outpace history import results.json --format hyperfine --commit v1.2\n\nFormats: outpace's own JSON lines, criterion, hyperfine, pytest-benchmark, google-benchmark,\ngithub-action-benchmark (data.js). Their figures are of different jobs: changes in them are found,\nand cannot be proven."
    )]
    Import(import::Args),
    /// Add a remote's records to this history.
    #[command(
        after_help = "Example:\n  outpace history pull\n  outpace history pull https://example.org/team/repo.git\n\nBoth sides' records are kept. git fetches, with your credentials."
    )]
    Pull(sync::Args),
    /// Add a remote's records to this history, and this history to the remote.
    #[command(
        after_help = "Example:\n  outpace history push\n\nBoth sides' records are kept, whoever else pushes at the same time. git pushes, with your\ncredentials."
    )]
    Push(sync::Args),
    /// Take the raw samples out of old records; what follows from them stays.
    #[command(
        after_help = "Example:\n  outpace history prune --dry-run\n  outpace history prune --older-than 180\n\nProven verdicts and merged attempts keep their samples. `git gc --prune=now` frees the space.\nOther clones drop the same samples when they pull."
    )]
    Prune(prune::Args),
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let repo = open_repo(options)?;
    let history = repo.history();
    match &args.verb {
        Verb::List { kind, json: true } => list::names(&history, kind.as_deref())?,
        Verb::List { kind, .. } => list::lines(options, &history, kind.as_deref())?,
        Verb::Show { id } => show::run(options, &history, id)?,
        Verb::Export(args) => export::run(&repo, args)?,
        Verb::Import(args) => import::run(options, &repo, args)?,
        Verb::Pull(args) => sync::pull(options, &repo, args)?,
        Verb::Push(args) => sync::push(options, &repo, args)?,
        Verb::Prune(args) => prune::run(options, &repo, args)?,
    }
    Ok(OK)
}
