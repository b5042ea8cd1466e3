//! Gathering what a report shows, and writing it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use outpace_record::{Attempt, Baseline, Campaign, Document, Run, Verdict};
use outpace_repo::Repo;
use outpace_report::{Formats, ReportData};

use crate::setup::now;

/// The newest runs and verdicts that a report shows beside its campaign.
const MOST_RUNS: usize = 500;
const MOST_VERDICTS: usize = 50;

/// What a report of this repository shows; `campaign` with its attempts, if there is one.
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
    let name = repo
        .root()
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    Ok(ReportData {
        title: format!("outpace: {name}"),
        settings: settings(campaign.as_ref()),
        campaign,
        attempts,
        verdicts,
        runs,
        baselines: baselines(repo, &head.tree)?,
        generated: now(),
    })
}

/// Writes a report into a folder.
pub(crate) fn write(dir: &Path, data: &ReportData, formats: &Formats) -> Result<Vec<PathBuf>> {
    Ok(outpace_report::write(dir, data, formats)?)
}

/// All baselines of a tree.
pub(crate) fn baselines(repo: &Repo, tree: &str) -> Result<Vec<Baseline>> {
    let mut found = Vec::new();
    for path in repo.list(tree, &["baselines/*/*.json".into()])? {
        if path.starts_with("baselines/proofs/") {
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
        // A record of a newer outpace is left out of the picture, not an end to it.
        newest_first.extend(records.filter_map(|(_, json)| T::from_json(&json).ok()));
        if newest_first.len() >= most {
            break;
        }
    }
    newest_first.truncate(most);
    newest_first.reverse();
    Ok(newest_first)
}

fn settings(campaign: Option<&Campaign>) -> Vec<(String, String)> {
    let Some(c) = campaign else { return Vec::new() };
    let row = |name: &str, value: String| (name.to_owned(), value);
    vec![
        row("campaign", c.id.clone()),
        row("agent", c.agent.clone()),
        row("workloads", c.workloads.join(", ")),
        row("merged into", c.into.clone()),
        row("seed", c.seed.to_string()),
        row("share of false merges", format!("at most {}", share(c.fdr))),
        row("smallest gain that counts", share(c.min_speedup)),
        row("machine class", c.machine_class.clone()),
        row("sandbox", c.sandbox_tier.as_str().to_owned()),
        row("outpace", c.outpace_version.clone()),
    ]
}

/// `5 %`, `0.1 %`: as it was configured, without the digits that binary fractions add.
fn share(value: f64) -> String {
    format!("{} %", (value * 1e6).round() / 1e4)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn shares_read_as_configured() {
        for (value, expect) in [
            (0.05, "5 %"),
            (0.001, "0.1 %"),
            (0.07, "7 %"),
            (0.0025, "0.25 %"),
        ] {
            assert_eq!(share(value), expect);
        }
    }
}
