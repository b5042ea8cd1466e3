//! `outpace ci publish`: one comment and one check for what a measuring job left, which may be
//! hostile.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use outpace_github::{Conclusion, Event, Shown, WorkflowRun, read_result, shown};
use outpace_record::GateConfig;

use super::{failed, github};
use crate::exit::{OK, usage};
use crate::options::Options;
use crate::report_data;
use crate::setup::{config_of, open_repo};
use crate::ui::Terminal;

/// First line of the comment.
const MARKER: &str = "<!-- outpace: result -->";

/// Publish the result of a measuring job: one comment that is updated, and a check.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It runs for the event `workflow_run`, in a job with `pull-requests: write` and `checks: write`. The
pull request is found by the event, never by the artifact, and every verdict is judged again from
its samples. The check fails only for a change that is proven slower or refused.")]
pub(crate) struct Args {
    /// Folder that the artifact was unpacked to.
    folder: PathBuf,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let event = Event::from_env().map_err(failed)?;
    let Some(run) = event.workflow_run else {
        return Err(usage(format!(
            "the event `{}` has no `workflow_run`, which this step is about",
            event.name
        )));
    };
    let mut ui = Terminal::new(options);
    let github = github()?;
    let Some(number) = github.pull_of(&run).map_err(failed)? else {
        ui.say(
            "publish",
            "no open pull request has this commit as its head: nothing to say",
        );
        return Ok(OK);
    };
    let repo = open_repo(options)?;
    let gate = config_of(&repo, &repo.resolve("HEAD")?)
        .map_or_else(|_| GateConfig::default(), |config| config.gate);
    let shown = match read_result(&args.folder) {
        Ok(result) => shown(&result, &gate),
        Err(refused) => unreadable(&refused.to_string()),
    };
    let details = report_data::of_verdicts(&repo, shown.verdicts.clone());
    let body = body(&shown, &run, &outpace_report::markdown(&details));
    let placed = github.comment(number, MARKER, &body).map_err(failed)?;
    github
        .check(&run.head_sha, shown.conclusion, &shown.headline, &body)
        .map_err(failed)?;
    ui.say(
        "publish",
        &format!(
            "pull request {number}: comment {}, check {}",
            placed.as_str(),
            shown.conclusion.as_str()
        ),
    );
    Ok(OK)
}

fn unreadable(why: &str) -> Shown {
    Shown {
        conclusion: Conclusion::Neutral,
        headline: "There is no result that can be read; the run's log says why.".into(),
        verdicts: Vec::new(),
        faults: vec![why.to_owned()],
    }
}

/// The text of both. What is not ours is escaped by the report.
fn body(shown: &Shown, run: &WorkflowRun, details: &str) -> String {
    let commit = &run.head_sha;
    let mut body = format!("**{}**\n\nCommit {commit}", shown.headline);
    if let Some(url) = run_url(run) {
        let _ = write!(body, " · [log and samples]({url})");
    }
    body.push_str("\n\n");
    for fault in &shown.faults {
        let _ = writeln!(body, "- {}", outpace_report::markdown_cell(fault, 300));
    }
    if !shown.verdicts.is_empty() {
        body.push('\n');
        body.push_str(details);
    }
    body
}

/// The run's page: of numbers and the job's own environment.
fn run_url(run: &WorkflowRun) -> Option<String> {
    let server = std::env::var("GITHUB_SERVER_URL").ok()?;
    let repository = std::env::var("GITHUB_REPOSITORY").ok()?;
    Some(format!("{server}/{repository}/actions/runs/{}", run.id))
}
