//! The error budget of a branch, and trials that go on from earlier ones. Both are in the history:
//! a `test` is written before the first block of a comparison, and a `test-result` at its end.

use std::collections::{BTreeMap, BTreeSet};

use outpace_record::{Document, Kind, Test, TestIndex, TestResult, Verdict};
use outpace_repo::Repo;
use outpace_text::counted;
use outpace_trial::Earlier;

use crate::verdict::now;
use crate::{GateError, unfinished};

/// Kinds of records.
const VERDICT: &str = "verdict";
const TEST: &str = "test";
const RESULT: &str = "test-result";

/// What the history knows of comparisons that were timed.
struct Books {
    /// By record id, oldest first.
    tests: Vec<(String, Test)>,
    /// By the id of the test.
    results: BTreeMap<String, TestResult>,
}

impl Books {
    fn read(repo: &Repo) -> Result<Self, GateError> {
        let history = repo.history();
        let mut tests: Vec<(String, Test)> = history.documents(TEST)?;
        tests.sort_by_key(|(_, test)| test.started);
        let results = history.documents(RESULT)?.into_iter();
        let by_test = |(_, result): (String, TestResult)| (result.test.clone(), result);
        Ok(Self {
            tests,
            results: results.map(by_test).collect(),
        })
    }

    fn verdict(&self, id: &str) -> Option<Kind> {
        self.results.get(id).map(|result| result.verdict)
    }
}

/// The next place in the error budget of a branch, as this history knows it. `before`: tests and
/// discoveries that it does not hold, of a campaign that was begun by an outpace without it.
///
/// # Errors
/// The history cannot be read.
pub fn next_test(
    repo: &Repo,
    branch: &str,
    fdr: f64,
    campaign: Option<&str>,
    before: (u64, u64),
) -> Result<TestIndex, GateError> {
    let books = Books::read(repo)?;
    let (mut tests, mut proven, mut refused) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (id, test) in &books.tests {
        let Some(key) = test.candidate_of(branch) else {
            continue;
        };
        tests.insert(key);
        match books.verdict(id) {
            Some(Kind::Faster) => proven.insert(key),
            // On another workload: the candidate as a whole is not proven.
            Some(Kind::Slower | Kind::Rejected) => refused.insert(key),
            _ => false,
        };
    }
    Ok(TestIndex {
        branch: branch.to_owned(),
        index: before.0 + tests.len() as u64 + 1,
        discoveries: before.1 + proven.difference(&refused).count() as u64,
        fdr,
        campaign: campaign.map(str::to_owned),
    })
}

/// An earlier trial of the same comparison that proved nothing: the verdict with its samples, and
/// the index that it was judged with.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) verdict: Verdict,
    pub(crate) id: String,
    pub(crate) test: Option<TestIndex>,
}

impl Before {
    /// How much it measured.
    pub(crate) fn samples(&self) -> String {
        match self.verdict.runs.len() {
            0 => counted(self.verdict.blocks.len(), "block"),
            seeds => counted(seeds, "seed"),
        }
    }

    pub(crate) fn measured(&self) -> Earlier {
        let verdict = &self.verdict;
        Earlier {
            blocks: verdict.blocks.clone(),
            alone: verdict.alone.clone(),
            seeds: verdict.runs.clone(),
            equal_steps: verdict.target.map(|target| target.equal_steps),
            confirmed_steps: verdict.target.is_some_and(|target| target.confirmed_steps),
            layout: Some([verdict.steps_per_turn.max(1), verdict.warmup_turns]),
        }
    }
}

/// The trial that a new one goes on from. None where the last one was killed or failed and lost its
/// samples: to go on from an older one would leave them out, as if nobody had looked. A test of
/// a branch goes on from one of the same branch alone: what was measured without an index, or for
/// another branch, was chosen among trials that did not count.
pub(crate) fn before(repo: &Repo, test: &Test) -> Result<Option<Before>, GateError> {
    let books = Books::read(repo)?;
    let mut same = books.tests.iter().rev();
    let Some((id, last)) = same.find(|(_, other)| other.asks_the_same(test)) else {
        return Ok(None);
    };
    let branch = |test: &Test| test.test.as_ref().map(|index| index.branch.clone());
    if branch(test).is_some_and(|own| branch(last) != Some(own)) {
        return Ok(None);
    }
    let settled = [Kind::Faster, Kind::Rejected];
    let result = match books.results.get(id).cloned() {
        None => cut_off(repo, id)?,
        result => result,
    };
    let Some(result) = result.filter(|result| !settled.contains(&result.verdict)) else {
        return Ok(None);
    };
    // Pruned, or of a clone that did not push it.
    let Ok(json) = repo.history().get(&result.record) else {
        return Ok(None);
    };
    let verdict = Verdict::from_json(&json).ok();
    let verdict = verdict.filter(|verdict| !(verdict.blocks.is_empty() && verdict.runs.is_empty()));
    Ok(verdict.map(|verdict| Before {
        verdict,
        id: result.record.clone(),
        test: last.test.clone(),
    }))
}

/// Writes down that a comparison is timed; returns the record's id.
pub(crate) fn open(repo: &Repo, test: &Test) -> Result<String, GateError> {
    Ok(repo.history().add(TEST, test, test.started)?)
}

/// Writes down what a test had measured when it was killed or failed, where it kept that.
fn cut_off(repo: &Repo, test: &str) -> Result<Option<TestResult>, GateError> {
    let Some(verdict) = unfinished::find(repo, test) else {
        return Ok(None);
    };
    let record = repo.history().add(VERDICT, &verdict, verdict.finished)?;
    Ok(Some(close(
        repo,
        test.to_owned(),
        (verdict.verdict, record),
    )?))
}

/// Writes down how it ended: as which verdict, in which record.
pub(crate) fn close(
    repo: &Repo,
    test: String,
    (verdict, record): (Kind, String),
) -> Result<TestResult, GateError> {
    let result = TestResult {
        schema: TestResult::SCHEMA.into(),
        test,
        verdict,
        record,
        finished: now(),
    };
    repo.history().add(RESULT, &result, result.finished)?;
    unfinished::forget(repo, &result.test);
    Ok(result)
}
