//! The error budget of a branch: each candidate that was timed for it has an index of its own, and
//! a later one a larger index, with the threshold that follows from it. What was timed and not
//! merged is in the history, where this clone has it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use outpace_record::{Test, TestIndex, Verdict};
use outpace_text::short;

use crate::{Commit, Repo};

/// Kind of record.
const TEST: &str = "test";
/// A threshold may be smaller than the recomputed one by this share.
const TOLERANCE: f64 = 1e-9;

/// What is known of the budgets of branches, from the merges so far and the history.
pub(super) struct Budgets<'r> {
    repo: &'r Repo,
    /// Read when the first merge with an index comes.
    tests: OnceCell<Vec<Test>>,
    /// By branch: the index that was spent last, and the commit that spent it.
    last: BTreeMap<String, (u64, String)>,
    /// By branch and index: the tree that it was spent for, and the commit.
    spent: BTreeMap<(String, u64), (Option<String>, String)>,
}

impl<'r> Budgets<'r> {
    pub(super) fn of(repo: &'r Repo) -> Self {
        Self {
            repo,
            tests: OnceCell::new(),
            last: BTreeMap::new(),
            spent: BTreeMap::new(),
        }
    }

    /// What is wrong in the budget of a merge that these verdicts prove, which comes after all that
    /// were asked about before.
    pub(super) fn findings(&mut self, commit: &Commit, verdicts: &[Verdict]) -> BTreeSet<String> {
        let mut findings = self.findings_of_each(commit, verdicts.iter());
        if let Some(test) = verdicts.iter().filter_map(index_of).next_back() {
            findings.extend(self.out_of_order(test));
            let spent = (test.index, commit.id.clone());
            self.last.insert(test.branch.clone(), spent);
        }
        findings
    }

    /// The same of a commit that came in another form, in which order is no sign: what was measured
    /// first may land last.
    pub(super) fn findings_of_each<'v>(
        &mut self,
        commit: &Commit,
        verdicts: impl Iterator<Item = &'v Verdict>,
    ) -> BTreeSet<String> {
        let mut findings = BTreeSet::new();
        for verdict in verdicts {
            // Records of before budgets of branches have no such field.
            let is_new = verdict.bound_blocks.is_some();
            let was_timed = verdict.n_blocks > 0 || !verdict.runs.is_empty();
            if is_new && was_timed && verdict.test.is_none() {
                findings
                    .insert("its proof has no index in the error budget of a branch".to_owned());
            }
            let Some(test) = index_of(verdict) else {
                continue;
            };
            findings.extend(too_weak(verdict, test));
            findings.extend(self.not_counted(verdict, test));
            findings.extend(self.spent_twice(commit, verdict, test));
        }
        findings
    }

    fn spent_twice(
        &mut self,
        commit: &Commit,
        verdict: &Verdict,
        test: &TestIndex,
    ) -> Option<String> {
        let tree = &verdict.candidate_tree;
        let index = (test.branch.clone(), test.index);
        let mine = || (tree.clone(), commit.id.clone());
        let (of, by) = self.spent.entry(index).or_insert_with(mine);
        (of != tree).then(|| {
            format!(
                "it has index {} in the error budget of {}, which commit {} spent for another tree",
                test.index,
                test.branch,
                short(by)
            )
        })
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
        let candidates = || {
            let of_branch = |other| Some((other, Test::candidate_of(other, &test.branch)?));
            self.tests().iter().filter_map(of_branch)
        };
        let is_own = |(index, _, tree): &(u64, &str, &str)| {
            *index == test.index && Some(*tree) == verdict.candidate_tree.as_deref()
        };
        let (own, key) = candidates().find(|(_, key)| is_own(key))?;
        let before = candidates().filter(|(other, _)| other.started < own.started);
        let mut before: BTreeSet<_> = before.map(|(_, key)| key).collect();
        before.remove(&key);
        (before.len() as u64 >= test.index).then(|| {
            format!(
                "it has index {} in the error budget of {}, and the history has {} candidates \
                 before it",
                test.index,
                test.branch,
                before.len()
            )
        })
    }

    /// A clone may have no history, and one that cannot be read proves no more: then the merges
    /// alone speak.
    fn tests(&self) -> &[Test] {
        self.tests.get_or_init(|| {
            let tests = self.repo.history().documents(TEST).unwrap_or_default();
            tests.into_iter().map(|(_, test)| test).collect()
        })
    }
}

/// Its place in the budget of a branch; campaigns of before had budgets of their own.
fn index_of(verdict: &Verdict) -> Option<&TestIndex> {
    verdict.test.as_ref().filter(|test| !test.branch.is_empty())
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
