//! Collects the records of a report, and writes it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use outpace_record::{Attempt, Baseline, Campaign, Document, Failure, Run, Verdict};
use outpace_repo::Repo;
use outpace_report::{CampaignLink, Formats, Night, ReportData, SeriesOfNight};
use outpace_research::CampaignStore;
use outpace_track::{MIN_CHANGE, Series};

use crate::setup::now;
use crate::tracking::{self, Known};

/// Most runs of a report, the newest ones.
const MOST_RUNS: usize = 500;

/// Most verdicts of a report without a campaign, the newest ones.
const MOST_VERDICTS: usize = 50;

/// Where the files of baselines are in a tree, and the proofs among them.
const BASELINES: &str = "baselines/*/*.json";
const PROOFS: &str = "baselines/proofs/";

/// The records of a report of this repository, with a campaign and its attempts if there is one.
pub(crate) fn gather(
    repo: &Repo,
    campaign: Option<(Campaign, Vec<Attempt>)>,
) -> Result<ReportData> {
    let (campaign, attempts) = campaign.map_or((None, Vec::new()), |(c, a)| (Some(c), a));
    let mut runs: Vec<Run> = read_all(repo, "run", MOST_RUNS)?;
    runs.sort_by_key(|run| (run.committed, run.started));
    let verdicts: Vec<Verdict> = if campaign.is_some() {
        Vec::new()
    } else {
        read_all(repo, "verdict", MOST_VERDICTS)?
    };
    let into = campaign
        .as_ref()
        .map(|c| repo.branch_tip(&c.into))
        .transpose()?
        .flatten();
    let head = repo.resolve(into.as_deref().unwrap_or("HEAD"))?;
    Ok(ReportData {
        title: title(repo),
        campaign,
        attempts,
        verdicts,
        runs,
        baselines: baselines(repo, &head.tree)?,
        settings: Vec::new(),
        generated: now(),
    })
}

/// The data of the nightly page of a branch.
pub(crate) fn night(repo: &Repo, branch: &str, commit_base: Option<String>) -> Result<Night> {
    let known = Known::of(repo, branch)?;
    let of_series = |series: &Series| SeriesOfNight {
        findings: known.findings(series, MIN_CHANGE),
        series: series.clone(),
    };
    let failures: Vec<Failure> = tracking::all(repo, "failure")?;
    let of_branch = |failure: &Failure| known.order.contains_key(&failure.commit);
    Ok(Night {
        title: title(repo),
        generated: now(),
        commit_base,
        series: known.series.iter().map(of_series).collect(),
        campaigns: campaigns(repo)?,
        failures: failures.into_iter().filter(of_branch).collect(),
    })
}

/// The campaigns of this clone, newest first.
fn campaigns(repo: &Repo) -> Result<Vec<CampaignLink>> {
    let store = CampaignStore::new(&repo.state_dir());
    let mut links = Vec::new();
    for id in store.list()?.into_iter().rev() {
        let Ok(campaign) = store.campaign(&id) else {
            continue;
        };
        let attempts = store.attempts(&id).unwrap_or_default();
        let merged = attempts.iter().filter(|a| a.merged.is_some()).count();
        let tried = outpace_text::counted(attempts.len(), "attempt");
        links.push(CampaignLink {
            title: format!("campaign {id}"),
            // Where `outpace report` writes it, beside the folder of this page.
            href: format!("../{id}/index.html"),
            line: format!("{tried}, {merged} merged into {}", campaign.into),
        });
    }
    Ok(links)
}

/// The data of a report of some verdicts alone.
pub(crate) fn of_verdicts(repo: &Repo, verdicts: Vec<Verdict>) -> ReportData {
    ReportData {
        title: title(repo),
        campaign: None,
        attempts: Vec::new(),
        verdicts,
        runs: Vec::new(),
        baselines: Vec::new(),
        settings: Vec::new(),
        generated: now(),
    }
}

fn title(repo: &Repo) -> String {
    let name = repo
        .root()
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    format!("outpace: {}", name.unwrap_or_default())
}

/// Writes a report into a directory.
pub(crate) fn write(dir: &Path, data: &ReportData, formats: &Formats) -> Result<Vec<PathBuf>> {
    Ok(outpace_report::write(dir, data, formats)?)
}

/// All baselines of a tree.
pub(crate) fn baselines(repo: &Repo, tree: &str) -> Result<Vec<Baseline>> {
    let mut found = Vec::new();
    for path in repo.list(tree, &[BASELINES.into()])? {
        if path.starts_with(PROOFS) {
            continue;
        }
        let bytes = repo.read(tree, &path)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        found.push(Baseline::from_json(&text).map_err(|error| anyhow::anyhow!("{path}: {error}"))?);
    }
    Ok(found)
}

fn read_all<T: Document>(repo: &Repo, kind: &str, most: usize) -> Result<Vec<T>> {
    let history = repo.history();
    let mut newest_first = Vec::new();
    for day in history.days(Some(kind))?.iter().rev() {
        let records = history.read(day)?.into_iter().rev();
        // A record of a newer outpace is left out. The rest is still shown.
        newest_first.extend(records.filter_map(|(_, json)| T::from_json(&json).ok()));
        if newest_first.len() >= most {
            break;
        }
    }
    newest_first.truncate(most);
    newest_first.reverse();
    Ok(newest_first)
}
