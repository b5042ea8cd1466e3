//! `outpace research`: the campaign.

mod begin;
mod show;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use outpace_gate::Harness;
use outpace_record::{CampaignState, parse_duration};
use outpace_research::{CampaignStore, Ledger, Parties, run_campaign};

use crate::exit::{INTERRUPTED, OK};
use crate::options::{Measuring, Options};
use crate::setup::{VERSION, context, lock, open_repo, warn_of_changes};
use crate::ui::Terminal;

pub(crate) use show::report_dir;

/// Run a campaign: propose, gate, merge, again, under one error budget.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  outpace research --agent tune --budget 10m
  outpace research --agent claude --max-experiments 50 --into outpace/night
  outpace research --agent replay --patches v1.0..main
  outpace research --resume

Proven patches are merged into a branch of their own; your files and your index are not touched.
Ctrl-C stops it; finished attempts are kept, and --resume continues. The share of false merges stays
below [gate] fdr for any number of attempts.")]
pub(crate) struct Args {
    /// Who proposes: `tune`, `replay`, or an [agent.NAME] of outpace.toml.
    #[arg(long, required_unless_present = "resume")]
    pub(super) agent: Option<String>,
    /// Time for attempts, like 30m or 8h; the first build does not count.
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub(super) budget: Option<Duration>,
    /// Most attempts.
    #[arg(long, value_name = "N")]
    pub(super) max_experiments: Option<usize>,
    /// What `replay` proposes again: commits A..B, beginning from A, or a directory of *.patch
    /// files, beginning from HEAD.
    #[arg(long, value_name = "RANGE|DIR", conflicts_with = "resume")]
    pub(super) patches: Option<String>,
    /// Branch to merge into. Default: outpace/BRANCH, beside the branch that is checked out; for
    /// `replay` a new branch outpace/replay-CAMPAIGN.
    #[arg(long, value_name = "BRANCH")]
    pub(super) into: Option<String>,
    /// Resume the last campaign that is not finished; --budget and --max-experiments replace its
    /// limits.
    #[arg(long, conflicts_with_all = ["agent", "into", "workloads", "seed"])]
    pub(super) resume: bool,
    /// Directory for the report. Default: reports/CAMPAIGN where git ignores that, or below .git.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) measuring: Measuring,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let repo = open_repo(options)?;
    let mut ui = Terminal::new(options).for_json(args.measuring.json);
    let context = context(options)?;
    // Before anything is read: another campaign may be writing it.
    let _lock = lock(&repo, &context, &mut ui)?;
    let store = CampaignStore::new(&repo.state_dir());
    let plan = begin::plan(&repo, &store, args, &mut ui)?;
    warn_of_changes(&repo, &mut ui)?;
    let mut agent = plan.agent(&repo, &context)?;
    agent.check(&repo, &plan.base.tree, &plan.config)?;
    let mut harness = Harness::new(&repo, &plan.config, &context, VERSION);
    let (mut campaign, attempts) = plan.campaign(&harness, args);
    let dir = store.open(&campaign.id)?;
    begin::prepare(&mut harness, &mut campaign, &plan.base, &dir, &mut ui)?;
    show::introduce(&mut ui, &campaign, &attempts, &plan);

    let (id, begun) = (campaign.id.clone(), Instant::now());
    let clock = || begun.elapsed().as_secs_f64();
    let ledger = Ledger::new(campaign, attempts, &dir, &repo, &clock);
    let mut parties = Parties {
        repo: &repo,
        config: &plan.config,
        judge: &mut harness,
        agent: &mut *agent,
        cancelled: &|| context.launcher.cancelled(),
    };
    let ended = run_campaign(&mut parties, ledger, &mut ui);
    let (campaign, attempts) = match &ended {
        Ok(whole) => whole.clone(),
        // What stands on the disk until then is worth a report too.
        Err(_) => (store.campaign(&id)?, store.attempts(&id)?),
    };
    show::conclude(&repo, args, &campaign, &attempts, &mut ui)?;
    ended?;
    let interrupted = campaign.state == CampaignState::Interrupted;
    Ok(if interrupted { INTERRUPTED } else { OK })
}
