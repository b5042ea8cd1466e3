//! `outpace report`: plots a campaign or the history.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use outpace_record::{Attempt, Campaign};
use outpace_report::{Formats, ReportData};
use outpace_research::CampaignStore;

use crate::commands::research::report_dir;
use crate::exit::{OK, usage};
use crate::options::Options;
use crate::report_data;
use crate::setup::open_repo;
use crate::ui::Terminal;

/// Write a report: self-contained HTML with plots, Markdown for job summaries, JSON, PNG.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  outpace report
  outpace report --campaign 20260519-083000 --out /tmp/report --png
  outpace report --format markdown >> \"$GITHUB_STEP_SUMMARY\"")]
pub(crate) struct Args {
    /// Campaign to show. Default: the newest; if there is none, the history alone.
    #[arg(long, value_name = "ID")]
    campaign: Option<String>,
    /// Show the history only.
    #[arg(long, conflicts_with = "campaign")]
    history: bool,
    /// Directory to write to.
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
        return Err(usage(
            "--png writes files. Hint: name a directory with --out",
        ));
    }
    let repo = open_repo(options)?;
    let store = CampaignStore::new(&repo.state_dir());
    let id = campaign_id(args, &store.list()?)?;
    let campaign = id.as_ref().map(|id| load(&store, id)).transpose()?;
    let data = report_data::gather(&repo, campaign)?;
    if let (None, Some(text)) = (&args.out, as_text(&data, args.format)) {
        crate::out!("{text}");
        return Ok(OK);
    }
    let dir = report_dir(&repo, args.out.clone(), id.as_deref().unwrap_or("history"));
    let mut ui = Terminal::new(options);
    for path in report_data::write(&dir, &data, &formats(args))? {
        ui.result(&path.display().to_string());
    }
    Ok(OK)
}

/// The campaign that was asked for, or the newest; none for the history alone.
fn campaign_id(args: &Args, known: &[String]) -> Result<Option<String>> {
    if args.history {
        return Ok(None);
    }
    let Some(id) = &args.campaign else {
        return Ok(known.last().cloned());
    };
    if known.contains(id) {
        return Ok(Some(id.clone()));
    }
    let hint = if known.is_empty() {
        "start one with `outpace research --agent NAME`".to_owned()
    } else {
        format!("available: {}", known.join(", "))
    };
    Err(usage(format!("there is no campaign `{id}`. Hint: {hint}")))
}

fn load(store: &CampaignStore, id: &str) -> Result<(Campaign, Vec<Attempt>)> {
    Ok((store.campaign(id)?, store.attempts(id)?))
}

/// What goes to stdout when no directory is named; HTML always goes to files.
fn as_text(data: &ReportData, format: Format) -> Option<String> {
    match format {
        Format::Html => None,
        Format::Markdown => Some(outpace_report::markdown(data)),
        Format::Json => Some(outpace_report::json(data)),
    }
}

fn formats(args: &Args) -> Formats {
    Formats {
        html: args.format == Format::Html,
        markdown: args.format == Format::Markdown,
        json: args.format == Format::Json,
        png: args.png,
    }
}
