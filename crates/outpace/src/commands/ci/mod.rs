//! `outpace ci`: the steps of a job in GitHub Actions. What GitHub shows is decided here and not in
//! a workflow's shell, where a name could become a command.

mod gate;
mod issue;
mod publish;
mod pull_request;

use anyhow::Result;
use clap::Subcommand;
use outpace_github::{Error, GitHub};

use crate::exit::{environment, usage};
use crate::options::Options;

/// Steps of a job in GitHub Actions: measure, publish, open an issue or a pull request.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
`outpace init --ci github` writes workflows that use these.

Example:
  outpace ci gate --out result
  outpace ci publish result")]
pub(crate) struct Args {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    Gate(gate::Args),
    Publish(publish::Args),
    Issue(issue::Args),
    PullRequest(pull_request::Args),
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    match &args.step {
        Step::Gate(args) => gate::run(options, args),
        Step::Publish(args) => publish::run(options, args),
        Step::Issue(args) => issue::run(options, args),
        Step::PullRequest(args) => pull_request::run(options, args),
    }
}

fn github() -> Result<GitHub> {
    GitHub::from_env().map_err(failed)
}

/// A job's environment is the user's to set; a refusal is the service's.
fn failed(error: Error) -> anyhow::Error {
    match error {
        Error::NoVariable(_) | Error::BadVariable { .. } | Error::Event(_) => {
            usage(error.to_string())
        }
        Error::Refused { .. } | Error::Unreachable { .. } => environment(error.to_string()),
    }
}
