//! The one builder of verdicts.

use std::time::SystemTime;

use outpace_record::{
    Block, Check, Document, GateRequest, Kind, LossTarget, Machine, PatchStat, SandboxTier, Seeds,
    TestIndex, Timestamp, Track, Verdict, judge_twice, step_time_rule,
};
use outpace_repo::Patch;
use outpace_stats::{Decision, Reason, Rule, Summary};
use outpace_trial::{
    CheckOutcome, Earlier, SeedTrial, Settings, SideBySide, SideError, Trial, WorkloadError,
};

use crate::GateError;
use crate::data::data_of;

/// The most that a reason quotes of a program's log.
const REASON_CHARS: usize = 4000;

/// Machine, sandbox tier and version of outpace, as verdicts carry them.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// How programs are confined on it.
    pub sandbox_tier: SandboxTier,
    /// Version of outpace.
    pub version: &'a str,
}

/// A verdict that is not settled yet.
#[derive(Debug, Clone)]
pub(crate) struct Draft(Verdict);

impl Draft {
    pub(crate) fn new(
        workload: &str,
        track: Track,
        rule: &Rule,
        base: &str,
        seed: u64,
        surroundings: Surroundings<'_>,
    ) -> Self {
        let now = now();
        Self(Verdict {
            schema: Verdict::SCHEMA.into(),
            verdict: Kind::NotProven,
            reason: String::new(),
            speedup: None,
            at_least: None,
            at_most: None,
            log_e: None,
            threshold: rule.threshold_value(),
            alpha: rule.alpha,
            min_speedup: rule.min_speedup,
            max_blocks: rule.max_blocks,
            screen: rule.screen,
            sum_threshold: rule.sum_threshold,
            margin: rule.margin,
            bound_blocks: Some(rule.bound_blocks),
            earlier_blocks: 0,
            earlier_runs: 0,
            continues: None,
            test: None,
            steps_per_run: None,
            blocks: Vec::new(),
            alone: Vec::new(),
            target: None,
            runs: Vec::new(),
            earlier_seeds: 0,
            n_blocks: 0,
            workload: workload.to_owned(),
            track,
            base: base.to_owned(),
            candidate: None,
            candidate_tree: None,
            patch_sha256: None,
            patch: None,
            title: String::new(),
            agent: None,
            artefacts: None,
            machine_class: surroundings.machine.class(),
            machine: surroundings.machine.clone(),
            sandbox_tier: surroundings.sandbox_tier,
            checks: Vec::new(),
            seeds: Seeds {
                trial: seed,
                ..Seeds::default()
            },
            steps_per_turn: 0,
            warmup_turns: 0,
            overhead: None,
            outpace_version: surroundings.version.to_owned(),
            started: now,
            finished: now,
            trial_s: None,
            tokens_per_s: None,
        })
    }

    /// Names the patch that is judged.
    pub(crate) fn of_patch(mut self, request: &GateRequest, tree: &str, patch: &Patch) -> Self {
        let verdict = &mut self.0;
        verdict.candidate.clone_from(&request.candidate);
        verdict.candidate_tree = Some(tree.to_owned());
        verdict.patch_sha256 = Some(patch.sha256.clone());
        verdict.patch = Some(PatchStat {
            files: patch.files.iter().map(|file| file.path.clone()).collect(),
            added: patch.added,
            removed: patch.removed,
        });
        verdict.title.clone_from(&request.title);
        verdict.agent.clone_from(&request.agent);
        self
    }

    /// Names a command that is judged.
    pub(crate) fn of_command(mut self, command: &str) -> Self {
        self.0.candidate = Some(command.to_owned());
        self.0.title = outpace_text::plain(command, 100);
        self
    }

    pub(crate) fn track(&self) -> Track {
        self.0.track
    }

    pub(crate) fn workload(&self) -> &str {
        &self.0.workload
    }

    pub(crate) fn set_artefacts(&mut self, base: &str, candidate: &str) {
        self.0.artefacts = Some([base.to_owned(), candidate.to_owned()]);
    }

    pub(crate) fn set_checks(&mut self, outcome: &CheckOutcome) {
        self.0.checks.clone_from(&outcome.checks);
        self.0.seeds.model.clone_from(&outcome.model_seeds);
        self.0.seeds.data.clone_from(&outcome.data_seeds);
    }

    /// What it was judged with.
    pub(crate) fn set_test(&mut self, rule: &Rule, test: Option<TestIndex>) {
        let verdict = &mut self.0;
        verdict.threshold = rule.threshold_value();
        verdict.sum_threshold = rule.sum_threshold;
        verdict.max_blocks = rule.max_blocks;
        verdict.test = test;
    }

    /// Names the record whose samples come first.
    pub(crate) fn goes_on_from(&mut self, id: &str, earlier: &Earlier) {
        let verdict = &mut self.0;
        verdict.continues = Some(id.to_owned());
        verdict.earlier_seeds = earlier.seeds.len();
        // Blocks of step time decide nothing by themselves.
        if verdict.track == Track::Throughput {
            verdict.earlier_blocks = earlier.blocks.len();
            verdict.earlier_runs = earlier.alone.len();
        }
    }

    /// Which data it is measured with, and how its files are.
    pub(crate) fn data(&self) -> Option<&str> {
        data_of(&self.0.checks)
    }

    /// Adds a line to the checks.
    pub(crate) fn add_check(&mut self, check: Option<Check>) {
        self.0.checks.extend(check);
    }

    pub(crate) fn settle(self, kind: Kind, reason: &str) -> Verdict {
        Verdict {
            verdict: kind,
            reason: reason.to_owned(),
            finished: now(),
            ..self.0
        }
    }

    /// The verdict of a trial that ran: what it measured, and what follows.
    ///
    /// # Errors
    /// It was interrupted.
    pub(crate) fn of_trial(mut self, trial: Trial) -> Result<Verdict, GateError> {
        self.fill(&trial.evidence.summary(), !trial.blocks.is_empty());
        self.of_step_time(trial)
    }

    /// The verdict of a trial of step time that ended before the first seed.
    ///
    /// # Errors
    /// It was interrupted.
    pub(crate) fn of_step_time(mut self, trial: Trial) -> Result<Verdict, GateError> {
        let fault = trial.fault().map(|check| check.detail.clone());
        let (decision, refuted) = (trial.decision, trial.refuted.clone());
        self.add_blocks(trial);
        self.conclude(fault, decision, refuted)
    }

    /// Something watched was not in order, or it is decided, with figures; else it was interrupted.
    fn conclude(
        self,
        fault: Option<String>,
        decision: Option<Decision>,
        figures: Option<String>,
    ) -> Result<Verdict, GateError> {
        match (fault, decision) {
            (Some(fault), _) => Ok(self.settle(Kind::Rejected, &fault)),
            (None, Some(decision)) => {
                let figures = figures.map_or(String::new(), |figures| format!(": {figures}"));
                let reason = format!("{}{figures}", decision.reason);
                Ok(self.settle(decision.outcome.into(), &reason))
            }
            (None, None) => {
                let partial = self.settle(Kind::NotProven, "interrupted");
                Err(GateError::Interrupted(vec![partial]))
            }
        }
    }

    fn fill(&mut self, summary: &Summary, timed: bool) {
        let verdict = &mut self.0;
        if timed {
            verdict.speedup = Some(summary.speedup);
            verdict.log_e = Some(summary.log_e);
        }
        verdict.at_least = summary.at_least;
        verdict.at_most = summary.at_most;
    }

    /// What blocks and isolated runs were measured; on the time-to-loss track, the time of a
    /// step.
    pub(crate) fn add_blocks(&mut self, trial: Trial) {
        let verdict = &mut self.0;
        verdict.n_blocks = trial.blocks.len();
        verdict.blocks = trial.blocks;
        verdict.alone = trial.alone;
        verdict.steps_per_run = trial.steps_per_run;
        verdict.steps_per_turn = trial.plan.steps_per_turn;
        verdict.warmup_turns = trial.plan.warmup_turns;
        verdict.overhead = Some(trial.overhead);
        verdict.trial_s = Some(trial.trial_s);
        verdict.tokens_per_s = trial.tokens_per_s;
        verdict.checks.extend(trial.checks);
    }

    /// What runs to a loss are measured by.
    pub(crate) fn set_target(&mut self, target: LossTarget) {
        self.0.target = Some(target);
    }

    /// Whether an earlier trial found steps to be faster, and isolated runs did not show it: they
    /// are not asked again, until they do.
    pub(crate) fn refuted_before(&self) -> Option<Reason> {
        let verdict = &self.0;
        if verdict.target.is_none_or(|target| target.equal_steps) {
            return None;
        }
        let (rule, shape) = (
            step_time_rule(verdict.alpha, verdict.threshold),
            verdict.isolated_shape(),
        );
        let judged = judge_twice(&verdict.blocks, &rule, &verdict.alone, shape);
        let refuted = |judged: &outpace_stats::Judgement| judged.reason == Reason::NotConfirmed;
        judged.ok().filter(refuted).map(|judged| judged.reason)
    }

    /// Blocks that looked for a sign that equal programs take different times.
    pub(crate) fn add_look(&mut self, looked: SideBySide) {
        let verdict = &mut self.0;
        verdict.n_blocks = looked.blocks.len();
        verdict.blocks = looked.blocks;
        verdict.steps_per_turn = looked.plan.steps_per_turn;
        verdict.warmup_turns = looked.plan.warmup_turns;
    }

    pub(crate) fn blocks(&self) -> &[Block] {
        &self.0.blocks
    }

    /// What an earlier trial measured the time of a step in, on the time-to-loss track.
    pub(crate) fn keep_step_time(&mut self, settings: &Settings) {
        let (verdict, earlier) = (&mut self.0, &settings.earlier);
        verdict.n_blocks = earlier.blocks.len();
        verdict.blocks.clone_from(&earlier.blocks);
        if earlier.equal_steps == Some(false) {
            verdict.alone.clone_from(&earlier.alone);
            verdict.steps_per_run = Some(settings.steps_per_run);
        }
        if let Some([steps_per_turn, warmup_turns]) = earlier.layout {
            verdict.steps_per_turn = steps_per_turn;
            verdict.warmup_turns = warmup_turns;
        }
    }

    /// The verdict of a trial of seeds: what it measured, and what follows.
    ///
    /// # Errors
    /// It was interrupted.
    pub(crate) fn of_seeds(mut self, trial: SeedTrial) -> Result<Verdict, GateError> {
        let verdict = &mut self.0;
        verdict.trial_s = Some(verdict.trial_s.unwrap_or(0.0) + trial.trial_s);
        if !trial.runs.is_empty() {
            let summary = trial.evidence.summary();
            verdict.speedup = summary.speedup;
            verdict.at_least = summary.at_least;
            verdict.at_most = summary.at_most;
            verdict.log_e = Some(summary.log_e).filter(|log_e| log_e.is_finite());
        }
        verdict.runs = trial.runs;
        let fault = trial.checks.iter().find(|check| !check.passed);
        let fault = fault.map(|check| check.detail.clone());
        verdict.checks.extend(trial.checks);
        self.conclude(fault, trial.decision, None)
    }

    /// The verdict that a trial of seeds would leave if it was cut off now.
    pub(crate) fn unfinished(&self, trial: &SeedTrial) -> Option<Verdict> {
        let trial = SeedTrial {
            decision: None,
            ..trial.clone()
        };
        match self.clone().of_seeds(trial) {
            Err(GateError::Interrupted(partial)) => partial.into_iter().next(),
            _ => None,
        }
    }

    /// The candidate's failures are verdicts, the base's are not.
    ///
    /// # Errors
    /// The base or the machine failed, or the user asked to stop.
    pub(crate) fn of_failure(self, error: &SideError) -> Result<Verdict, GateError> {
        if error.is_cancelled() {
            return Err(GateError::Interrupted(Vec::new()));
        }
        if error.is_candidate() {
            return Ok(self.settle(Kind::Rejected, &reason_of(&error.to_string())));
        }
        let name = self.workload();
        Err(match error.machine() {
            Some(WorkloadError::Gpu { message, lost }) => GateError::NoVerdict {
                message: format!("{name}: {message}"),
                lost: *lost,
                verdicts: Vec::new(),
            },
            Some(error) => GateError::Environment(format!("{name}: {error}")),
            None => GateError::Environment(format!(
                "{name}: {error}\nHint: the base itself must run before it can be compared"
            )),
        })
    }
}

/// A reason that quotes a log: hostile, and perhaps long.
pub fn reason_of(text: &str) -> String {
    outpace_text::lines(text, REASON_CHARS)
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}
