//! What commits may change below baselines/: a merge adds its own proofs and baselines, other
//! commits change no record, and a proof stays as it is.

use std::collections::BTreeMap;
use std::path::Path;

use git2::Oid;

use crate::message::Trailers;
use crate::proof::{BASELINES, PROOFS};
use crate::{Commit, Repo, RepoError, paths, proof_path};

type Files = BTreeMap<String, Oid>;

/// The files below baselines/ of a commit and of its parents.
pub(super) struct Records {
    here: Files,
    parents: Vec<Files>,
}

impl Records {
    pub(super) fn of(repo: &Repo, commit: &Commit) -> Result<Self, RepoError> {
        let parents = commit.parents.iter();
        Ok(Self {
            parents: parents
                .map(|id| record_files(repo, id))
                .collect::<Result<_, _>>()?,
            here: record_files(repo, &commit.id)?,
        })
    }

    /// What a commit may not do below baselines/, and does. `audit::proof` checks which baselines a
    /// verdict may write.
    pub(super) fn findings(&self, trailers: &Trailers) -> Vec<String> {
        match self.parents.as_slice() {
            [] => of_plain_commit(&self.here, &Files::new(), trailers),
            [before] => of_plain_commit(&self.here, before, trailers),
            parents => of_merge(&self.here, parents),
        }
    }

    /// Proofs that a commit with one parent has and the parent has not.
    pub(super) fn added_proofs(&self) -> Vec<&str> {
        let [before] = self.parents.as_slice() else {
            return Vec::new();
        };
        let is_new = |path: &&String| {
            path.starts_with(PROOFS) && is_record(path) && !before.contains_key(*path)
        };
        self.here
            .keys()
            .filter(is_new)
            .map(String::as_str)
            .collect()
    }
}

/// The JSON files below baselines/ that one commit changes.
pub(super) fn changed(repo: &Repo, parent: &str, commit: &str) -> Result<Vec<String>, RepoError> {
    let (before, here) = (record_files(repo, parent)?, record_files(repo, commit)?);
    let differs = |path: &&String| before.get(*path) != here.get(*path);
    let mut paths: Vec<String> = before
        .keys()
        .chain(here.keys())
        .filter(|path| is_record(path))
        .filter(differs)
        .cloned()
        .collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn of_plain_commit(here: &Files, before: &Files, trailers: &Trailers) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, id) in before.iter().filter(|(path, _)| path.starts_with(PROOFS)) {
        match here.get(path) {
            Some(now) if now == id => {}
            Some(_) => findings.push(format!("it rewrites the committed proof {path}")),
            None => findings.push(format!("it removes the committed proof {path}")),
        }
    }
    let own: Vec<String> = trailers.verdicts.iter().map(|id| proof_path(id)).collect();
    let written = here
        .iter()
        .filter(|(path, id)| before.get(*path) != Some(*id))
        .map(|(path, _)| path);
    let removed = before.keys().filter(|path| !here.contains_key(*path));
    for path in written.chain(removed) {
        if !is_record(path) {
            // People may keep notes there. A merge may not: its patch and tree are judged without
            // this directory.
            if !own.is_empty() {
                findings.push(format!("it writes {path}, which is not a record"));
            }
            continue;
        }
        let proof = path.starts_with(PROOFS);
        if proof && !before.contains_key(path) && !own.contains(path) {
            findings.push(format!(
                "it adds the proof {path} without an Outpace-Verdict trailer for it"
            ));
        } else if !proof && own.is_empty() {
            findings.push(format!("it changes {path} without a verdict"));
        }
    }
    findings
}

/// In a merge of branches each file is that of a parent, and no proof of a parent is lost.
fn of_merge(here: &Files, parents: &[Files]) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, id) in here.iter().filter(|(path, _)| is_record(path)) {
        if !parents.iter().any(|parent| parent.get(path) == Some(id)) {
            findings.push(format!("the merge changes {path} without a verdict"));
        }
    }
    for (path, id) in parents
        .iter()
        .flatten()
        .filter(|(path, _)| path.starts_with(PROOFS))
    {
        match here.get(path) {
            Some(now) if now == id => {}
            Some(_) => findings.push(format!("the merge rewrites the committed proof {path}")),
            None => findings.push(format!("the merge removes the committed proof {path}")),
        }
    }
    findings.sort();
    findings.dedup();
    findings
}

fn is_record(path: &str) -> bool {
    path.ends_with(".json")
}

/// All files below baselines/.
fn record_files(repo: &Repo, commit: &str) -> Result<Files, RepoError> {
    let tree = repo.tree(commit)?;
    let Ok(entry) = tree.get_path(Path::new(BASELINES)) else {
        return Ok(Files::new());
    };
    let Ok(folder) = repo.git.find_tree(entry.id()) else {
        return Ok(Files::new());
    };
    let files = repo.files_of(&folder)?.into_iter();
    let named = files.map(|file| (format!("{BASELINES}/{}", paths::name(&file.path)), file.id));
    Ok(named.collect())
}
