//! What the history knows of series: points, failures, changes, blessings.

mod index;
mod prove;

use std::collections::HashMap;

use anyhow::Result;
use outpace_record::{Bisection, Blessing, Change, Document};
use outpace_repo::{Commit, Repo};
use outpace_track::{Finding, Point, Series, series_of};

pub(crate) use index::points;
pub(crate) use prove::{Measured, beside, log_ratios, prove};

/// All records of a kind that this version understands, in the order in which they were written.
pub(crate) fn all<T: Document>(repo: &Repo, kind: &str) -> Result<Vec<T>> {
    let records = repo.history().documents(kind)?.into_iter();
    Ok(records.map(|(_, document)| document).collect())
}

/// The commits of a branch by their number, oldest first: its first parents.
pub(crate) fn order(commits: &[Commit]) -> HashMap<String, usize> {
    let ids = commits.iter().map(|commit| commit.id.clone());
    ids.enumerate().map(|(n, id)| (id, n)).collect()
}

/// Everything that is known of a branch's series.
pub(crate) struct Known {
    pub(crate) commits: Vec<Commit>,
    pub(crate) order: HashMap<String, usize>,
    pub(crate) series: Vec<Series>,
    pub(crate) changes: Vec<Change>,
    pub(crate) blessings: Vec<Blessing>,
    pub(crate) bisections: Vec<Bisection>,
}

impl Known {
    /// Reads the history for the branch that ends in `rev`.
    pub(crate) fn of(repo: &Repo, rev: &str) -> Result<Self> {
        let commits = repo.commits(rev)?;
        let order = order(&commits);
        let (imported, own): (Vec<Point>, Vec<Point>) =
            points(repo)?.into_iter().partition(Point::is_imported);
        // Those of other tools may name commits of another repository: they go by their date.
        let mut series = series_of(own, Some(&order));
        series.extend(series_of(imported, None));
        let mut blessings: Vec<Blessing> = all(repo, "blessing")?;
        blessings.sort_by_key(|blessing| (blessing.finished, blessing.number));
        Ok(Self {
            series,
            changes: all(repo, "change")?,
            blessings,
            bisections: all(repo, "bisection")?,
            commits,
            order,
        })
    }

    /// The changes of a series.
    pub(crate) fn findings(&self, series: &Series, min_change: f64) -> Vec<Finding> {
        let on = |blessing: &Blessing| Blessing {
            commit: self.first_measured(series, &blessing.commit),
            ..blessing.clone()
        };
        let blessings: Vec<Blessing> = self.blessings.iter().map(on).collect();
        outpace_track::findings(series, min_change, &self.changes, &blessings)
    }

    /// The first measured commit that holds a commit of the branch: itself, or a later one. A
    /// bisection names commits that the series has no point of.
    fn first_measured(&self, series: &Series, commit: &str) -> String {
        let Some(number) = self.order.get(commit) else {
            return commit.to_owned();
        };
        let holds = |point: &&Point| self.order.get(&point.commit).is_some_and(|n| n >= number);
        let point = series.points.iter().find(holds);
        point.map_or(commit, |point| &point.commit).to_owned()
    }

    /// Commits of the branch after the last one at the old level, up to the first at the new one.
    pub(crate) fn between(&self, series: &Series, finding: &Finding) -> &[Commit] {
        let number = |index: usize| self.order.get(&series.points[index].commit).copied();
        match (number(finding.before), number(finding.after)) {
            (Some(before), Some(after)) if before < after => &self.commits[before + 1..=after],
            _ => &[],
        }
    }

    /// The commit that a bisection named, if it is one of those.
    pub(crate) fn named(&self, workload: &str, among: &[Commit]) -> Option<String> {
        let of_workload = self
            .bisections
            .iter()
            .rev()
            .filter(|b| b.workload == workload);
        let mut named = of_workload.filter_map(|b| match b.found.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        });
        named.find(|named| among.iter().any(|commit| commit.id == *named))
    }
}
