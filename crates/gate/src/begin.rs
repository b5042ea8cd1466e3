//! Before the first sample: the test is written down, and what it goes on from is found.

use outpace_record::{Document, Event, Observer, Test, Track};
use outpace_text::short;
use outpace_trial::Settings;

use crate::budget::{self, Before};
use crate::candidate::{Candidate, Spent};
use crate::data::data_of;
use crate::verdict::{Draft, now};
use crate::{GateError, Harness};

/// Writes down that timing begins, and what it goes on from.
pub(crate) fn begin_test(
    harness: &Harness<'_>,
    candidate: &Candidate<'_>,
    draft: &mut Draft,
    spent: &mut Spent,
    observer: &mut dyn Observer,
) -> Result<Settings, GateError> {
    let request = candidate.request;
    let mut test = test_of(harness, candidate, draft.workload());
    let before = match request.aa {
        true => None,
        false => budget::before(harness.repo, &test)?,
    };
    // With other data it is another question.
    let same_data = |before: &Before| data_of(&before.verdict.checks) == draft.data();
    let before = before.filter(same_data);
    let mut asked = request.rule;
    if let Some(before) = &before {
        let mut with = String::new();
        if let (Some(_), Some(first)) = (&request.test, &before.test) {
            let threshold = first.threshold().max(1.0 / asked.alpha);
            asked.threshold = Some(threshold);
            test.test = Some(first.clone());
            with = format!(
                ": they count, and so does its place in the budget, number {}, which needs an \
                 e-value of {threshold:.0}",
                first.index
            );
        }
        observer.on(&Event::Note {
            text: format!(
                "{}: goes on from {} of {}, which proved nothing{with}",
                test.workload,
                before.samples(),
                short(&before.id)
            ),
        });
    }
    let mut rule = asked.for_one_of(request.workloads.len());
    let earlier = before.as_ref().map(Before::measured).unwrap_or_default();
    match draft.track() {
        Track::Throughput => {
            rule.earlier_blocks = earlier.blocks.len();
            rule.max_blocks += rule.earlier_blocks;
        }
        Track::TimeToLoss => rule.max_blocks += earlier.seeds.len(),
    }
    spent.before = before.map(|before| (before.verdict.verdict, before.id));
    draft.set_test(&rule, test.test.clone());
    // The base against itself is no candidate.
    if !request.aa {
        spent.test = Some(budget::open(harness.repo, &test)?);
    }
    Ok(Settings {
        earlier,
        ..harness.settings(&test.workload, rule, request.seed)?
    })
}

/// What is asked, for the history.
fn test_of(harness: &Harness<'_>, candidate: &Candidate<'_>, workload: &str) -> Test {
    let request = candidate.request;
    Test {
        schema: Test::SCHEMA.into(),
        test: request.test.clone(),
        base_tree: candidate.base.tree.clone(),
        tree: candidate.tree.clone(),
        workload: workload.to_owned(),
        machine_class: harness.machine.class(),
        min_speedup: request.rule.min_speedup,
        margin: request.rule.margin,
        started: now(),
        seed: request.seed,
    }
}
