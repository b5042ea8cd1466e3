//! What the history knows of series: points, failures, changes, blessings.

use anyhow::Result;
use outpace_record::{Document, Failure, Run};
use outpace_repo::Repo;
use outpace_track::Point;

/// All points of the history.
pub(crate) fn points(repo: &Repo) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    for day in repo.history().days(Some("run"))? {
        for (entry, json) in repo.history().read(&day)? {
            // A record of a newer outpace is left out; the rest is still shown.
            let run = Run::from_json(&json).ok();
            points.extend(run.and_then(|run| Point::of(&run, &entry.id)));
        }
    }
    Ok(points)
}

/// Commits that could not be measured on a machine class.
pub(crate) fn failures(repo: &Repo, workload: &str, class: &str) -> Result<Vec<String>> {
    let all: Vec<Failure> = all(repo, "failure")?;
    let own = all
        .into_iter()
        .filter(|f| f.workload == workload && f.machine_class == class);
    Ok(own.map(|failure| failure.commit).collect())
}

/// All records of a kind that this version understands, in the order in which they were written.
pub(crate) fn all<T: Document>(repo: &Repo, kind: &str) -> Result<Vec<T>> {
    let mut all = Vec::new();
    for day in repo.history().days(Some(kind))? {
        let records = repo.history().read(&day)?;
        all.extend(
            records
                .iter()
                .filter_map(|(_, json)| T::from_json(json).ok()),
        );
    }
    Ok(all)
}
