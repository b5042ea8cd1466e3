//! `outpace bisect`: names the commit of a slowdown, with trials instead of single runs.

use std::collections::BTreeMap;

use anyhow::Result;
use outpace_gate::Harness;
use outpace_record::{Bisection as Record, BisectionStep, Block, Document};
use outpace_repo::{Commit, Repo};
use outpace_report::format::{bounds, gain};
use outpace_stats::median;
use outpace_text::{counted, plain, short};
use outpace_track::{Answer, Bisection, Halves, MIN_CHANGE, Next, Proof, Settled};

use crate::exit::{NOT_PROVEN, OK, environment, usage};
use crate::options::{Measuring, Options};
use crate::setup::{VERSION, config_for, context, lock, now, open_repo, workloads};
use crate::tracking::{Measured, beside, log_ratios};
use crate::ui::Terminal;

/// Find the commit that made training slower.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  outpace bisect v1.2 HEAD
  outpace bisect v1.2 HEAD -w gpt-nano --json

First the slowdown between the two is proven. Then each commit in question is measured beside GOOD
until it is clear whether it is nearer to GOOD or to BAD; commits that do not build are passed over.
The commit that is named is measured beside its parent once more. All answers together are wrong
with a chance of at most alpha (outpace.toml, [gate]).

Exit codes: 0 a commit is named, 1 no slowdown is proven or several commits remain, 2 usage,
5 environment, 130 interrupted.")]
pub(crate) struct Args {
    /// A revision that is fast.
    good: String,
    /// A later one that is slow.
    bad: String,
    /// Use this outpace.toml (a file, or that of a revision). Default: that of BAD.
    #[arg(long, value_name = "REV|FILE")]
    config: Option<String>,
    #[command(flatten)]
    measuring: Measuring,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let repo = open_repo(options)?;
    let (good, bad) = (repo.resolve(&args.good)?, repo.resolve(&args.bad)?);
    if good.id == bad.id {
        let id = short(&good.id);
        return Err(usage(format!(
            "GOOD and BAD are the same commit, {id}. Hint: GOOD is an earlier one, before it got \
             slower"
        )));
    }
    if !repo.is_ancestor(&good.id, &bad.id)? {
        return Err(usage(format!(
            "{} is not in the history of {}. Hint: `outpace compare` measures any two revisions",
            args.good, args.bad
        )));
    }
    let config = config_for(&repo, args.config.as_deref(), &bad)?;
    let names = workloads(&config, &args.measuring.workloads)?;
    let [workload] = names.as_slice() else {
        let names = names.join(", ");
        return Err(usage(format!(
            "a bisection needs one workload. Hint: -w with one of {names}"
        )));
    };
    let mut ui = Terminal::new(options).for_json(args.measuring.json);
    let context = context(options)?;
    ui.revision("good", &good);
    ui.revision("bad", &bad);
    let _lock = lock(&repo, &context, &mut ui)?;
    let mut harness = Harness::new(&repo, &config, &context, VERSION);
    let range = repo.commits(&format!("{}..{}", good.id, bad.id))?;
    let commits: Vec<Commit> = [vec![good], range].concat();
    let search = Search::new(workload, &commits, config.gate.alpha, args.measuring.seed());
    let record = search.run(&mut harness, &repo, &mut ui)?;
    ui.clear();
    if args.measuring.json {
        crate::out!("{}", serde_json::to_string(&record)?);
    }
    Ok(match record.found.as_slice() {
        [_] => OK,
        _ => NOT_PROVEN,
    })
}

/// Most blocks that one commit is asked for.
const MAX_BLOCKS: usize = 60;

/// A search over commits; the first is the good end, the last the bad one.
pub(crate) struct Search<'a> {
    workload: &'a str,
    commits: &'a [Commit],
    alpha: f64,
    seed: u64,
    tree: Bisection,
    /// Answers by artefact: equal programs need not be asked twice.
    artefacts: BTreeMap<String, Answer>,
    steps: Vec<BisectionStep>,
}

impl<'a> Search<'a> {
    /// Nothing asked yet.
    pub(crate) fn new(workload: &'a str, commits: &'a [Commit], alpha: f64, seed: u64) -> Self {
        Self {
            workload,
            commits,
            alpha,
            seed,
            tree: Bisection::new(commits.len()),
            artefacts: BTreeMap::new(),
            steps: Vec::new(),
        }
    }

    /// Runs it to its end, prints what came out and appends that to the history.
    pub(crate) fn run(
        mut self,
        harness: &mut Harness<'_>,
        repo: &Repo,
        ui: &mut Terminal,
    ) -> Result<Record> {
        let started = now();
        // The ends, each step, and the confirmation share the error rate.
        let share = self.alpha / f64::from(self.tree.most_steps() + 2);
        let last = self.commits.len() - 1;
        let ends = self.settle(harness, [0, last], share, ui)?;
        let mut record = self.record(harness, &ends, started);
        if ends.proven {
            let between = counted(last, "commit");
            let slower = gain(ends.speedup);
            ui.say(
                "slower",
                &format!("{} by {slower}, one of {between}", self.workload),
            );
            self.search(harness, ends.speedup.ln_1p(), share, ui)?;
            self.conclude(harness, share, &mut record, ui)?;
        } else {
            let bounds = bounds(ends.at_least, ends.at_most);
            let percent = MIN_CHANGE * 100.0;
            ui.result(&format!(
                "{:<10} no slowdown of {percent} % is proven: {}{bounds}",
                self.workload,
                gain(ends.speedup)
            ));
        }
        record.finished = now();
        repo.history().add("bisection", &record, record.finished)?;
        Ok(record)
    }

    /// One trial of two commits that must be measurable.
    fn settle(
        &mut self,
        harness: &mut Harness<'_>,
        [before, after]: [usize; 2],
        alpha: f64,
        ui: &mut Terminal,
    ) -> Result<Settled> {
        let proof = Proof::single(alpha, MIN_CHANGE);
        let mut enough = |blocks: &[Block]| proof.settle(blocks).is_some();
        let pair = [&self.commits[before], &self.commits[after]];
        let seed = self.draw(after);
        let measured = beside(harness, self.workload, pair, &[], seed, &mut enough, ui)?;
        match measured {
            Measured::Timed { blocks, artefact } => {
                self.artefacts.insert(artefact, Answer::Bad);
                let settled = proof.settle(&blocks);
                settled.ok_or_else(|| environment("the trial ended without an answer"))
            }
            Measured::Fails(failing) => Err(environment(failing.describe(pair))),
            Measured::Known(_) => Err(environment("nothing was measured")),
        }
    }

    fn search(
        &mut self,
        harness: &mut Harness<'_>,
        change: f64,
        alpha: f64,
        ui: &mut Terminal,
    ) -> Result<()> {
        let halves = Halves {
            change,
            alpha,
            max_blocks: MAX_BLOCKS,
        };
        while let Next::Measure(index) = self.tree.next() {
            let step = self.ask(harness, index, halves, ui)?;
            let commit = &self.commits[index];
            let (id, what) = (short(&commit.id), plain(&commit.summary, 60));
            let speedup = step.speedup.map_or(step.reason.clone(), gain);
            ui.say(&step.answer, &format!("{id}   {speedup}   {what}"));
            self.steps.push(step);
        }
        Ok(())
    }

    /// Asks one commit.
    fn ask(
        &mut self,
        harness: &mut Harness<'_>,
        index: usize,
        halves: Halves,
        ui: &mut Terminal,
    ) -> Result<BisectionStep> {
        let pair = [&self.commits[0], &self.commits[index]];
        let mut enough = |blocks: &[Block]| halves.answer(&log_ratios(blocks)).is_some();
        let known: Vec<String> = self.artefacts.keys().cloned().collect();
        let seed = self.draw(index);
        let measured = beside(harness, self.workload, pair, &known, seed, &mut enough, ui)?;
        let mut step = BisectionStep {
            commit: self.commits[index].id.clone(),
            answer: String::new(),
            speedup: None,
            n_blocks: 0,
            reason: String::new(),
        };
        let answer = match measured {
            Measured::Timed { blocks, artefact } => {
                let x = log_ratios(&blocks);
                step.speedup = Some(median(&x).exp_m1());
                step.n_blocks = x.len();
                let answer = halves.answer(&x).unwrap_or(Answer::Unknown);
                if answer == Answer::Unknown {
                    step.reason = "it stays between both".into();
                }
                self.artefacts.insert(artefact, answer);
                answer
            }
            Measured::Known(artefact) => {
                step.reason = "an artefact that was measured".into();
                self.artefacts[&artefact]
            }
            Measured::Fails(failing) if failing.is_base => {
                return Err(environment(failing.describe(pair)));
            }
            Measured::Fails(failing) => {
                step.reason = failing.describe(pair);
                Answer::Unknown
            }
        };
        step.answer = word(answer).to_owned();
        self.tree.answer(index, answer);
        Ok(step)
    }

    /// What is found; a single commit is measured beside its parent once more.
    fn conclude(
        &mut self,
        harness: &mut Harness<'_>,
        alpha: f64,
        record: &mut Record,
        ui: &mut Terminal,
    ) -> Result<()> {
        record.steps = std::mem::take(&mut self.steps);
        let (first, last) = match self.tree.next() {
            Next::Found(index) => (index, index),
            Next::OneOf(first, last) => (first, last),
            Next::Measure(_) => unreachable!("the search is over"),
        };
        let found = &self.commits[first..=last];
        record.found = found.iter().map(|commit| commit.id.clone()).collect();
        record.summary = plain(&found[0].summary, 120);
        if first < last {
            let (from, to) = (short(&found[0].id), short(&self.commits[last].id));
            let n = counted(found.len(), "commit");
            ui.result(&format!(
                "{:<10} one of {n}, {from} to {to}: those between cannot be measured",
                self.workload
            ));
            return Ok(());
        }
        let confirmed = self.settle(harness, [first - 1, first], alpha, ui)?;
        record.confirmed = Some(confirmed.speedup);
        record.confirmed_at_most = confirmed.at_most;
        let commit = &self.commits[first];
        let verb = match confirmed.proven {
            true => "is slower than its parent",
            false => "is named by the search; beside its parent the slowdown is not proven",
        };
        let (id, what) = (short(&commit.id), plain(&commit.summary, 60));
        let change = format!(
            "{}{}",
            gain(confirmed.speedup),
            bounds(confirmed.at_least, confirmed.at_most)
        );
        ui.result(&format!(
            "{:<10} {id} {verb}: {change}   {what}",
            self.workload
        ));
        let sure = (1.0 - self.alpha) * 100.0;
        ui.say(
            "sure",
            &format!("each answer was proven: {sure} % for all of them together"),
        );
        Ok(())
    }

    fn record(
        &self,
        harness: &Harness<'_>,
        ends: &Settled,
        started: outpace_record::Timestamp,
    ) -> Record {
        Record {
            schema: Record::SCHEMA.into(),
            workload: self.workload.to_owned(),
            machine_class: harness.machine.class(),
            good: self.commits[0].id.clone(),
            bad: self.commits[self.commits.len() - 1].id.clone(),
            n_commits: self.commits.len() - 1,
            speedup: ends.speedup,
            at_least: ends.at_least,
            at_most: ends.at_most,
            proven: ends.proven,
            steps: Vec::new(),
            found: Vec::new(),
            summary: String::new(),
            confirmed: None,
            confirmed_at_most: None,
            alpha: self.alpha,
            seed: self.seed,
            outpace_version: VERSION.into(),
            started,
            finished: started,
        }
    }

    /// A seed for each trial.
    fn draw(&self, index: usize) -> u64 {
        let step = self.steps.len() as u64 + 1;
        (self.seed ^ (step << 32) ^ index as u64) & ((1 << 53) - 1)
    }
}

fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Good => "good",
        Answer::Bad => "bad",
        Answer::Unknown => "unknown",
    }
}
