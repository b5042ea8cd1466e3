//! Proven merges that came into a branch in another form: squashed, rebased, or through a merge
//! queue. Ids of commits are others then, and other files may have moved since; what was measured
//! must still be what is there, in every file that the patch touches.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::from_utf8;

use git2::Oid;
use outpace_record::{Baseline, Document, Kind, Verdict, record_id};
use outpace_text::short;

use super::{figures, files, proof};
use crate::message::Trailers;
use crate::{Commit, Repo, RepoError, check_policy, next_baseline};

/// What is said of such a commit.
const NOTE: &str = "squashed or rebased: the files that the patch touches are as measured";
const NOTE_MOVED: &str =
    "squashed or rebased: the files that the patch touches are as measured, others moved";

/// Verdicts about one patch against one base: one merge, as it was measured.
struct Merge<'a> {
    base: &'a str,
    verdicts: Vec<&'a (String, Verdict)>,
}

/// Proofs that a commit adds, and a note if all is well.
pub(super) struct Landed {
    pub(super) findings: Vec<String>,
    pub(super) note: Option<String>,
}

/// Record ids of the proofs that a commit with one parent adds, by their content.
pub(super) fn added(repo: &Repo, commit: &Commit) -> Result<Vec<String>, RepoError> {
    let [parent] = commit.parents.as_slice() else {
        return Ok(Vec::new());
    };
    let mut ids = Vec::new();
    for path in files::added_proofs(repo, parent, &commit.id)? {
        let bytes = repo.read(&commit.id, &path)?.unwrap_or_default();
        ids.push(record_id(&bytes));
    }
    Ok(ids)
}

/// Whether one of the proofs was measured against the commit's own parent.
pub(super) fn is_direct(repo: &Repo, commit: &Commit, added: &[String]) -> Result<bool, RepoError> {
    for id in added {
        if let Ok(verdict) = proof::verdict(repo, commit, id)?
            && commit.parents.contains(&verdict.base)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is wrong in a commit that adds these proofs and is not the merge that they are about.
pub(super) fn findings(
    repo: &Repo,
    commit: &Commit,
    added: &[String],
    trailers: &Trailers,
) -> Result<Landed, RepoError> {
    let parent = commit.parents.first().map_or("", String::as_str);
    let (config, mut findings) = proof::base_config(repo, parent)?;
    let claimed = trailers.verdicts.iter().filter(|id| !added.contains(id));
    findings.extend(claimed.map(|id| {
        format!(
            "its Outpace-Verdict {} is not among the proofs that it adds",
            short(id)
        )
    }));
    let mut verdicts = Vec::new();
    for id in added {
        match proof::verdict(repo, commit, id)? {
            Ok(verdict) => verdicts.push((id.clone(), verdict)),
            Err(finding) => findings.push(finding),
        }
    }
    let verdicts = in_order(repo, verdicts);
    if let Some(config) = &config {
        for (id, verdict) in &verdicts {
            let mut of_one = figures::findings(verdict, &config.gate);
            if !config.workload.contains_key(&verdict.workload) {
                of_one.push(format!("its base has no workload `{}`", verdict.workload));
            }
            findings.extend(
                of_one
                    .into_iter()
                    .map(|f| format!("verdict {}: {f}", short(id))),
            );
        }
        let measured = proof::with_baselines_of(repo, &commit.id, parent)?;
        let patch = repo.patch_between(parent, &measured)?;
        if let Err(violation) = check_policy(&patch, &config.policy) {
            findings.push(format!(
                "its patch breaks the policy of its base: {violation}"
            ));
        }
    }
    if !findings.is_empty() {
        return Ok(Landed {
            findings,
            note: None,
        });
    }
    let merges = merges(&verdicts);
    findings.extend(nothing_faster(&merges));
    let moved = same_files(repo, commit, parent, &merges, &mut findings)?;
    // Without the measured commits their order is not known.
    if findings.is_empty() {
        findings.extend(baselines(repo, commit, parent, &verdicts)?);
    }
    let note = if moved { NOTE_MOVED } else { NOTE };
    Ok(Landed {
        note: findings.is_empty().then(|| note.to_owned()),
        findings,
    })
}

/// In the order in which they were merged: each base holds the merges before it. Where a base is
/// not here, by their times.
fn in_order(repo: &Repo, mut left: Vec<(String, Verdict)>) -> Vec<(String, Verdict)> {
    left.sort_by_key(|(_, verdict)| verdict.finished);
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let holds = |a: &Verdict, b: &Verdict| {
            a.base != b.base && repo.is_ancestor(&b.base, &a.base).unwrap_or(false)
        };
        let is_first = |(_, a): &(String, Verdict)| !left.iter().any(|(_, b)| holds(a, b));
        let first = left.iter().position(is_first).unwrap_or(0);
        ordered.push(left.remove(first));
    }
    ordered
}

fn merges(verdicts: &[(String, Verdict)]) -> Vec<Merge<'_>> {
    let mut merges: Vec<Merge<'_>> = Vec::new();
    for verdict in verdicts {
        match merges.iter_mut().find(|merge| merge.base == verdict.1.base) {
            Some(merge) => merge.verdicts.push(verdict),
            None => merges.push(Merge {
                base: &verdict.1.base,
                verdicts: vec![verdict],
            }),
        }
    }
    merges
}

fn nothing_faster(merges: &[Merge<'_>]) -> Vec<String> {
    let is_proven = |merge: &&Merge<'_>| {
        let mut kinds = merge.verdicts.iter().map(|(_, verdict)| verdict.verdict);
        kinds.any(|kind| kind == Kind::Faster)
    };
    let unproven = merges.iter().filter(|merge| !is_proven(merge));
    unproven
        .map(|merge| {
            format!(
                "none of the verdicts against {} is `faster`",
                short(merge.base)
            )
        })
        .collect()
}

/// Holds the touched files against what was measured. True if other files moved.
fn same_files(
    repo: &Repo,
    commit: &Commit,
    parent: &str,
    merges: &[Merge<'_>],
    findings: &mut Vec<String>,
) -> Result<bool, RepoError> {
    let Some(first) = merges.first() else {
        return Ok(false);
    };
    let Ok(base) = repo.resolve(first.base) else {
        findings.push(not_here("base", first.base));
        return Ok(false);
    };
    let touched = touched(merges);
    for path in &touched {
        if entry(repo, &base.id, path)? != entry(repo, parent, path)? {
            findings.push(format!(
                "{path} is not what it was at {}, which was measured: gate the patch again",
                short(&base.id)
            ));
        }
    }
    let measured = proof::with_baselines_of(repo, &commit.id, parent)?;
    let patch = repo.patch_between(parent, &measured)?;
    if let [only] = merges {
        of_one_merge(only, &patch.sha256, findings);
    } else {
        of_several(repo, commit, merges, &touched, findings)?;
    }
    let others = patch
        .files
        .iter()
        .filter(|file| !touched.contains(&file.path));
    findings.extend(others.map(|file| {
        format!(
            "it changes {}, which none of its proofs is about",
            file.path
        )
    }));
    let without = proof::with_baselines_of(repo, parent, &base.id)?;
    Ok(without != base.tree)
}

/// One merge needs no objects but its base: the patch is the same patch.
fn of_one_merge(merge: &Merge<'_>, sha256: &str, findings: &mut Vec<String>) {
    for (id, verdict) in &merge.verdicts {
        let measured = verdict.patch_sha256.as_deref().unwrap_or("none");
        if measured != sha256 {
            findings.push(format!(
                "verdict {}: it is about patch {measured}, the commit has patch {sha256}",
                short(id)
            ));
        }
    }
}

/// Several merges in one commit: each must begin where the one before ended, and the last one's
/// files are those of the commit. That needs the trees that were measured.
fn of_several(
    repo: &Repo,
    commit: &Commit,
    merges: &[Merge<'_>],
    touched: &BTreeSet<String>,
    findings: &mut Vec<String>,
) -> Result<(), RepoError> {
    let mut before: Option<&str> = None;
    for merge in merges {
        let Ok(base) = repo.resolve(merge.base) else {
            findings.push(not_here("base", merge.base));
            return Ok(());
        };
        let tree = merge
            .verdicts
            .iter()
            .find_map(|(_, v)| v.candidate_tree.as_deref());
        let Some(tree) = tree.filter(|tree| repo.tree(tree).is_ok()) else {
            findings.push(not_here("tree", tree.unwrap_or("that was measured")));
            return Ok(());
        };
        if let Some(before) = before {
            let begins = proof::with_baselines_of(repo, &base.id, before)?;
            if begins != before {
                findings.push(format!(
                    "the proof against {} does not begin where the one before it ended",
                    short(merge.base)
                ));
            }
        }
        let patch = repo.patch_between(&proof::with_baselines_of(repo, &base.id, tree)?, tree)?;
        of_one_merge(merge, &patch.sha256, findings);
        before = Some(tree);
    }
    let last = before.unwrap_or_default();
    for path in touched {
        if entry(repo, &commit.id, path)? != entry(repo, last, path)? {
            findings.push(format!("{path} is not what was measured last"));
        }
    }
    Ok(())
}

fn touched(merges: &[Merge<'_>]) -> BTreeSet<String> {
    let verdicts = merges.iter().flat_map(|merge| &merge.verdicts);
    let stats = verdicts.filter_map(|(_, verdict)| verdict.patch.as_ref());
    stats
        .flat_map(|patch| patch.files.iter().cloned())
        .collect()
}

/// Content and mode of a path, if it is there.
fn entry(repo: &Repo, tree: &str, path: &str) -> Result<Option<(Oid, i32)>, RepoError> {
    let tree = repo.tree(tree)?;
    let entry = tree.get_path(Path::new(path)).ok();
    Ok(entry.map(|entry| (entry.id(), entry.filemode())))
}

/// The baselines must follow from those of the parent and the proofs, in their order.
fn baselines(
    repo: &Repo,
    commit: &Commit,
    parent: &str,
    verdicts: &[(String, Verdict)],
) -> Result<Vec<String>, RepoError> {
    let mut expected: BTreeMap<String, Option<Baseline>> = BTreeMap::new();
    let read = |tree: &str, path: &str| repo.read(tree, path);
    for (id, verdict) in verdicts {
        let path = Baseline::path(&verdict.machine_class, &verdict.workload);
        if !expected.contains_key(&path) {
            let before = read(parent, &path)?;
            let before = before.and_then(|bytes| Baseline::from_json(from_utf8(&bytes).ok()?).ok());
            expected.insert(path.clone(), before);
        }
        let old = expected.get(&path).cloned().flatten();
        if verdict.verdict == Kind::Faster || old.is_none() {
            expected.insert(path, Some(next_baseline(old, verdict, id)));
        }
    }
    let mut findings = Vec::new();
    for path in files::changed(repo, parent, &commit.id)? {
        let now = read(&commit.id, &path)?;
        match expected.get(&path) {
            Some(Some(baseline)) if now.as_deref() == Some(baseline.to_json().as_bytes()) => {}
            Some(_) => findings.push(format!(
                "baseline {path} does not follow from the one before and the proofs"
            )),
            None if path.starts_with(crate::proof::PROOFS) => {}
            None => findings.push(format!(
                "it changes {path}, which none of its proofs is about"
            )),
        }
    }
    Ok(findings)
}

fn not_here(what: &str, id: &str) -> String {
    format!(
        "the {what} {} that was measured is not in this clone. Hint: fetch the branch that it was \
         measured on; GitHub keeps that of a pull request: `git fetch origin refs/pull/N/head`",
        short(id)
    )
}
