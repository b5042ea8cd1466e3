//! Options that several verbs share.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Options of every verb.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Run as if started in this folder.
    #[arg(short = 'C', long, value_name = "DIR", global = true)]
    pub(crate) directory: Option<PathBuf>,
    /// No progress and no talk, results only.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// When to use colour; NO_COLOR is respected.
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        value_name = "WHEN",
        global = true
    )]
    pub(crate) color: When,
    /// How progress is shown on stderr.
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        value_name = "HOW",
        global = true
    )]
    pub(crate) progress: ProgressMode,
    /// Run programs of a revision with your files and network in their reach.
    #[arg(long, global = true)]
    pub(crate) unsafe_no_sandbox: bool,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// A live line on a terminal, plain lines elsewhere.
    Auto,
    /// A line when a stage begins and when it ends, and one a minute.
    Plain,
    /// Every event as a line of JSON (`outpace schema event`).
    Json,
    /// Not at all; other talk stays.
    None,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Options {
    /// Whether to paint what goes to a stream.
    pub(crate) fn paints(&self, is_terminal: bool) -> bool {
        let is = |name: &str, bad: fn(&OsStr) -> bool| {
            std::env::var_os(name).is_some_and(|value| bad(&value))
        };
        let forbidden = is("NO_COLOR", |v| !v.is_empty()) || is("TERM", |v| v == "dumb");
        match self.color {
            When::Always => true,
            When::Never => false,
            When::Auto => is_terminal && !forbidden,
        }
    }

    /// The folder to work in; `main` has gone to `directory` before.
    pub(crate) fn folder(&self) -> PathBuf {
        PathBuf::from(".")
    }
}

/// Options of every verb that measures or judges.
#[derive(Debug, Clone, Args)]
pub(crate) struct Measuring {
    /// Print the result as JSON on stdout, and nothing else there.
    #[arg(long)]
    pub(crate) json: bool,
    /// Workload to use; can be given several times. Default: `[gate] workloads`, or all.
    #[arg(short, long = "workload", value_name = "NAME")]
    pub(crate) workloads: Vec<String>,
    /// Replay a recorded seed: all orders and workload seeds are drawn from it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..1 << 53))]
    pub(crate) seed: Option<u64>,
}

impl Measuring {
    /// The seed: the given one, or a fresh one that nobody could know before.
    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(fresh_seed)
    }
}

/// A seed that nobody could know before; below 2^53, so that every JSON reader keeps it exactly.
pub(crate) fn fresh_seed() -> u64 {
    rand::random::<u64>() >> 11
}
