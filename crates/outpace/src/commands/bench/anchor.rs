//! The anchor of a series: the revision that all others are measured beside.

use outpace_record::Bridge;
use outpace_repo::{Commit, Repo};
use outpace_text::short;
use outpace_track::{Point, Series};

/// Anchors that are tried one after another when one fails.
const TRIES: usize = 8;

/// What a series is measured beside.
#[derive(Debug, Clone)]
pub(super) struct Anchor {
    pub(super) commit: Commit,
    /// How it compares with the first anchor, where it is another.
    pub(super) bridge: Option<Bridge>,
    failed: Vec<String>,
}

impl Anchor {
    /// The first anchor of a series.
    pub(super) fn first(commit: Commit) -> Self {
        Self {
            commit,
            bridge: None,
            failed: Vec::new(),
        }
    }

    /// The latest anchor of a series that goes on; nothing if this clone does not have it.
    pub(super) fn latest(repo: &Repo, series: &Series) -> Option<Self> {
        let commit = repo.resolve(&series.anchor).ok()?;
        if series.anchor == series.first {
            return Some(Self::first(commit));
        }
        // The bridge was written with the points that were measured beside it.
        Self::at(commit, series)
    }

    /// An anchor at a commit of the series: what was measured of it is the bridge.
    pub(super) fn at(commit: Commit, series: &Series) -> Option<Self> {
        let point = series.points.iter().find(|p| p.commit == commit.id)?;
        let bridge = Bridge {
            first: series.first.clone(),
            log_ratio: point.value,
            sd: point.sd,
        };
        Some(Self {
            bridge: (commit.id != series.first).then_some(bridge),
            ..Self::first(commit)
        })
    }

    /// The anchor after one that fails: the newest commit of the series that was timed and not
    /// tried yet.
    pub(super) fn after_failure(&self, repo: &Repo, series: &Series) -> Option<Self> {
        let mut failed = self.failed.clone();
        failed.push(self.commit.id.clone());
        let open = |point: &&Point| point.same_as.is_none() && !failed.contains(&point.commit);
        let candidates = series.points.iter().rev().filter(open);
        let mut commits = candidates.filter_map(|point| repo.resolve(&point.commit).ok());
        let next = (failed.len() < TRIES).then(|| commits.next())??;
        Some(Self {
            failed,
            ..Self::at(next, series)?
        })
    }

    /// A line for people.
    pub(super) fn describe(&self) -> String {
        let id = short(&self.commit.id);
        match &self.bridge {
            None => id.to_owned(),
            Some(bridge) => format!(
                "{id}, itself {:+.1} % to {}",
                bridge.log_ratio.exp_m1() * 100.0,
                short(&bridge.first)
            ),
        }
    }
}
