//! One file a verb.

pub(crate) mod audit;
pub(crate) mod baseline;
pub(crate) mod bench;
pub(crate) mod bisect;
pub(crate) mod ci;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod gate;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod judge;
pub(crate) mod man;
pub(crate) mod regressions;
pub(crate) mod report;
pub(crate) mod reproduce;
pub(crate) mod research;
pub(crate) mod schema;

use anyhow::Result;
use clap::CommandFactory as _;

use crate::cli::{Cli, Verb};

/// Runs a verb; the exit code, or an error that knows its own.
pub(crate) fn run(cli: Cli) -> Result<u8> {
    let options = cli.options;
    match cli.verb {
        Verb::Init(args) => init::run(&options, &args),
        Verb::Doctor(args) => doctor::run(&options, &args),
        Verb::Bench(args) => bench::run(&options, &args),
        Verb::Bisect(args) => bisect::run(&options, &args),
        Verb::Compare(args) => compare::run(&options, &args),
        Verb::Gate(args) => gate::run(&options, &args),
        Verb::Research(args) => research::run(&options, &args),
        Verb::Regressions(args) => regressions::run(&options, &args),
        Verb::Reproduce(args) => reproduce::run(&options, &args),
        Verb::Report(args) => report::run(&options, &args),
        Verb::Judge(args) => judge::run(&options, &args),
        Verb::History(args) => history::run(&options, &args),
        Verb::Baseline(args) => baseline::run(&options, &args),
        Verb::Ci(args) => ci::run(&options, &args),
        Verb::Audit(args) => audit::run(&options, &args),
        Verb::Schema(args) => schema::run(&args),
        Verb::Completions(args) => completions::run(&args, Cli::command()),
        Verb::Man(args) => man::run(&args, Cli::command()),
    }
}
