//! `outpace report`: plots a campaign or the history.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use outpace_record::{Attempt, Campaign};
use outpace_repo::Repo;
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
  outpace report --format markdown >> \"$GITHUB_STEP_SUMMARY\"
  outpace report --nightly --out site --commits https://example.org/team/repo")]
pub(crate) struct Args {
    /// Campaign to show. Default: the newest; if there is none, the history alone.
    #[arg(long, value_name = "ID")]
    campaign: Option<String>,
    /// Show the history only.
    #[arg(long, conflicts_with = "campaign")]
    history: bool,
    /// The nightly page: all series of a branch at a glance and a page for each, as a folder of
    /// static files.
    #[arg(long, conflicts_with_all = ["campaign", "history", "png"])]
    nightly: bool,
    /// Branch of the nightly page: its first parents are the series.
    #[arg(long, default_value = "HEAD", value_name = "REV", requires = "nightly")]
    branch: String,
    /// Address of the repository on the web, for links to commits (ADDRESS/commit/ID).
    #[arg(long, value_name = "ADDRESS", requires = "nightly")]
    commits: Option<String>,
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
    if args.nightly {
        return nightly(options, &repo, args);
    }
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

fn nightly(options: &Options, repo: &Repo, args: &Args) -> Result<u8> {
    let night = report_data::night(repo, &args.branch, args.commits.clone())?;
    match (args.format, &args.out) {
        (Format::Json, _) => Err(usage(
            "the nightly page is HTML or Markdown. Hint: `outpace regressions --known --json`",
        )),
        (Format::Markdown, None) => {
            crate::out!("{}", outpace_report::nightly_markdown(&night).trim_end());
            Ok(OK)
        }
        (Format::Markdown, Some(_)) => Err(usage("--format markdown writes to stdout")),
        (Format::Html, out) => {
            let dir = report_dir(repo, out.clone(), "nightly");
            let paths = outpace_report::write_nightly(&dir, &night)?;
            let mut ui = Terminal::new(options);
            let series = night.series.len();
            ui.say(
                "written",
                &format!("{} files, {series} series", paths.len()),
            );
            ui.result(&dir.join("index.html").display().to_string());
            Ok(OK)
        }
    }
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
