//! `outpace report`: a campaign or the history, plotted.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use outpace_report::Formats;
use outpace_research::CampaignStore;

use crate::commands::research::report_dir;
use crate::exit::{OK, usage};
use crate::options::Options;
use crate::page;
use crate::screen::Terminal;
use crate::setup::open_repo;

/// Write a report: self-contained HTML with plots, Markdown for job summaries, JSON, PNG.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  outpace report
  outpace report --campaign 20260519-083000 --out /tmp/report --png
  outpace report --format markdown >> \"$GITHUB_STEP_SUMMARY\"")]
pub(crate) struct Args {
    /// Campaign to show. Default: the newest; without any, the history alone.
    #[arg(long, value_name = "ID")]
    campaign: Option<String>,
    /// Show the history only.
    #[arg(long, conflicts_with = "campaign")]
    history: bool,
    /// Folder to write to.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What to write. Markdown and JSON go to stdout unless --out is given.
    #[arg(long, value_enum, default_value = "html")]
    format: Format,
    /// Write PNG pictures too.
    #[arg(long)]
    png: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Html,
    Markdown,
    Json,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    if args.png && args.out.is_none() && args.format != Format::Html {
        return Err(usage("--png writes files. Hint: name a folder with --out"));
    }
    let repo = open_repo(options)?;
    let store = CampaignStore::new(&repo.state_dir());
    let known = store.list()?;
    let id = match (&args.campaign, args.history) {
        (_, true) => None,
        (Some(id), _) if known.contains(id) => Some(id.clone()),
        (Some(id), _) => {
            let hint = if known.is_empty() {
                "there is none yet".to_owned()
            } else {
                format!("known: {}", known.join(", "))
            };
            return Err(usage(format!("there is no campaign `{id}`. Hint: {hint}")));
        }
        (None, false) => known.last().cloned(),
    };
    let campaign = id
        .as_ref()
        .map(|id| Ok::<_, anyhow::Error>((store.campaign(id)?, store.attempts(id)?)))
        .transpose()?;
    let data = page::gather(&repo, campaign)?;
    if args.out.is_none() && args.format != Format::Html {
        let text = if args.format == Format::Markdown {
            outpace_report::markdown(&data)
        } else {
            outpace_report::json(&data)
        };
        crate::out!("{text}");
        return Ok(OK);
    }
    let formats = Formats {
        html: args.format == Format::Html,
        markdown: args.format == Format::Markdown,
        json: args.format == Format::Json,
        png: args.png,
    };
    let dir = report_dir(&repo, args.out.clone(), id.as_deref().unwrap_or("history"));
    let mut ui = Terminal::new(options);
    for path in page::write(&dir, &data, &formats)? {
        ui.result(&path.display().to_string());
    }
    Ok(OK)
}
