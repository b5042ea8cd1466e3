//! `outpace ci issue`: one open issue for regressions, updated every night and closed when none is
//! left.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use outpace_record::{Document, Regressions};

use super::{failed, github};
use crate::exit::{OK, usage};
use crate::options::Options;
use crate::ui::Terminal;

/// First line of the issue, and its label.
const MARKER: &str = "<!-- outpace: regressions -->";
const LABEL: &str = "outpace";

/// Open, update or close the one issue about regressions.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It needs a job with `issues: write`.

Example:
  outpace regressions --json > regressions.json
  outpace report --nightly --format markdown > night.md
  outpace ci issue regressions.json --body night.md")]
pub(crate) struct Args {
    /// What `outpace regressions --json` printed.
    regressions: PathBuf,
    /// Markdown for the issue's text.
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let found = Regressions::from_json(&read(&args.regressions)?).map_err(|error| {
        usage(format!(
            "{} is no list of regressions: {error}",
            args.regressions.display()
        ))
    })?;
    let text = read(&args.body)?;
    let title = match found.alarms {
        1 => "Training became slower: 1 regression".to_owned(),
        n => format!("Training became slower: {n} regressions"),
    };
    let body = (found.alarms > 0).then_some(text.as_str());
    let placed = github()?
        .issue(MARKER, LABEL, &title, body)
        .map_err(failed)?;
    Terminal::new(options).say("issue", placed.as_str());
    Ok(OK)
}
