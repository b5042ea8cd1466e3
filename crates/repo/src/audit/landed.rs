//! Proven merges that came into a branch in another form: squashed, rebased, or through a merge
//! queue. Ids of commits are others then, and other files may have moved since; what was measured
//! must still be what is there, in every file that the patch touches.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use git2::Oid;
use outpace_record::{Baseline, Document, Kind, Verdict, record_id};
use outpace_text::short;

use super::files::{self, Records};
use super::proof;
use crate::message::Trailers;
use crate::proof::PROOFS;
use crate::{Commit, Patch, Repo, RepoError, next_baseline};

/// What is said of such a commit.
const NOTE: &str = "squashed or rebased: the files that the patch touches are as measured";
const NOTE_MOVED: &str =
    "squashed or rebased: the files that the patch touches are as measured, others moved";

/// Verdicts about one patch against one base: one merge, as it was measured.
struct Merge<'a> {
    base: &'a str,
    verdicts: Vec<&'a (String, Verdict)>,
}

/// A commit that adds proofs and is not the merge that they are about.
pub(super) struct Landed<'a> {
    repo: &'a Repo,
    commit: &'a Commit,
    parent: &'a str,
    /// What it changes besides baselines/.
    patch: Patch,
    /// The proofs, by their ids, in the order in which they were merged.
    verdicts: Vec<(String, Verdict)>,
    /// Proofs that cannot be read, and why.
    unreadable: Vec<(String, String)>,
}

impl<'a> Landed<'a> {
    /// A commit in that light; nothing if it adds no proof, or claims to be the very merge.
    pub(super) fn of(
        repo: &'a Repo,
        commit: &'a Commit,
        records: &Records,
        trailers: &Trailers,
    ) -> Result<Option<Self>, RepoError> {
        let added = records.added_proofs();
        let [parent] = commit.parents.as_slice() else {
            return Ok(None);
        };
        if added.is_empty() || trailers.bases == commit.parents {
            return Ok(None);
        }
        let (mut verdicts, mut unreadable) = (Vec::new(), Vec::new());
        for path in added {
            let id = record_id(&repo.read(&commit.id, path)?.unwrap_or_default());
            match proof::verdict(repo, commit, &id)? {
                Ok(verdict) => verdicts.push((id, verdict)),
                Err(why) => unreadable.push((id, why)),
            }
        }
        // A squashed one may lack trailers or have those of several merges, a rebased one has those
        // of another base.
        let is_direct = verdicts.iter().any(|(_, verdict)| verdict.base == *parent);
        let claims_one = !trailers.verdicts.is_empty() && trailers.bases.len() < 2;
        if claims_one && (trailers.bases.is_empty() || is_direct) {
            return Ok(None);
        }
        let measured = proof::with_baselines_of(repo, &commit.id, parent)?;
        Ok(Some(Self {
            repo,
            commit,
            parent,
            patch: repo.patch_between(parent, &measured)?,
            verdicts: in_order(repo, verdicts),
            unreadable,
        }))
    }

    /// The record ids of the proofs.
    pub(super) fn ids(&self) -> Vec<String> {
        let unreadable = self.unreadable.iter().map(|(id, _)| id);
        let ids = self.verdicts.iter().map(|(id, _)| id).chain(unreadable);
        ids.cloned().collect()
    }

    /// What they say.
    pub(super) fn verdicts(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().map(|(_, verdict)| verdict)
    }

    /// What is wrong.
    pub(super) fn findings(&self, trailers: &Trailers) -> Result<Vec<String>, RepoError> {
        let mut findings = self.of_proofs(trailers)?;
        if !findings.is_empty() {
            return Ok(findings);
        }
        let merges = merges(&self.verdicts);
        findings.extend(nothing_faster(&merges));
        findings.extend(self.same_files(&merges)?);
        // Without the measured commits their order is not known.
        if findings.is_empty() {
            findings.extend(self.baselines()?);
        }
        Ok(findings)
    }

    /// What is said of it where nothing is wrong.
    pub(super) fn note(&self) -> Result<&'static str, RepoError> {
        let Some((_, first)) = self.verdicts.first() else {
            return Ok(NOTE);
        };
        let base = self.repo.resolve(&first.base)?;
        let without = proof::with_baselines_of(self.repo, self.parent, &base.id)?;
        Ok(match without == base.tree {
            true => NOTE,
            false => NOTE_MOVED,
        })
    }

    /// What is wrong in each proof by itself, and in the patch by the policy.
    fn of_proofs(&self, trailers: &Trailers) -> Result<Vec<String>, RepoError> {
        let (config, mut findings) = proof::base_config(self.repo, self.parent)?;
        let ids = self.ids();
        let claimed = trailers.verdicts.iter().filter(|id| !ids.contains(id));
        findings.extend(claimed.map(|id| {
            format!(
                "its Outpace-Verdict {} is not among the proofs that it adds",
                short(id)
            )
        }));
        findings.extend(self.unreadable.iter().map(|(_, why)| why.clone()));
        if let Some(config) = &config {
            for (id, verdict) in &self.verdicts {
                let of_one = proof::against_gate(verdict, config).into_iter();
                findings.extend(of_one.map(|f| format!("verdict {}: {f}", short(id))));
            }
            findings.extend(proof::broken_policy(&self.patch, config));
        }
        Ok(findings)
    }

    /// Holds the touched files against what was measured.
    fn same_files(&self, merges: &[Merge<'_>]) -> Result<Vec<String>, RepoError> {
        let mut findings = Vec::new();
        let Some(first) = merges.first() else {
            return Ok(findings);
        };
        let Ok(base) = self.repo.resolve(first.base) else {
            return Ok(vec![not_here("base", first.base)]);
        };
        let touched = touched(merges);
        for path in &touched {
            if entry(self.repo, &base.id, path)? != entry(self.repo, self.parent, path)? {
                findings.push(format!(
                    "{path} is not what it was at {}, which was measured: gate the patch again",
                    short(&base.id)
                ));
            }
        }
        match merges {
            [only] => findings.extend(of_one_merge(only, &self.patch.sha256)),
            several => findings.extend(self.of_several(several, &touched)?),
        }
        let files = self.patch.files.iter();
        let others = files.filter(|file| !touched.contains(&file.path));
        findings.extend(others.map(|file| not_about(&file.path)));
        Ok(findings)
    }

    /// Several merges in one commit: each must begin where the one before ended, and the last one's
    /// files are those of the commit. That needs the trees that were measured.
    fn of_several(
        &self,
        merges: &[Merge<'_>],
        touched: &BTreeSet<String>,
    ) -> Result<Vec<String>, RepoError> {
        let repo = self.repo;
        let (mut findings, mut before) = (Vec::new(), None);
        for merge in merges {
            let Ok(base) = repo.resolve(merge.base) else {
                findings.push(not_here("base", merge.base));
                return Ok(findings);
            };
            let mut trees = merge.verdicts.iter().map(|(_, v)| &v.candidate_tree);
            let tree = trees.find_map(|tree| tree.as_deref());
            let Some(tree) = tree.filter(|tree| repo.tree(tree).is_ok()) else {
                findings.push(not_here("tree", tree.unwrap_or("that was measured")));
                return Ok(findings);
            };
            if let Some(before) = before
                && proof::with_baselines_of(repo, &base.id, before)? != before
            {
                findings.push(format!(
                    "the proof against {} does not begin where the one before it ended",
                    short(merge.base)
                ));
            }
            let begins = proof::with_baselines_of(repo, &base.id, tree)?;
            let patch = repo.patch_between(&begins, tree)?;
            findings.extend(of_one_merge(merge, &patch.sha256));
            before = Some(tree);
        }
        let last = before.unwrap_or_default();
        for path in touched {
            if entry(repo, &self.commit.id, path)? != entry(repo, last, path)? {
                findings.push(format!("{path} is not what was measured last"));
            }
        }
        Ok(findings)
    }

    /// The baselines must follow from those of the parent and the proofs, in their order.
    fn baselines(&self) -> Result<Vec<String>, RepoError> {
        let mut expected: BTreeMap<String, Option<Baseline>> = BTreeMap::new();
        for (id, verdict) in &self.verdicts {
            let path = Baseline::path(&verdict.machine_class, &verdict.workload);
            if !expected.contains_key(&path) {
                let before = self.repo.read(self.parent, &path)?;
                let text = before.and_then(|bytes| String::from_utf8(bytes).ok());
                let before = text.and_then(|text| Baseline::from_json(&text).ok());
                expected.insert(path.clone(), before);
            }
            let old = expected.get(&path).cloned().flatten();
            if verdict.verdict == Kind::Faster || old.is_none() {
                expected.insert(path, Some(next_baseline(old, verdict, id)));
            }
        }
        let mut findings = Vec::new();
        for path in files::changed(self.repo, self.parent, &self.commit.id)? {
            let now = self.repo.read(&self.commit.id, &path)?;
            match expected.get(&path) {
                Some(Some(baseline)) if now.as_deref() == Some(baseline.to_json().as_bytes()) => {}
                Some(_) => findings.push(format!(
                    "baseline {path} does not follow from the one before and the proofs"
                )),
                None if path.starts_with(PROOFS) => {}
                None => findings.push(not_about(&path)),
            }
        }
        Ok(findings)
    }
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

/// One merge needs no objects but its base: the patch is the same patch.
fn of_one_merge(merge: &Merge<'_>, sha256: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (id, verdict) in &merge.verdicts {
        let measured = verdict.patch_sha256.as_deref().unwrap_or("none");
        if measured != sha256 {
            findings.push(format!(
                "verdict {}: it is about patch {measured}, the commit has patch {sha256}",
                short(id)
            ));
        }
    }
    findings
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

fn not_here(what: &str, id: &str) -> String {
    format!(
        "the {what} {} that was measured is not in this clone. Hint: fetch the branch that it was \
         measured on; GitHub keeps that of a pull request: `git fetch origin refs/pull/N/head`",
        short(id)
    )
}

fn not_about(path: &str) -> String {
    format!("it changes {path}, which none of its proofs is about")
}
