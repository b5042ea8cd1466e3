//! `outpace research`: the campaign.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use outpace_record::{
    Attempt, Campaign, CampaignState, Config, Document, GateConfig, Kind, OWN_AGENTS,
    parse_duration,
};
use outpace_repo::{Commit, Repo};
use outpace_report::Formats;
use outpace_report::format::{count, duration, gain};
use outpace_research::{
    Agent, Bench, CampaignStore, CommandAgent, Order, Replay, RepoSources, Sample, Tune,
    measure_noise, run_campaign,
};
use outpace_stats::Rule;
use outpace_trial::{Context, Event, Observer, Side};

use crate::commands::gate::warn_of_changes;
use crate::exit::{INTERRUPTED, OK, code_of, environment, usage};
use crate::options::{Measuring, Options};
use crate::report_data;
use crate::screen::{Screen, heading};
use crate::setting::{VERSION, bench, config_of, context, lock, now, open_repo, short, workloads};

/// Blocks of the A/A measurement at the start: enough for a forecast, a quarter of a minute for the reference workload.
const NOISE_BLOCKS: usize = 6;
/// What the forecast takes for the threshold of a campaign: that of about its sixth candidate (docs/statistics.md).
const FORECAST_THRESHOLD: f64 = 1000.0;

/// Run a campaign: propose, gate, merge, again, under one error budget.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  outpace research --agent tune --budget 10m
  outpace research --agent claude --max-experiments 50 --into outpace/night
  outpace research --agent replay --patches v1.0..main
  outpace research --resume

Proven patches are merged into a branch of their own; your files and your index are not touched.
Ctrl-C stops it; finished attempts are kept, and --resume goes on. The share of false merges stays
below [gate] fdr for any number of attempts.")]
pub(crate) struct Args {
    /// Who proposes: `tune`, `replay`, or an [agent.NAME] of outpace.toml.
    #[arg(long, required_unless_present = "resume")]
    agent: Option<String>,
    /// Time for attempts, like 30m or 8h; the first build does not count.
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    budget: Option<Duration>,
    /// Most attempts.
    #[arg(long, value_name = "N")]
    max_experiments: Option<usize>,
    /// What `replay` proposes again: commits A..B, beginning from A, or a folder of *.patch files, beginning from HEAD.
    #[arg(long, value_name = "RANGE|DIR", conflicts_with = "resume")]
    patches: Option<String>,
    /// Branch to merge into. Default: outpace/BRANCH, beside the branch that is checked out; for `replay` a new branch
    /// outpace/replay-CAMPAIGN.
    #[arg(long, value_name = "BRANCH")]
    into: Option<String>,
    /// Go on with the last campaign that is not finished; --budget and --max-experiments replace its limits.
    #[arg(long, conflicts_with_all = ["agent", "into", "workloads", "seed"])]
    resume: bool,
    /// Folder for the report. Default: reports/CAMPAIGN where git ignores that, or below .git.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    measuring: Measuring,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let repo = open_repo(options)?;
    let mut screen = Screen::new(options).for_json(args.measuring.json);
    let (context, _cancel) = context()?;
    // Before anything is read: another campaign may be writing it.
    let _lock = lock(&repo, &context, &mut screen)?;
    let store = CampaignStore::new(&repo.state_dir());
    let begun = if args.resume {
        Some(resumed(&store)?)
    } else {
        None
    };
    let id = store.fresh_id(&now().to_string());
    let patches = match &begun {
        Some((campaign, _)) => campaign.patches.clone(),
        None => patches_of(&repo, args)?,
    };
    let into = match (&begun, &args.into) {
        (Some((campaign, _)), _) => campaign.into.clone(),
        (None, Some(into)) => into.clone(),
        (None, None) if patches.is_some() => format!("outpace/replay-{id}"),
        (None, None) => default_branch(&repo)?,
    };
    repo.check_mergeable(&into)?;
    if let Some((_, attempts)) = &begun {
        check_still_there(&repo, &into, attempts)?;
    }
    let base = match &begun {
        Some((campaign, _)) => repo.resolve(
            repo.branch_tip(&into)?
                .as_deref()
                .unwrap_or(&campaign.start),
        )?,
        None => {
            let range = patches.as_deref().and_then(range);
            let start = repo.resolve(range.map_or("HEAD", |(from, _)| from))?;
            standing(&repo, &into, args.into.is_none(), start)?
        }
    };
    let mut config = config_of(&repo, &base)?;
    if let Some((campaign, attempts)) = &begun
        && keep_gate(&mut config.gate, campaign, attempts)
    {
        screen.warn("[gate] of outpace.toml has changed since the campaign began; the stricter values count");
    }
    let named = begun
        .as_ref()
        .map_or(&args.measuring.workloads, |(c, _)| &c.workloads);
    let names = workloads(&config, named)?;
    let agent_name = begun
        .as_ref()
        .map(|(c, _)| c.agent.clone())
        .or_else(|| args.agent.clone())
        .unwrap_or_default();
    check_agent(&config, &agent_name)?;
    warn_of_changes(&repo, &mut screen)?;
    let sources = RepoSources(&repo);
    let mut bench = bench(&repo, &config, &context, &sources);
    let mut agent = agent(&repo, &config, &agent_name, patches.as_deref(), &context)?;
    agent.check(&repo, &base.tree, &config)?;

    let (mut campaign, attempts) = match begun {
        Some(begun) => begun,
        None => {
            let new = new_campaign(&bench, args, id, &agent_name, names, into, &base);
            (Campaign { patches, ..new }, Vec::new())
        }
    };
    extend(&mut campaign, args);
    let sitting = store.open(&campaign.id)?;
    // From here on it can be resumed, whatever happens.
    sitting.save_campaign(&campaign)?;
    if let Err(error) = prepare(&mut bench, &mut campaign, &base, options, &mut screen) {
        if attempts.is_empty() && code_of(&error) != INTERRUPTED {
            // It never began: left open, it would hide an older one that is worth going on with.
            campaign.state = CampaignState::Finished;
            campaign.stopped_because = Some(error.to_string());
            sitting.save_campaign(&campaign)?;
        }
        return Err(error);
    }
    introduce(&mut screen, &campaign, &base, &config);
    let settled = |attempt: &&Attempt| attempt.verdict != Kind::Faster || attempt.merged.is_some();
    for attempt in attempts.iter().filter(settled) {
        outpace_research::CampaignObserver::settled(&mut screen, attempt);
    }
    let order = Order {
        campaign,
        attempts,
        sitting: &sitting,
    };
    let id = order.campaign.id.clone();
    let ended = run_campaign(&mut bench, &mut *agent, order, &mut screen);
    screen.clear();
    let (campaign, attempts) = match &ended {
        Ok(whole) => whole.clone(),
        // What stands on the disk until then is worth a report all the same.
        Err(_) => (store.campaign(&id)?, store.attempts(&id)?),
    };
    let interrupted = campaign.state == CampaignState::Interrupted;
    let dir = report_dir(&repo, args.out.clone(), &campaign.id);
    let data = report_data::gather(&repo, Some((campaign.clone(), attempts.clone())))?;
    let formats = Formats {
        html: true,
        markdown: true,
        json: true,
        png: false,
    };
    report_data::write(&dir, &data, &formats)?;
    if args.measuring.json {
        crate::out!("{}", outpace_report::json(&data));
    } else {
        conclude(&mut screen, &campaign, &attempts, &dir);
    }
    if let Err(error) = ended {
        if interrupted {
            screen.say("go on with", "outpace research --resume");
        }
        return Err(error.into());
    }
    Ok(if interrupted { INTERRUPTED } else { OK })
}

/// The branch that proven patches go into when none is named: beside the checked-out one, never that one itself.
pub(crate) fn default_branch(repo: &Repo) -> Result<String> {
    match repo.current_branch() {
        Some(branch) if branch.starts_with("outpace/") => Ok(format!("{branch}-next")),
        Some(branch) => Ok(format!("outpace/{branch}")),
        None => Err(usage("HEAD is detached. Hint: name a branch with --into")),
    }
}

/// What a proven patch goes onto: the tip of the branch, or `start` where there is no branch yet. Only the default branch
/// (`ours`) catches up with `start` where it lies behind; a branch that the user named is moved by proven merges alone.
pub(crate) fn standing(repo: &Repo, into: &str, ours: bool, start: Commit) -> Result<Commit> {
    let Some(tip) = repo.branch_tip(into)? else {
        return Ok(start);
    };
    if !ours || repo.is_ancestor(&start.id, &tip)? {
        return Ok(repo.resolve(&tip)?);
    }
    if repo.is_ancestor(&tip, &start.id)? {
        repo.fast_forward(into, Some(&tip), &start.id)?;
        return Ok(start);
    }
    Err(usage(format!(
        "branch {into} and {} have diverged. Hint: rebase one of them, or name another branch with --into",
        short(&start.id)
    )))
}

fn resumed(store: &CampaignStore) -> Result<(Campaign, Vec<Attempt>)> {
    let id = store
        .unfinished()?
        .ok_or_else(|| usage("there is no unfinished campaign. Hint: start one with --agent"))?;
    Ok((store.campaign(&id)?, store.attempts(&id)?))
}

/// A campaign has one error budget: alpha, fdr and min_speedup become no laxer than they were when it began, and no laxer than what an
/// audit asks by now; campaign_max_blocks stays. Says whether `[gate]` is another by now.
fn keep_gate(gate: &mut GateConfig, campaign: &Campaign, attempts: &[Attempt]) -> bool {
    // Only verdicts carry the limit of blocks; before the first one nothing was judged under another.
    let judged = attempts.iter().flat_map(|a| &a.verdicts).next();
    let begun = GateConfig {
        alpha: campaign.alpha.min(gate.alpha),
        fdr: campaign.fdr.min(gate.fdr),
        min_speedup: campaign.min_speedup.max(gate.min_speedup),
        campaign_max_blocks: judged.map_or(gate.campaign_max_blocks, |v| v.max_blocks),
        ..gate.clone()
    };
    let changed = begun != *gate;
    *gate = begun;
    changed
}

/// New limits given with --resume replace the old ones.
fn extend(campaign: &mut Campaign, args: &Args) {
    campaign.budget_s = args.budget.map(|b| b.as_secs_f64()).or(campaign.budget_s);
    campaign.max_experiments = args.max_experiments.or(campaign.max_experiments);
}

fn check_agent(config: &Config, name: &str) -> Result<()> {
    if OWN_AGENTS.contains(&name) || config.agent.contains_key(name) {
        return Ok(());
    }
    let known: Vec<&str> = OWN_AGENTS
        .into_iter()
        .chain(config.agent.keys().map(String::as_str))
        .collect();
    Err(usage(format!(
        "there is no agent `{name}`. Hint: known here: {}; others are declared as [agent.NAME]",
        known.join(", ")
    )))
}

fn agent<'a>(
    repo: &Repo,
    config: &Config,
    name: &str,
    patches: Option<&str>,
    context: &'a Context,
) -> Result<Box<dyn Agent + 'a>> {
    Ok(match (config.agent.get(name), patches) {
        (Some(command), _) => Box::new(CommandAgent::new(name, command, context)),
        (None, Some(patches)) if range(patches).is_some() => {
            Box::new(Replay::of_range(repo, patches, &config.policy)?)
        }
        (None, Some(folder)) => Box::new(Replay::of_folder(Path::new(folder))?),
        (None, None) => Box::new(Tune),
    })
}

/// The two ends of stored `--patches` that are commits; a folder stands there by its whole path, which may hold dots too.
fn range(patches: &str) -> Option<(&str, &str)> {
    patches
        .split_once("..")
        .filter(|_| !Path::new(patches).is_absolute())
}

/// `--patches`, written so that it means the same when the campaign is resumed: commits by their ids, a folder by its whole path.
fn patches_of(repo: &Repo, args: &Args) -> Result<Option<String>> {
    let replays = args.agent.as_deref() == Some("replay");
    let patches = match (&args.patches, replays) {
        (Some(patches), true) => patches,
        (None, false) => return Ok(None),
        (None, true) => {
            return Err(usage(
                "replay proposes known patches. Hint: name them with --patches A..B or --patches FOLDER",
            ));
        }
        (Some(_), false) => return Err(usage("--patches belongs to --agent replay")),
    };
    if let Ok(folder) = std::fs::canonicalize(patches) {
        if !folder.is_dir() {
            return Err(usage(format!(
                "{patches} is a file. Hint: put it into a folder, or `outpace gate --patch {patches}`"
            )));
        }
        return Ok(Some(folder.display().to_string()));
    }
    let Some((from, to)) = patches.split_once("..") else {
        return Err(usage(format!(
            "{patches} is neither a folder nor a range of commits A..B"
        )));
    };
    let to = if to.is_empty() { "HEAD" } else { to };
    let (from, to) = (repo.resolve(from)?, repo.resolve(to)?);
    Ok(Some(format!("{}..{}", from.id, to.id)))
}

fn new_campaign(
    bench: &Bench<'_>,
    args: &Args,
    id: String,
    agent: &str,
    workloads: Vec<String>,
    into: String,
    base: &Commit,
) -> Campaign {
    let gate = &bench.config.gate;
    Campaign {
        schema: Campaign::SCHEMA.into(),
        id,
        agent: agent.to_owned(),
        patches: None,
        workloads,
        into,
        start: base.id.clone(),
        start_summary: outpace_record::plain(&base.summary, 100),
        budget_s: None,
        max_experiments: None,
        used_s: 0.0,
        state: CampaignState::Running,
        stopped_because: None,
        fdr: gate.fdr,
        alpha: gate.alpha,
        min_speedup: gate.min_speedup,
        seed: args.measuring.seed(),
        seed_was_given: args.measuring.seed.is_some(),
        start_tokens_per_s: None,
        machine_class: bench.machine.class(),
        machine: bench.machine.clone(),
        sandbox_tier: bench.sandbox_tier,
        aa_sd: None,
        outpace_version: VERSION.into(),
        started: now(),
        updated: now(),
    }
}

/// Builds the base and measures the noise, before the budget begins to run.
fn prepare(
    bench: &mut Bench<'_>,
    campaign: &mut Campaign,
    base: &Commit,
    options: &Options,
    screen: &mut Screen,
) -> Result<()> {
    let Some(name) = campaign.workloads.first().cloned() else {
        return Ok(());
    };
    if campaign.machine_class != bench.machine.class() {
        return Err(environment(format!(
            "this campaign was begun on machine class {}; here is {}. Hint: begin another one here",
            campaign.machine_class,
            bench.machine.class()
        )));
    }
    screen.on(&Event::Building { side: Side::Base });
    let built = bench
        .builder
        .base(&name, &bench.config.workload[&name], &base.tree)
        .map_err(|error| {
            if error.is_cancelled() {
                return outpace_research::ResearchError::Interrupted(Vec::new()).into();
            }
            environment(format!(
                "the base {} does not build: {error}",
                short(&base.id)
            ))
        })?;
    screen.on(&Event::Built {
        side: Side::Base,
        seconds: built.build_s,
    });
    if campaign.aa_sd.is_none() {
        let mut events = Screen::new(options);
        let sample = Sample {
            workload: &name,
            built: &built,
            blocks: NOISE_BLOCKS,
            seed: campaign.seed,
        };
        let noise = measure_noise(bench.context, bench.config, sample, &mut events, |n, _| {
            screen.live(&format!(
                "noise      base against itself, block {n} of {NOISE_BLOCKS}"
            ));
        })?;
        screen.clear();
        campaign.aa_sd = Some(noise.sd);
        let (blocks, seconds) = noise.forecast(
            0.03,
            &Rule {
                threshold: Some(FORECAST_THRESHOLD),
                alpha: campaign.alpha,
                min_speedup: campaign.min_speedup,
                max_blocks: bench.config.gate.campaign_max_blocks,
                ..Rule::default()
            },
        );
        let needs = match (blocks, seconds) {
            (Some(n), Some(s)) => format!("+3 % needs about {n} blocks ({})", duration(s)),
            _ => "+3 % needs more blocks than a trial takes".into(),
        };
        screen.say(
            "noise",
            &format!("{:.1} % a block   {needs}", noise.sd * 100.0),
        );
    }
    Ok(())
}

/// What a campaign says that it has proven counts all of its merges, so all of them must be in its branch.
fn check_still_there(repo: &Repo, into: &str, attempts: &[Attempt]) -> Result<()> {
    let Some(merged) = attempts.iter().rev().find_map(|a| a.merged.as_deref()) else {
        return Ok(());
    };
    let tip = repo.branch_tip(into)?;
    if tip.is_some_and(|tip| repo.is_ancestor(merged, &tip).unwrap_or(false)) {
        return Ok(());
    }
    Err(usage(format!(
        "{into} does not hold {}, which this campaign has merged. Hint: `git branch -f {into} {merged}` brings it back, without `--resume` a new campaign begins",
        short(merged)
    )))
}

fn introduce(screen: &mut Screen, campaign: &Campaign, base: &Commit, config: &Config) {
    let machine = campaign.machine.describe();
    screen.say(
        "machine",
        &format!("{machine}   sandbox {}", campaign.sandbox_tier.as_str()),
    );
    screen.revision("base", base);
    let limit = match (campaign.budget_s, campaign.max_experiments) {
        (Some(s), Some(n)) => format!("{} or {n} attempts", duration(s)),
        (Some(s), None) => duration(s),
        (None, Some(n)) => format!("{n} attempts"),
        (None, None) => "until Ctrl-C".into(),
    };
    let left = campaign
        .budget_s
        .map(|s| format!(", {} used", duration(campaign.used_s.min(s))))
        .unwrap_or_default();
    screen.say(
        "campaign",
        &format!(
            "{}   agent {}   {}   into {}   {limit}{left}",
            campaign.id,
            campaign.agent,
            campaign.workloads.join(", "),
            campaign.into
        ),
    );
    if campaign.agent == "tune" {
        let tried = || {
            config
                .tunable
                .iter()
                .filter(|t| t.is_for(&campaign.workloads))
        };
        screen.say(
            "tune",
            &format!(
                "{} values of {} tunables",
                tried().map(|t| t.values.len()).sum::<usize>(),
                tried().count()
            ),
        );
    }
    screen.result(&heading());
}

fn conclude(screen: &mut Screen, campaign: &Campaign, attempts: &[Attempt], dir: &Path) {
    let number = |kind: Kind| attempts.iter().filter(|a| a.verdict == kind).count();
    let merged: Vec<&Attempt> = attempts.iter().filter(|a| a.merged.is_some()).collect();
    let mut parts = vec![format!(
        "{} tried, {} merged, {} rejected",
        attempts.len(),
        merged.len(),
        number(Kind::Rejected)
    )];
    let product = |f: &dyn Fn(&Attempt) -> f64| merged.iter().map(|a| 1.0 + f(a)).product::<f64>();
    // With several workloads these figures are those of the first one: gains of different workloads are not chained.
    let of = match &campaign.workloads[..] {
        [first, _, ..] => format!(" on {first}"),
        _ => String::new(),
    };
    if let (Some(start), false) = (campaign.start_tokens_per_s, merged.is_empty()) {
        let estimate = product(&|a| a.main_verdict().and_then(|v| v.speedup).unwrap_or(0.0));
        parts.push(format!(
            "{} -> {} tokens/s{of}",
            count(start),
            count(start * estimate)
        ));
        let bound = |a: &&Attempt| a.main_verdict().and_then(|v| v.at_least);
        let bounds: Option<Vec<f64>> = merged.iter().map(bound).collect();
        if let Some(bounds) = bounds {
            let proven = bounds.iter().map(|b| 1.0 + b).product::<f64>();
            parts.push(format!(
                "proven at least {} since the start{of}",
                gain(proven - 1.0)
            ));
        }
    }
    screen.result(&parts.join("   "));
    if let Some(reason) = &campaign.stopped_because {
        screen.say("stopped", reason);
    }
    if campaign.state == CampaignState::Interrupted {
        screen.say("go on", "outpace research --resume");
    }
    if !merged.is_empty() {
        screen.say(
            "take over",
            &format!("git merge --ff-only {}", campaign.into),
        );
    }
    screen.result(&format!("report {}", dir.join("index.html").display()));
}

/// Where a campaign's report goes: nothing that git would show as new.
pub(crate) fn report_dir(repo: &Repo, asked: Option<PathBuf>, id: &str) -> PathBuf {
    asked.unwrap_or_else(|| {
        let visible = format!("reports/{id}");
        if repo.ignores(&format!("{visible}/index.html")) {
            return repo.root().join(visible);
        }
        repo.state_dir().join("campaigns").join(id).join("report")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_keeps_the_gate_that_it_began_with() {
        let moment = "2026-05-19T08:30:00Z";
        let campaign = serde_json::json!({
            "schema": "outpace.campaign/1", "id": "c", "agent": "tune", "workloads": ["w"], "into": "b", "start": "8c1f0e2",
            "used_s": 1.0, "state": "interrupted", "fdr": 0.05, "alpha": 0.01, "min_speedup": 0.005, "seed": 7,
            "machine_class": "m", "outpace_version": "0.1.0", "started": moment, "updated": moment
        });
        let campaign = Campaign::from_json(&campaign.to_string()).unwrap();
        let verdict = serde_json::json!({
            "schema": "outpace.verdict/1", "verdict": "slower", "reason": "", "threshold": 100.0, "alpha": 0.01,
            "min_speedup": 0.005, "max_blocks": 8, "n_blocks": 0, "workload": "w", "track": "throughput", "base": "8c1f0e2",
            "machine_class": "m", "sandbox_tier": "none", "seeds": {"trial": 7}, "outpace_version": "0.1.0",
            "started": moment, "finished": moment
        });
        let attempt = serde_json::json!({
            "schema": "outpace.attempt/1", "campaign": "c", "number": 1, "agent": "tune", "title": "t", "verdict": "slower",
            "reason": "", "base": "8c1f0e2", "verdicts": [verdict], "total_s": 1.0, "finished": moment
        });
        let attempt = Attempt::from_json(&attempt.to_string()).unwrap();
        let begun = GateConfig {
            campaign_max_blocks: 8,
            ..GateConfig::default()
        };
        let mut gate = GateConfig {
            alpha: 0.2,
            fdr: 0.4,
            min_speedup: 0.0,
            ..GateConfig::default()
        };
        let attempts = [attempt];
        assert!(keep_gate(&mut gate, &campaign, &attempts));
        assert_eq!(gate, begun);
        assert!(!keep_gate(&mut gate, &campaign, &attempts));
    }
}
