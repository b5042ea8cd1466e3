//! `outpace baseline`.

use anyhow::Result;
use outpace_record::{Baselines, Document, plain};
use outpace_report::format::{count, gain};

use crate::exit::OK;
use crate::options::Options;
use crate::page;
use crate::screen::Terminal;
use crate::setup::open_repo;
use outpace_text::short;
use outpace_trial::machine;

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
        /// Revision that holds them.
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
    let mut baselines = page::baselines(&repo, &commit.tree)?;
    let class = machine().class();
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
        ui.say(
            "baseline",
            &format!(
                "none in {}. Hint: the first proven merge writes one",
                short(&commit.id)
            ),
        );
    }
    for b in &baselines {
        let here = if b.machine_class == class {
            "  (this machine)"
        } else {
            ""
        };
        ui.result(&format!(
            "{}  {}{here}",
            plain(&b.workload, 60),
            plain(&b.machine_class, 80)
        ));
        let (merges, since) = (b.merges, short(&b.anchor.commit));
        let from = count(b.anchor.tokens_per_s);
        ui.result(&format!(
            "    {} tokens/s   {} since {since} ({from} tokens/s), proven at least {}, {merges} merged   {}   proof {}",
            count(b.tokens_per_s), gain(b.speedup), gain(b.at_least), b.updated.date(), short(&b.verdict)
        ));
    }
    Ok(OK)
}
