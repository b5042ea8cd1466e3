//! The anchor: the revision that the baseline of this machine class counts from, which losses are
//! held against.

use outpace_record::{Baseline, BaselineCheck, Document, Observer, Protocol, Role};
use outpace_repo::{Commit, Repo};
use outpace_text::short;

use crate::build::Built;
use crate::harness::{building, done};
use crate::{GateError, Harness};

/// The baseline of a workload and machine class, as a tree stores it.
///
/// # Errors
/// It is there and cannot be understood.
pub(crate) fn stored_baseline(
    repo: &Repo,
    tree: &str,
    machine_class: &str,
    workload: &str,
) -> Result<Option<Baseline>, GateError> {
    let path = Baseline::path(machine_class, workload);
    let Some(bytes) = repo.read(tree, &path)? else {
        return Ok(None);
    };
    Baseline::from_json(&String::from_utf8_lossy(&bytes))
        .map(Some)
        .map_err(|error| {
            GateError::Environment(format!(
                "the baseline {path} is damaged: {error}. Hint: restore it with \
                 `git log -- {path}` and `git checkout COMMIT -- {path}`, then commit"
            ))
        })
}

/// A baseline whose gains were measured again and are gone says nothing of this machine any more.
///
/// # Errors
/// The last check says so, and nobody accepted it.
pub(crate) fn refuse_stale(repo: &Repo, baseline: Option<&Baseline>) -> Result<(), GateError> {
    let Some(baseline) = baseline else {
        return Ok(());
    };
    let history = repo.history();
    let mut last: Option<BaselineCheck> = None;
    for day in history.days(Some("baseline-check"))? {
        for (_, json) in history.read(&day)? {
            let check = BaselineCheck::from_json(&json).ok();
            let of_baseline = |check: &BaselineCheck| {
                check.baseline == baseline.verdict
                    && check.machine_class == baseline.machine_class
                    && check.workload == baseline.workload
            };
            let newer = |check: &BaselineCheck| {
                let key = |check: &BaselineCheck| (check.finished, check.accepted);
                last.as_ref().is_none_or(|last| key(check) >= key(last))
            };
            last = check.filter(of_baseline).filter(newer).or(last);
        }
    }
    match last {
        Some(check) if !check.holds && !check.accepted => Err(GateError::Environment(format!(
            "{}: the baseline is stale: the machine class {} no longer shows the gain since {}. \
             Hint: `outpace baseline check` measures again, `outpace baseline accept` goes on all \
             the same",
            check.workload,
            check.machine_class,
            short(&check.anchor)
        ))),
        _ => Ok(()),
    }
}

/// The anchor's build, where it is not the base itself. One that is not in this clone, or that no
/// longer builds, leaves the budget unchecked, which the verdict then shows.
///
/// # Errors
/// The machine failed, or the user asked to stop.
pub(crate) fn anchor(
    harness: &mut Harness<'_>,
    base: &Commit,
    name: &str,
    baseline: Option<&Baseline>,
    observer: &mut dyn Observer,
) -> Result<Option<Built>, GateError> {
    let config = harness.workload(name)?;
    let Some(baseline) = baseline.filter(|_| config.protocol == Protocol::Steps) else {
        return Ok(None);
    };
    let Ok(commit) = harness.repo.resolve(&baseline.anchor.commit) else {
        return Ok(None);
    };
    if commit.tree == base.tree {
        return Ok(None);
    }
    observer.on(&building(name, Role::Anchor));
    let built = harness.builder.other(name, config, &commit.tree, observer);
    observer.on(&done(
        name,
        Role::Anchor,
        built.as_ref().map_or(0.0, |b| b.build_s),
    ));
    match built {
        Ok(built) => Ok(Some(built)),
        Err(error) if error.is_cancelled() => Err(GateError::Interrupted(Vec::new())),
        // It is of another time: its compiler or its packages may be gone. A full disk is another
        // matter, and no reason to check less.
        Err(error) if error.is_patch() => Ok(None),
        Err(error) => Err(GateError::Environment(format!(
            "the anchor {} does not build: {error}",
            short(&commit.id)
        ))),
    }
}
