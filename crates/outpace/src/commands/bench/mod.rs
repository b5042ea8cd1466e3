//! `outpace bench`: measures revisions beside the anchor of their series and appends them to the
//! history.

mod anchor;
mod backfill;
mod run;
mod show;
mod tally;

use anyhow::Result;
use clap::builder::RangedU64ValueParser;
use outpace_gate::Harness;
use outpace_record::Config;
use outpace_repo::{Commit, Repo};
use outpace_text::{counted, short};
use outpace_track::Selection;

use crate::exit::{OK, usage};
use crate::options::{Measuring, Options};
use crate::setup::{VERSION, config_for, context, lock, open_repo, workloads};
use crate::ui::Terminal;
use backfill::{Backfill, Blocks};

/// Measure a revision, or each commit of A..B, beside the anchor of its series; append the runs to
/// the history.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  outpace bench
  outpace bench --last 30
  outpace bench v1.2..main --last 30
  outpace bench v1.0..v1.2 --every 5 --config main -w gpt-nano --json

A series is the history of a workload on a machine class. Every commit is measured beside the
anchor of its series in the same job, and the ratio of the two is stored with its bounds: times of
different jobs cannot be compared. Of a range, commits that are in the history already are skipped,
and one whose artefact was measured already is not timed again; a commit that does not build is
recorded and passed over. After Ctrl-C or a kill the same command goes on.")]
pub(crate) struct Args {
    /// Revision to measure, or a range A..B: the first parents of B that A does not reach.
    #[arg(default_value = "HEAD")]
    rev: String,
    #[command(flatten)]
    measuring: Measuring,
    /// Blocks of each commit, a fresh process of the anchor and one of the commit in each.
    #[arg(long, alias = "processes", default_value_t = 8, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    blocks: usize,
    /// Of a range, or of all commits that lead to a revision, only each N-th, counted back from the
    /// newest.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    every: Option<usize>,
    /// Of a range, or of all commits that lead to a revision, only the newest N (of those that
    /// `--every` leaves).
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    last: Option<usize>,
    /// Everything of the range that is not in the history, also what failed before; of a single
    /// revision, nothing if it is there.
    #[arg(long)]
    missing: bool,
    /// Revision that the others are measured beside. Default: that of the series, or the first
    /// commit that is measured.
    #[arg(long, value_name = "REV")]
    anchor: Option<String>,
    /// Use this outpace.toml (a file, or that of a revision) for all commits. Default: that of the
    /// newest one.
    #[arg(long, value_name = "REV|FILE")]
    config: Option<String>,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let repo = open_repo(options)?;
    let commits = commits(&repo, args)?;
    let newest = commits.last().ok_or_else(|| nothing(&repo, args))?;
    let config = config_for(&repo, args.config.as_deref(), newest)?;
    let context = context(options)?;
    let mut ui = Terminal::new(options).for_json(args.measuring.json);
    introduce(args, &commits, &config, &mut ui);
    let _lock = lock(&repo, &context, &mut ui)?;
    let names = workloads(&config, &args.measuring.workloads)?;
    let harness = Harness::new(&repo, &config, &context, VERSION);
    let blocks = Blocks {
        n: args.blocks,
        alpha: config.gate.alpha,
        // A single revision that was asked for by name is timed, whatever is known of it, and its
        // failure is an error.
        range: is_range(args),
        seed: args.measuring.seed,
    };
    let anchor = args.anchor.as_deref().map(|rev| repo.resolve(rev));
    let mut backfill = Backfill::new(&repo, harness, blocks, anchor.transpose()?)?;
    for name in &names {
        backfill.begin(name, &commits, &selection(args), skips(args), &mut ui)?;
    }
    backfill.run(
        &commits,
        &mut |run, ui| {
            match (args.measuring.json, is_range(args)) {
                (true, _) => crate::out!("{}", serde_json::to_string(run)?),
                (false, range) => show::run(&repo, run, range, ui)?,
            }
            Ok(())
        },
        &mut ui,
    )?;
    ui.clear();
    show::end(backfill.tally, is_range(args), &mut ui);
    Ok(OK)
}

/// `--every` and `--last` choose among several commits: of one revision, among those that lead to
/// it.
fn is_range(args: &Args) -> bool {
    args.rev.contains("..") || args.every.is_some() || args.last.is_some()
}

/// Whether what is in the history is left alone.
fn skips(args: &Args) -> bool {
    is_range(args) || args.missing
}

fn selection(args: &Args) -> Selection {
    Selection {
        every: args.every,
        last: args.last,
        failed_too: args.missing || !is_range(args),
    }
}

fn commits(repo: &Repo, args: &Args) -> Result<Vec<Commit>> {
    Ok(match is_range(args) {
        true => repo.commits(&args.rev)?,
        false => vec![repo.resolve(&args.rev)?],
    })
}

fn nothing(repo: &Repo, args: &Args) -> anyhow::Error {
    let shallow = match repo.is_shallow() {
        true => " in this shallow clone. Hint: `git fetch --unshallow`",
        false => "",
    };
    usage(format!("there is no commit in {}{shallow}", args.rev))
}

fn introduce(args: &Args, commits: &[Commit], config: &Config, ui: &mut Terminal) {
    let [.., newest] = commits else { return };
    if !is_range(args) {
        ui.revision("commit", newest);
        return;
    }
    ui.say(
        "range",
        &format!("{}   {}", args.rev, counted(commits.len(), "commit")),
    );
    let from = match &args.config {
        Some(from) => from.clone(),
        None => short(&newest.id).to_owned(),
    };
    let workloads = counted(config.workload.len(), "workload");
    ui.say(
        "config",
        &format!("outpace.toml of {from} for all commits: {workloads}"),
    );
}
