//! Fresh trials of two commits: the proof of a change, and the questions of a bisection.

use anyhow::Result;
use outpace_gate::{Beside, Harness, Unmeasured};
use outpace_record::{Block, Change, ChangeState, Document, Stage};
use outpace_repo::{Commit, Repo};
use outpace_stats::block_log_ratio;
use outpace_text::{plain, short};
use outpace_track::{Finding, MIN_CHANGE, Proof, Series};

use crate::options::fresh_seed;
use crate::setup::{VERSION, now};
use crate::ui::Terminal;

/// Two commits beside each other.
pub(crate) enum Measured {
    /// They were timed.
    Timed {
        /// Raw samples, base first.
        blocks: Vec<Block>,
        /// Artefact identity of the revision.
        artefact: String,
    },
    /// The revision's artefact is one that need not be timed.
    Known(String),
    /// The base or the revision fails.
    Fails(Failing),
}

/// Which commit fails, and how.
pub(crate) struct Failing {
    pub(crate) is_base: bool,
    pub(crate) stage: Stage,
    pub(crate) reason: String,
}

impl Failing {
    /// A line about it.
    pub(crate) fn describe(&self, [base, revision]: [&Commit; 2]) -> String {
        let commit = if self.is_base { base } else { revision };
        let line = plain(self.reason.lines().next().unwrap_or_default(), 160);
        format!("{} {}: {line}", short(&commit.id), self.stage.as_str())
    }
}

/// Measures until `enough` has an answer.
pub(crate) fn beside(
    harness: &mut Harness<'_>,
    workload: &str,
    [base, revision]: [&Commit; 2],
    known: &[String],
    seed: u64,
    enough: &mut dyn FnMut(&[Block]) -> bool,
    ui: &mut Terminal,
) -> Result<Measured> {
    let mut asked = Beside {
        workload,
        anchor: base,
        revision,
        seed,
        known,
        enough,
    };
    let (is_base, stage, reason) = match harness.measure_beside(&mut asked, ui) {
        Ok(pairing) => {
            let [_, artefact] = pairing.artefacts;
            return Ok(match pairing.measured {
                Some(measured) => Measured::Timed {
                    blocks: measured.blocks,
                    artefact,
                },
                None => Measured::Known(artefact),
            });
        }
        Err(Unmeasured::Anchor { stage, reason }) => (true, stage, reason),
        Err(Unmeasured::Revision { stage, reason }) => (false, stage, reason),
        Err(Unmeasured::Other(error)) => return Err(error.into()),
    };
    Ok(Measured::Fails(Failing {
        is_base,
        stage,
        reason,
    }))
}

/// The logarithms of the blocks' ratios.
pub(crate) fn log_ratios(blocks: &[Block]) -> Vec<f64> {
    let ratios = blocks.iter().filter_map(|b| block_log_ratio(&b.pairs).ok());
    ratios.collect()
}

/// The fresh trial of a change. Its test index is in the history before the first block: a kill
/// must not give it back.
pub(crate) fn prove(
    harness: &mut Harness<'_>,
    repo: &Repo,
    series: &Series,
    finding: &Finding,
    records: &[Change],
    ui: &mut Terminal,
) -> Result<Change> {
    let point = |index: usize| &series.points[index];
    let commits = [
        repo.resolve(&point(finding.before).commit)?,
        repo.resolve(&point(finding.after).commit)?,
    ];
    let index = 1 + records.iter().map(|r| r.test_index).max().unwrap_or(0);
    let proof = Proof::number(index, MIN_CHANGE);
    let begun = Change {
        schema: Change::SCHEMA.into(),
        workload: series.workload.clone(),
        machine_class: series.machine_class.clone(),
        series: series.first.clone(),
        before: commits[0].id.clone(),
        after: commits[1].id.clone(),
        summary: plain(&commits[1].summary, 120),
        state: ChangeState::Testing,
        test_index: index,
        alpha: proof.alpha,
        found: finding.change.exp_m1(),
        speedup: None,
        at_least: None,
        at_most: None,
        blocks: Vec::new(),
        reason: String::new(),
        seed: fresh_seed(),
        machine: harness.machine.clone(),
        outpace_version: VERSION.into(),
        finished: now(),
    };
    repo.history().add("change", &begun, begun.finished)?;
    let pair = [&commits[0], &commits[1]];
    let mut enough = |blocks: &[Block]| proof.settle(blocks).is_some();
    let name = &series.workload;
    let measured = beside(harness, name, pair, &[], begun.seed, &mut enough, ui)?;
    let ended = ended(begun, proof, measured, pair);
    repo.history().add("change", &ended, ended.finished)?;
    Ok(ended)
}

fn ended(begun: Change, proof: Proof, measured: Measured, pair: [&Commit; 2]) -> Change {
    let finished = now();
    let blocks = match measured {
        Measured::Timed { blocks, .. } => blocks,
        Measured::Known(_) => Vec::new(),
        Measured::Fails(failing) => {
            return Change {
                state: ChangeState::Unmeasurable,
                reason: failing.describe(pair),
                finished,
                ..begun
            };
        }
    };
    let settled = proof.settle(&blocks);
    let proven = settled.as_ref().is_some_and(|settled| settled.proven);
    let percent = proof.min_change * 100.0;
    let (state, reason) = match proven {
        true => (
            ChangeState::Proven,
            format!("slower by more than {percent} %"),
        ),
        false => {
            let n = blocks.len();
            let reason = format!("{n} blocks do not prove that it is slower by {percent} %");
            (ChangeState::NotProven, reason)
        }
    };
    Change {
        state,
        reason,
        speedup: settled.as_ref().map(|s| s.speedup),
        at_least: settled.as_ref().and_then(|s| s.at_least),
        at_most: settled.as_ref().and_then(|s| s.at_most),
        blocks,
        finished,
        ..begun
    }
}
