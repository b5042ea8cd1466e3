//! `outpace history export`: JSON lines of whole records, or the points of all series as a table.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use outpace_repo::Repo;

use super::{KINDS, table};
use crate::exit::usage;
use crate::tracking;

/// What to write, and where.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this kind; JSON lines only.
    #[arg(long, value_parser = KINDS)]
    kind: Option<String>,
    /// JSON lines hold whole records; the tables hold a row for each measured commit.
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
    /// File to write to. Default: stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
    Parquet,
}

pub(super) fn run(repo: &Repo, args: &Args) -> Result<()> {
    if args.format != Format::Jsonl && args.kind.is_some() {
        return Err(usage(
            "--kind chooses among JSON lines; a table has the measured commits",
        ));
    }
    if args.format == Format::Parquet && args.out.is_none() {
        return Err(usage(
            "--format parquet writes a file. Hint: name it with --out FILE",
        ));
    }
    let Some(path) = &args.out else {
        return match args.format {
            Format::Jsonl => json_lines(repo, args, &mut print_line),
            _ => {
                crate::out!("{}", table::csv(&tracking::points(repo)?).trim_end());
                Ok(())
            }
        };
    };
    let name = path.display().to_string();
    let cannot = || format!("cannot write {name}");
    let mut file = io::BufWriter::new(File::create(path).with_context(cannot)?);
    match args.format {
        Format::Jsonl => json_lines(repo, args, &mut |line| {
            writeln!(file, "{line}").with_context(cannot)
        })?,
        Format::Csv => {
            let text = table::csv(&tracking::points(repo)?);
            file.write_all(text.as_bytes()).with_context(cannot)?;
        }
        Format::Parquet => table::parquet(&tracking::points(repo)?, &mut file)?,
    }
    file.flush().with_context(cannot)
}

fn print_line(line: &str) -> Result<()> {
    crate::out!("{line}");
    Ok(())
}

fn json_lines(repo: &Repo, args: &Args, line: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    let history = repo.history();
    for day in history.days(args.kind.as_deref())? {
        for (_, json) in history.read(&day)? {
            let value: serde_json::Value = serde_json::from_str(&json)?;
            line(&value.to_string())?;
        }
    }
    Ok(())
}
