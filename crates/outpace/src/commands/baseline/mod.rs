//! `outpace baseline`: the baselines that proven merges have written.

mod check;

use anyhow::Result;
use outpace_gate::machine_of;
use outpace_record::{Baseline, Baselines, Document};
use outpace_report::format::{count, gain};
use outpace_text::{plain, short};
use outpace_trial::machine;

use crate::exit::OK;
use crate::options::Options;
use crate::report_data;
use crate::setup::{config_of, open_repo};
use crate::ui::Terminal;

/// Show the stored baselines, or check whether their gains are still there.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  outpace baseline show\n  outpace baseline show --rev outpace/main --json"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show the baselines of a revision, this machine's first.
    #[command(after_help = "Example:\n  outpace baseline show --rev outpace/main")]
    Show {
        /// Revision to read them from.
        #[arg(long, default_value = "HEAD")]
        rev: String,
        /// Print them as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Measure the accepted revision beside the anchor of its baseline: is the proven gain still
    /// there?
    #[command(after_help = "\
Example:
  outpace baseline check

A baseline is stale when the gain since the anchor is proven to be less than half of what was proven
when it was written. Gates on this machine class then end with 5.

Exit codes: 0 all hold, 5 one is stale, or there is none for this class, 2 usage, 130 interrupted.")]
    Check(check::Args),
    /// Accept what the last check found: gates go on.
    #[command(after_help = "Example:\n  outpace baseline accept -w gpt-nano")]
    Accept(check::Args),
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let (rev, json) = match &args.verb {
        Verb::Check(args) => return check::check(options, args),
        Verb::Accept(args) => return check::accept(options, args),
        Verb::Show { rev, json } => (rev, json),
    };
    let repo = open_repo(options)?;
    let commit = repo.resolve(rev)?;
    let mut baselines = report_data::baselines(&repo, &commit.tree)?;
    // A commit without a configuration has no name for the class either.
    let class = match config_of(&repo, &commit) {
        Ok(config) => machine_of(&config).class(),
        Err(_) => machine().class(),
    };
    baselines.sort_by_key(|b| {
        (
            b.machine_class != class,
            b.machine_class.clone(),
            b.workload.clone(),
        )
    });
    if *json {
        let document = Baselines {
            schema: Baselines::SCHEMA.into(),
            machine_class: class,
            baselines,
        };
        crate::out!("{}", serde_json::to_string(&document)?);
        return Ok(OK);
    }
    let mut ui = Terminal::new(options);
    if baselines.is_empty() {
        let id = short(&commit.id);
        let none = format!("none in {id}. Hint: the first proven merge writes one");
        ui.say("baseline", &none);
    }
    for baseline in &baselines {
        ui.result(&heading(baseline, &class));
        ui.result(&figures(baseline));
    }
    Ok(OK)
}

fn heading(baseline: &Baseline, class: &str) -> String {
    let here = if baseline.machine_class == class {
        "  (this machine)"
    } else {
        ""
    };
    let workload = plain(&baseline.workload, 60);
    let class = plain(&baseline.machine_class, 80);
    format!("{workload}  {class}{here}")
}

fn figures(baseline: &Baseline) -> String {
    let anchor = &baseline.anchor;
    format!(
        "    {} tokens/s   {} since {} ({} tokens/s), proven at least {}, {} merged   {}   proof {}",
        count(baseline.tokens_per_s),
        gain(baseline.speedup),
        short(&anchor.commit),
        count(anchor.tokens_per_s),
        gain(baseline.at_least),
        baseline.merges,
        baseline.updated.date(),
        short(&baseline.verdict)
    )
}
