//! A campaign before its first attempt: resumed or new, its rules, its base, its noise.

use std::path::Path;

use anyhow::Result;
use outpace_gate::{GateError, Harness, current_base, default_branch, sync_default_branch};
use outpace_process::Context;
use outpace_record::{
    Attempt, Campaign, CampaignState, Config, Document, GateConfig, OWN_AGENTS, Verdict,
};
use outpace_repo::{Commit, Repo};
use outpace_report::format::duration;
use outpace_research::{Agent, CampaignDir, CampaignStore, CommandAgent, Replay, Tune};
use outpace_stats::Rule;
use outpace_text::{plain, short};

use super::Args;
use crate::exit::{environment, usage};
use crate::setup::{VERSION, config_of, now, workloads};
use crate::ui::Terminal;

/// Blocks of the A/A measurement at the start: enough for a forecast, a quarter of a minute for the
/// reference workload.
const NOISE_BLOCKS: usize = 6;
/// What the forecast takes for the threshold of a campaign: that of about its sixth candidate
/// (docs/statistics.md).
const FORECAST_THRESHOLD: f64 = 1000.0;
/// The gain that the forecast is given for.
const FORECAST_GAIN: f64 = 0.03;

/// What a campaign begins or is resumed with.
pub(super) struct Plan {
    /// The one that is resumed, with its attempts.
    begun: Option<(Campaign, Vec<Attempt>)>,
    pub(super) config: Config,
    pub(super) base: Commit,
    id: String,
    agent: String,
    patches: Option<String>,
    into: String,
    workloads: Vec<String>,
}

/// Finds out what is to be done. The caller holds the repository's lock.
pub(super) fn plan(
    repo: &Repo,
    store: &CampaignStore,
    args: &Args,
    ui: &mut Terminal,
) -> Result<Plan> {
    let mut plan = match args.resume {
        true => resumed(repo, store)?,
        false => new(repo, store, args)?,
    };
    if let Some((campaign, attempts)) = &plan.begun
        && keep_gate(&mut plan.config.gate, campaign, attempts)
    {
        ui.warn(
            "[gate] of outpace.toml has changed since the campaign began; the stricter values count",
        );
    }
    plan.workloads = workloads(&plan.config, &plan.workloads)?;
    check_agent(&plan.config, &plan.agent)?;
    Ok(plan)
}

fn resumed(repo: &Repo, store: &CampaignStore) -> Result<Plan> {
    let id = store
        .unfinished()?
        .ok_or_else(|| usage("there is no unfinished campaign. Hint: start one with --agent"))?;
    let (campaign, attempts) = (store.campaign(&id)?, store.attempts(&id)?);
    repo.check_mergeable(&campaign.into)?;
    repo.check_signing()?;
    check_still_there(repo, &campaign.into, &attempts)?;
    let base = current_base(repo, &campaign.into, &campaign.start)?;
    Ok(Plan {
        config: config_of(repo, &base)?,
        base,
        id,
        agent: campaign.agent.clone(),
        patches: campaign.patches.clone(),
        into: campaign.into.clone(),
        workloads: campaign.workloads.clone(),
        begun: Some((campaign, attempts)),
    })
}

fn new(repo: &Repo, store: &CampaignStore, args: &Args) -> Result<Plan> {
    let id = store.fresh_id(&now().to_string());
    let patches = patches_of(repo, args)?;
    let into = match &args.into {
        Some(into) => into.clone(),
        None if patches.is_some() => format!("outpace/replay-{id}"),
        None => default_branch(repo)?,
    };
    repo.check_mergeable(&into)?;
    repo.check_signing()?;
    let range = patches.as_deref().and_then(range);
    let start = repo.resolve(range.map_or("HEAD", |(from, _)| from))?;
    // Only the default branch catches up; a branch that the user named is moved by proven merges
    // alone.
    let base = match args.into {
        None => sync_default_branch(repo, &into, start)?,
        Some(_) => current_base(repo, &into, &start.id)?,
    };
    Ok(Plan {
        begun: None,
        config: config_of(repo, &base)?,
        base,
        id,
        agent: args.agent.clone().unwrap_or_default(),
        patches,
        into,
        workloads: args.measuring.workloads.clone(),
    })
}

impl Plan {
    /// The agent that proposes.
    pub(super) fn agent<'a>(
        &self,
        repo: &Repo,
        context: &'a Context,
    ) -> Result<Box<dyn Agent + 'a>> {
        let config = &self.config;
        Ok(
            match (config.agent.get(&self.agent), self.patches.as_deref()) {
                (Some(command), _) => Box::new(CommandAgent::new(&self.agent, command, context)),
                (None, Some(patches)) if range(patches).is_some() => {
                    Box::new(Replay::of_range(repo, patches, &config.policy)?)
                }
                (None, Some(folder)) => Box::new(Replay::of_folder(Path::new(folder))?),
                (None, None) => Box::new(Tune),
            },
        )
    }

    /// The campaign and what it has tried; limits that are given replace the old ones.
    pub(super) fn campaign(&self, harness: &Harness<'_>, args: &Args) -> (Campaign, Vec<Attempt>) {
        let (mut campaign, attempts) = match &self.begun {
            Some(begun) => begun.clone(),
            None => (self.new_campaign(harness, args), Vec::new()),
        };
        let budget_s = args.budget.map(|b| b.as_secs_f64());
        campaign.budget_s = budget_s.or(campaign.budget_s);
        campaign.max_experiments = args.max_experiments.or(campaign.max_experiments);
        (campaign, attempts)
    }

    fn new_campaign(&self, harness: &Harness<'_>, args: &Args) -> Campaign {
        let gate = &self.config.gate;
        Campaign {
            schema: Campaign::SCHEMA.into(),
            id: self.id.clone(),
            agent: self.agent.clone(),
            patches: self.patches.clone(),
            workloads: self.workloads.clone(),
            into: self.into.clone(),
            start: self.base.id.clone(),
            start_summary: plain(&self.base.summary, 100),
            budget_s: None,
            max_experiments: None,
            used_s: 0.0,
            state: CampaignState::Running,
            stopped_because: None,
            fdr: gate.fdr,
            alpha: gate.alpha,
            min_speedup: gate.min_speedup,
            max_blocks: Some(gate.campaign_max_blocks),
            seed: args.measuring.seed(),
            seed_was_given: args.measuring.seed.is_some(),
            start_tokens_per_s: None,
            machine_class: harness.machine.class(),
            machine: harness.machine.clone(),
            sandbox_tier: harness.sandbox_tier,
            aa_sd: None,
            outpace_version: VERSION.into(),
            started: now(),
            updated: now(),
        }
    }
}

/// Puts the campaign on the disk, builds the base and measures the noise, before the budget begins
/// to run.
pub(super) fn prepare(
    harness: &mut Harness<'_>,
    campaign: &mut Campaign,
    base: &Commit,
    dir: &CampaignDir,
    ui: &mut Terminal,
) -> Result<()> {
    // From here on it can be resumed, whatever happens.
    dir.save_campaign(campaign)?;
    let prepared = measure(harness, campaign, base, ui);
    let Err(error) = prepared else {
        return Ok(());
    };
    let cut_off = matches!(error.downcast_ref(), Some(GateError::Interrupted(_)));
    if campaign.used_s == 0.0 && !cut_off {
        // It never began: left open, it would hide an older one that is worth resuming.
        campaign.state = CampaignState::Finished;
        campaign.stopped_because = Some(error.to_string());
        dir.save_campaign(campaign)?;
    }
    Err(error)
}

fn measure(
    harness: &mut Harness<'_>,
    campaign: &mut Campaign,
    base: &Commit,
    ui: &mut Terminal,
) -> Result<()> {
    let Some(name) = campaign.workloads.first().cloned() else {
        return Ok(());
    };
    let class = harness.machine.class();
    if campaign.machine_class != class {
        return Err(environment(format!(
            "this campaign was begun on machine class {}; here is {class}. Hint: begin another one \
             here",
            campaign.machine_class
        )));
    }
    if campaign.aa_sd.is_some() {
        return Ok(harness.prepare(&name, base, ui)?);
    }
    let noise = harness.measure_noise(&name, base, NOISE_BLOCKS, campaign.seed, ui)?;
    campaign.aa_sd = Some(noise.sd);
    let rule = Rule {
        threshold: Some(FORECAST_THRESHOLD),
        alpha: campaign.alpha,
        min_speedup: campaign.min_speedup,
        max_blocks: harness.config.gate.campaign_max_blocks,
        ..Rule::default()
    };
    let needs = match noise.forecast(FORECAST_GAIN, &rule) {
        (Some(n), Some(s)) => format!("+3 % needs about {n} blocks ({})", duration(s)),
        _ => "+3 % needs more blocks than a trial takes".into(),
    };
    let sd = noise.sd * 100.0;
    ui.say("noise", &format!("{sd:.1} % a block   {needs}"));
    Ok(())
}

/// A campaign has one error budget: alpha, fdr and min_speedup become no laxer than they were when
/// it began, and no laxer than what an audit asks by now; campaign_max_blocks stays. Says whether
/// `[gate]` is another by now.
fn keep_gate(gate: &mut GateConfig, campaign: &Campaign, attempts: &[Attempt]) -> bool {
    // Of campaigns that do not say it themselves, only verdicts carry the limit of blocks. One that
    // went on from an earlier verdict was allowed that one's blocks besides.
    let own = |v: &Verdict| {
        v.max_blocks
            .saturating_sub(v.earlier_blocks.max(v.earlier_seeds))
    };
    let judged = || attempts.iter().flat_map(|a| &a.verdicts).map(own).min();
    let limit = campaign.max_blocks.or_else(judged);
    let begun = GateConfig {
        alpha: campaign.alpha.min(gate.alpha),
        fdr: campaign.fdr.min(gate.fdr),
        min_speedup: campaign.min_speedup.max(gate.min_speedup),
        campaign_max_blocks: limit.unwrap_or(gate.campaign_max_blocks),
        ..gate.clone()
    };
    let changed = begun != *gate;
    *gate = begun;
    changed
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
        "there is no agent `{name}`. Hint: available: {}; others are declared as [agent.NAME]",
        known.join(", ")
    )))
}

/// The two ends of stored `--patches` that are commits; a folder stands there by its whole path,
/// which may hold dots too.
fn range(patches: &str) -> Option<(&str, &str)> {
    patches
        .split_once("..")
        .filter(|_| !Path::new(patches).is_absolute())
}

/// `--patches`, written so that it means the same when the campaign is resumed: commits by their
/// ids, a folder by its whole path.
fn patches_of(repo: &Repo, args: &Args) -> Result<Option<String>> {
    let replays = args.agent.as_deref() == Some("replay");
    let patches = match (&args.patches, replays) {
        (Some(patches), true) => patches,
        (None, false) => return Ok(None),
        (None, true) => {
            return Err(usage(
                "replay proposes known patches. Hint: name them with --patches A..B or --patches DIR",
            ));
        }
        (Some(_), false) => return Err(usage("--patches belongs to --agent replay")),
    };
    if let Ok(folder) = std::fs::canonicalize(patches) {
        if !folder.is_dir() {
            return Err(usage(format!(
                "{patches} is a file. Hint: put it into a directory, or `outpace gate --patch {patches}`"
            )));
        }
        return Ok(Some(folder.display().to_string()));
    }
    let Some((from, to)) = patches.split_once("..") else {
        return Err(usage(format!(
            "{patches} is neither a directory nor a range of commits A..B"
        )));
    };
    let to = if to.is_empty() { "HEAD" } else { to };
    let (from, to) = (repo.resolve(from)?, repo.resolve(to)?);
    Ok(Some(format!("{}..{}", from.id, to.id)))
}

/// What a campaign says that it has proven counts all of its merges, so all of them must be in its
/// branch.
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
            "min_speedup": 0.005, "max_blocks": 20, "earlier_blocks": 12, "n_blocks": 0, "workload": "w", "track": "throughput", "base": "8c1f0e2",
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
        // One that says its own limit keeps it, whatever its verdicts were allowed.
        let campaign = Campaign {
            max_blocks: Some(30),
            ..campaign
        };
        assert!(keep_gate(&mut gate, &campaign, &attempts));
        assert_eq!(gate.campaign_max_blocks, 30);
    }
}
