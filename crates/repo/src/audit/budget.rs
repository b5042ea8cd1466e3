//! The error budget of a branch: each candidate that was timed for it has an index of its own, and
//! a later one a larger index, with the threshold that follows from it. What was timed and not
//! merged is in the history, where this clone has it.

use std::collections::{BTreeMap, BTreeSet};

use outpace_record::{Test, TestIndex, Verdict};
use outpace_text::short;

use crate::message::Trailers;
use crate::{Commit, Repo, RepoError};

use super::proof;

/// Kind of record.
const TEST: &str = "test";
/// A threshold may be smaller than the recomputed one by this share.
const TOLERANCE: f64 = 1e-9;

/// What is known of the budgets of branches, from the merges so far and the history.
pub(super) struct Budgets {
    tests: Vec<Test>,
    /// By branch: the index that was spent last, and the commit that spent it.
    last: BTreeMap<String, (u64, String)>,
}

impl Budgets {
    /// A clone may have no history, and one that cannot be read proves no more: then the merges
    /// alone speak.
    pub(super) fn read(repo: &Repo) -> Self {
        let tests: Vec<(String, Test)> = repo.history().documents(TEST).unwrap_or_default();
        Self {
            tests: tests.into_iter().map(|(_, test)| test).collect(),
            last: BTreeMap::new(),
        }
    }

    /// What is wrong in the budget of a merge, which comes after all that were asked about before.
    pub(super) fn findings(
        &mut self,
        repo: &Repo,
        commit: &Commit,
        trailers: &Trailers,
    ) -> Result<Vec<String>, RepoError> {
        let mut findings = BTreeSet::new();
        let mut own = None;
        for id in &trailers.verdicts {
            // One that cannot be read is a finding elsewhere.
            let Ok(verdict) = proof::verdict(repo, commit, id)? else {
                continue;
            };
            let Some(test) = verdict.test.clone().filter(|test| !test.branch.is_empty()) else {
                continue;
            };
            findings.extend(too_weak(&verdict, &test));
            findings.extend(self.not_counted(&verdict, &test));
            own = Some(test);
        }
        if let Some(test) = own {
            findings.extend(self.out_of_order(&test));
            let spent = (test.index, commit.id.clone());
            self.last.insert(test.branch, spent);
        }
        Ok(findings.into_iter().collect())
    }

    fn out_of_order(&self, test: &TestIndex) -> Option<String> {
        let (last, commit) = self.last.get(&test.branch)?;
        (test.index <= *last).then(|| {
            format!(
                "it has index {} in the error budget of {}, and commit {} before it index {last}: \
                 one was not counted",
                test.index,
                test.branch,
                short(commit)
            )
        })
    }

    /// The history has more candidates before it than it counts.
    fn not_counted(&self, verdict: &Verdict, test: &TestIndex) -> Option<String> {
        let of_branch = |other: &&Test| {
            let index = other.test.as_ref();
            index.is_some_and(|index| index.branch == test.branch)
        };
        let of_branch: Vec<&Test> = self.tests.iter().filter(of_branch).collect();
        let own = of_branch.iter().find(|other| {
            let index = other.test.as_ref().map(|index| index.index);
            Some(&other.tree) == verdict.candidate_tree.as_ref() && index == Some(test.index)
        })?;
        let key = |test: &Test| {
            let index = test.test.as_ref().map(|index| index.index);
            (index, test.base_tree.clone(), test.tree.clone())
        };
        let before = of_branch.iter().filter(|test| test.started < own.started);
        let before: BTreeSet<_> = before.map(|test| key(test)).collect();
        let before = before.iter().filter(|before| **before != key(own)).count() as u64;
        (before >= test.index).then(|| {
            format!(
                "it has index {} in the error budget of {}, and the history has {before} \
                 candidates before it",
                test.index, test.branch
            )
        })
    }
}

/// The threshold follows from the index and from the discoveries, of which there are fewer.
fn too_weak(verdict: &Verdict, test: &TestIndex) -> Option<String> {
    if test.index == 0 || test.discoveries >= test.index {
        return Some(format!(
            "it counts {} discoveries before index {}",
            test.discoveries, test.index
        ));
    }
    let needed = test.threshold();
    let holds = verdict.threshold >= needed * (1.0 - TOLERANCE);
    (!holds).then(|| {
        format!(
            "its threshold {} is weaker than {needed}, which its index {} in the error budget of \
             {} needs",
            verdict.threshold, test.index, test.branch
        )
    })
}
