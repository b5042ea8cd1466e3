//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::{
    audit, baseline, bench, bisect, ci, compare, completions, doctor, gate, history, init, judge,
    man, regressions, report, reproduce, research, schema,
};
use crate::options::Options;

/// Merges a change to model-training code only when it is proven faster.
#[derive(Debug, Parser)]
#[command(name = "outpace", version, propagate_version = true, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const EXIT_CODES: &str = "\
Example:
  outpace research --agent tune --budget 10m

Exit codes:
  0    done; for gate and compare: faster
  1    not_proven or same
  2    usage or configuration error
  3    slower; for regressions: one that nobody has accepted
  4    rejected: outside policy, does not apply or build, wrong results; audit failed
  5    the environment cannot be trusted: the base does not build or run, other machine class, disk full
  130  interrupted; what a gate or a campaign has measured so far is kept";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Init(init::Args),
    Doctor(doctor::Args),
    Bench(bench::Args),
    Regressions(regressions::Args),
    Bisect(bisect::Args),
    Compare(compare::Args),
    Gate(gate::Args),
    Research(research::Args),
    Report(report::Args),
    Judge(judge::Args),
    Reproduce(reproduce::Args),
    History(history::Args),
    Baseline(baseline::Args),
    Audit(audit::Args),
    Ci(ci::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    Man(man::Args),
}
