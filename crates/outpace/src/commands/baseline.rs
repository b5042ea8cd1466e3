//! `outpace baseline`: the baselines that proven merges have written.

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

/// Show the stored baselines.
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
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let Verb::Show { rev, json } = &args.verb;
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
