//! One turn of the ratchet without the merge: build, compare, time, judge.

use std::path::Path;
use std::time::SystemTime;

use outpace_record::{
    Baseline, Block, Check, Config, Document, Kind, Machine, PatchStat, Protocol, SandboxTier,
    Seeds, Timestamp, Track, Verdict, WorkloadConfig,
};
use outpace_repo::{Commit, ExportOptions, Patch, Repo};
use outpace_stats::Rule;
use outpace_trial::{
    BuildError, Builder, Built, CheckOutcome, Context, Event, LaunchError, Lock, Observer,
    PeerError, Settings, Side, SideError, Sources, Trainees, Trial, arena, check_same_model,
    pairs_of, plausible, run_trial,
};

use crate::ResearchError;
use crate::error::lock;

/// Lines of a program's log that a reason quotes.
const REASON_CHARS: usize = 4000;

/// Everything that a gate works with.
pub struct Bench<'a> {
    /// The repository.
    pub repo: &'a Repo,
    /// The base's `outpace.toml`.
    pub config: &'a Config,
    /// Starts programs.
    pub context: &'a Context,
    /// Builds revisions.
    pub builder: Builder<'a>,
    /// This machine.
    pub machine: Machine,
    /// How programs are confined here.
    pub sandbox_tier: SandboxTier,
    /// Version of outpace.
    pub version: &'a str,
}

/// Machine, sandbox tier and version of outpace, as verdicts carry them.
pub type Surroundings<'a> = (&'a Machine, SandboxTier, &'a str);

impl Bench<'_> {
    /// What verdicts say of where they were measured.
    pub fn surroundings(&self) -> Surroundings<'_> {
        (&self.machine, self.sandbox_tier, self.version)
    }
}

/// What is asked of a gate.
#[derive(Debug, Clone)]
pub struct Question {
    /// The revision that stands.
    pub base: Commit,
    /// The tree that wants to replace it.
    pub tree: String,
    /// Its commit, if it is one.
    pub candidate: Option<String>,
    /// The difference.
    pub patch: Patch,
    /// One line that names it.
    pub title: String,
    /// Who proposed it.
    pub agent: Option<String>,
    /// Workloads it is judged on.
    pub workloads: Vec<String>,
    /// The rule of proof for a single workload.
    pub rule: Rule,
    /// Seed of every draw.
    pub seed: u64,
    /// Time equal artefacts too.
    pub aa: bool,
}

/// What the gate says.
#[derive(Debug, Clone)]
pub struct Answer {
    /// For all workloads together.
    pub kind: Kind,
    /// Why.
    pub reason: String,
    /// One verdict a workload, up to the one that settled it.
    pub verdicts: Vec<Verdict>,
    /// Whether anything was timed (which uses up a ticket of the campaign).
    pub timed: bool,
    /// Seconds of the builds.
    pub build_s: f64,
    /// Seconds of the correctness checks.
    pub check_s: f64,
}

/// What one workload is judged with.
#[derive(Clone, Copy)]
struct Builds<'a> {
    base: &'a Built,
    candidate: &'a Built,
    anchor: Option<&'a Built>,
}

/// git as the builder sees it.
pub struct RepoSources<'a>(pub &'a Repo);

impl Sources for RepoSources<'_> {
    fn export(
        &self,
        tree: &str,
        dir: &Path,
        only: &[String],
        pristine: Option<&str>,
    ) -> Result<(), String> {
        let options = ExportOptions {
            only: only.to_vec(),
            pristine: pristine.map(str::to_owned),
            keep: Vec::new(),
        };
        self.0
            .export(tree, dir, &options)
            .map_err(|error| error.to_string())
    }
}

/// Judges a candidate on every workload, in order; the first refusal ends it.
///
/// # Errors
/// The base fails, the machine fails, or the user asked to stop. Whatever the candidate does wrong is an answer, not an error.
pub fn gate(
    bench: &mut Bench<'_>,
    question: &Question,
    observer: &mut dyn Observer,
) -> Result<Answer, ResearchError> {
    let mut answer = Answer {
        kind: Kind::Same,
        reason: String::new(),
        verdicts: Vec::new(),
        timed: false,
        build_s: 0.0,
        check_s: 0.0,
    };
    for name in &question.workloads {
        let verdict = match judge_workload(bench, question, name, &mut answer, observer) {
            Ok(verdict) => verdict,
            Err(ResearchError::Interrupted(partial)) => {
                answer.verdicts.extend(partial);
                return Err(ResearchError::Interrupted(answer.verdicts));
            }
            // A candidate may be behind it, and whoever has been timed has used its ticket.
            Err(ResearchError::Environment(message)) if answer.timed => {
                return Err(ResearchError::NoVerdict {
                    message,
                    lost: true,
                });
            }
            Err(error) => return Err(error),
        };
        let stop = matches!(verdict.verdict, Kind::Rejected | Kind::Slower);
        answer.verdicts.push(verdict);
        if stop {
            break;
        }
    }
    (answer.kind, answer.reason) = overall(&answer.verdicts);
    Ok(answer)
}

/// `faster` for the whole needs one proven faster and none slower or refused.
fn overall(verdicts: &[Verdict]) -> (Kind, String) {
    let order = [
        Kind::Rejected,
        Kind::Slower,
        Kind::Faster,
        Kind::NotProven,
        Kind::Same,
    ];
    let decisive = order
        .iter()
        .find_map(|kind| verdicts.iter().find(|v| v.verdict == *kind));
    let Some(verdict) = decisive else {
        return (Kind::Same, "nothing to judge".into());
    };
    let place = if verdicts.len() > 1 {
        format!("{}: ", verdict.workload)
    } else {
        String::new()
    };
    (verdict.verdict, format!("{place}{}", verdict.reason))
}

fn judge_workload(
    bench: &mut Bench<'_>,
    question: &Question,
    name: &str,
    answer: &mut Answer,
    observer: &mut dyn Observer,
) -> Result<Verdict, ResearchError> {
    let config = workload(bench.config, name)?;
    let mut verdict = blank(bench, question, name, config);
    if question.patch.only_comments() && !question.aa {
        return Ok(settled(
            verdict,
            Kind::Same,
            "only comments and blanks differ",
        ));
    }
    observer.on(&Event::Building { side: Side::Base });
    let base = bench
        .builder
        .base(name, config, &question.base.tree)
        .map_err(|error| base_build(&error, &question.base))?;
    observer.on(&Event::Built {
        side: Side::Base,
        seconds: base.build_s,
    });
    observer.on(&Event::Building {
        side: Side::Candidate,
    });
    let candidate = match bench.builder.candidate(name, config, &question.tree) {
        Ok(built) => built,
        Err(error) if error.is_cancelled() => return Err(ResearchError::Interrupted(Vec::new())),
        Err(error) if error.is_patch() => {
            let reason = format!("does not build: {}", cut(&error.to_string()));
            return Ok(settled(verdict, Kind::Rejected, &reason));
        }
        Err(error) => {
            return Err(ResearchError::Environment(format!(
                "the candidate cannot be built: {error}"
            )));
        }
    };
    answer.build_s += candidate.build_s;
    observer.on(&Event::Built {
        side: Side::Candidate,
        seconds: candidate.build_s,
    });
    verdict.artefacts = Some([base.identity.clone(), candidate.identity.clone()]);
    let same = base.identity == candidate.identity;
    observer.on(&Event::Compared { same });
    let judged = if same && !question.aa {
        let reason = if config.build.is_empty() {
            "the artefacts are equal: the patch changes nothing that `reads` of the workload names"
        } else {
            "the artefacts are equal"
        };
        Ok(settled(verdict, Kind::Same, reason))
    } else {
        let anchor = match anchor(bench, question, name, observer) {
            Ok(anchor) => anchor,
            Err(error) => {
                candidate.discard();
                return Err(error);
            }
        };
        let builds = Builds {
            base: &base,
            candidate: &candidate,
            anchor: anchor.as_ref(),
        };
        compare(bench, question, name, builds, verdict, answer, observer)
    };
    candidate.discard();
    judged
}

fn compare(
    bench: &Bench<'_>,
    question: &Question,
    name: &str,
    builds: Builds<'_>,
    mut verdict: Verdict,
    answer: &mut Answer,
    observer: &mut dyn Observer,
) -> Result<Verdict, ResearchError> {
    let config = workload(bench.config, name)?;
    let Builds {
        base, candidate, ..
    } = builds;
    let launcher = &bench.context.launcher;
    let _lock = Lock::machine(observer, &|| launcher.cancelled()).map_err(lock)?;
    let mut arena = arena(
        bench.context,
        config.protocol,
        config.gpu,
        [&base.run, &candidate.run],
    )
    .map_err(|error| ResearchError::Environment(format!("{name}: {error}")))?;
    let begin = SystemTime::now();
    let checked = correctness(bench, question, name, builds, observer);
    answer.check_s += begin.elapsed().map_or(0.0, |d| d.as_secs_f64());
    let outcome = match checked {
        Ok(outcome) => outcome,
        Err(error) => return side_failed(verdict, &error.blamed(&mut *arena)),
    };
    verdict.checks.clone_from(&outcome.checks);
    verdict.seeds.model.clone_from(&outcome.model_seeds);
    verdict.seeds.data.clone_from(&outcome.data_seeds);
    observer.on(&Event::Checked {
        workload: name,
        steps: config.check_steps,
        checks: &outcome.checks,
    });
    if let Some(fault) = outcome.fault() {
        let reason = fault.detail.clone();
        if base.identity == candidate.identity {
            return Err(ResearchError::Environment(format!(
                "{name}: the base does not repeat itself at equal seeds: {reason}\nHint: draw everything from `model_seed` and `data_seed`"
            )));
        }
        return Ok(settled(verdict, Kind::Rejected, &reason));
    }
    answer.timed = true;
    let settings = settings(bench.config, config, question, name);
    match run_trial(&mut *arena, &settings, observer) {
        Ok(mut trial) => {
            // What a step costs is what the base says; how long it took was measured.
            if let (Some(flops), Some(tokens)) = (outcome.flops_per_token, trial.tokens_per_s) {
                let reached = [flops * tokens.base, flops * tokens.candidate];
                let check = plausible(&bench.machine, reached);
                trial.checks.extend(check);
            }
            conclude(verdict, trial)
        }
        Err(error) => side_failed(verdict, &error),
    }
}

/// The settings of a trial of one workload.
fn settings(
    config: &Config,
    workload: &WorkloadConfig,
    question: &Question,
    name: &str,
) -> Settings {
    Settings {
        workload: name.to_owned(),
        rule: rule_of(question),
        pairs: pairs_of(workload.protocol, config.gate.pairs),
        min_turn_s: config.gate.min_turn_ms * 1e-3,
        seed: question.seed,
    }
}

/// With several workloads each has its chance to be "faster", so each needs as many times the evidence.
fn rule_of(question: &Question) -> Rule {
    let chances = question.workloads.len().max(1) as f64;
    Rule {
        threshold: Some(question.rule.threshold_value() * chances),
        // Where one workload may win the merge, none may be left before it is known that it does not lose.
        screen: question.rule.screen && question.workloads.len() == 1,
        ..question.rule.of_programs()
    }
}

fn correctness(
    bench: &Bench<'_>,
    question: &Question,
    name: &str,
    Builds {
        base,
        candidate,
        anchor,
    }: Builds<'_>,
    observer: &mut dyn Observer,
) -> Result<CheckOutcome, SideError> {
    let config = &bench.config.workload[name];
    let mut outcome = match config.protocol {
        Protocol::Steps => {
            let trainees = Trainees {
                base: &base.run,
                candidate: &candidate.run,
                anchor: anchor.map(|built| &built.run),
                evaluator: base.evaluate.as_ref(),
            };
            // A seed of its own: the timing's draws stay the same whatever the check draws.
            let seed = question.seed ^ 0x5EED;
            check_same_model(
                bench.context,
                &trainees,
                name,
                config.check_steps,
                seed,
                observer,
            )?
        }
        Protocol::Process => CheckOutcome::default(),
    };
    if let Some(verify) = &candidate.verify {
        outcome.checks.push(run_verify(bench.context, verify)?);
    }
    Ok(outcome)
}

/// The revision that the stored baseline of this machine class counts from, built, if it is not the base itself. One that
/// is not in this clone, or that no longer builds, leaves the budget unchecked, which the verdict then shows.
fn anchor(
    bench: &mut Bench<'_>,
    question: &Question,
    name: &str,
    observer: &mut dyn Observer,
) -> Result<Option<Built>, ResearchError> {
    if workload(bench.config, name)?.protocol == Protocol::Process {
        return Ok(None);
    }
    let path = Baseline::path(&bench.machine.class(), name);
    let Some(bytes) = bench.repo.read(&question.base.tree, &path)? else {
        return Ok(None);
    };
    let Ok(baseline) = Baseline::from_json(&String::from_utf8_lossy(&bytes)) else {
        return Ok(None);
    };
    let Ok(commit) = bench.repo.resolve(&baseline.anchor.commit) else {
        return Ok(None);
    };
    if commit.tree == question.base.tree {
        return Ok(None);
    }
    observer.on(&Event::Building { side: Side::Base });
    match bench
        .builder
        .other(name, workload(bench.config, name)?, &commit.tree)
    {
        Ok(built) => Ok(Some(built)),
        Err(error) if error.is_cancelled() => Err(ResearchError::Interrupted(Vec::new())),
        // It is of another time: its compiler or its packages may be gone. A full disk is another matter, and no reason to check less.
        Err(error) if error.is_patch() => Ok(None),
        Err(error) => Err(ResearchError::Environment(format!(
            "the anchor {} does not build: {error}",
            &commit.id[..commit.id.len().min(9)]
        ))),
    }
}

fn run_verify(context: &Context, verify: &outpace_trial::Subject) -> Result<Check, SideError> {
    let failed = |error: PeerError| SideError::Side {
        side: Side::Candidate,
        error,
    };
    let scratch = context.fresh_scratch().map_err(|source| {
        failed(PeerError::System {
            what: "cannot make a scratch folder",
            source,
        })
    })?;
    let _in_use = verify.enter().map_err(|source| {
        failed(PeerError::System {
            what: "cannot lay the program's folder anew",
            source,
        })
    })?;
    let spec = context.spec(verify, &[], &[], scratch.path());
    let (passed, detail) = match context.launcher.run(&spec, verify.timeout) {
        Ok(finished) if finished.code == 0 => (true, "`verify` passed".to_owned()),
        Ok(finished) => (
            false,
            format!(
                "`verify` failed (exit code {})\n{}",
                finished.code,
                finished.log_tail()
            ),
        ),
        Err(error @ LaunchError::Timeout { .. }) => (false, format!("`verify` failed: {error}")),
        // A program that is looked up on the machine is not the candidate's.
        Err(error @ LaunchError::Start { .. }) if !verify.command[0].contains('/') => {
            return Err(SideError::Side {
                side: Side::Base,
                error: error.into(),
            });
        }
        Err(error) => return Err(failed(error.into())),
    };
    Ok(Check {
        name: "verify".into(),
        passed,
        value: None,
        allowed: None,
        detail: cut(&detail),
    })
}

/// The candidate's failures are verdicts, the base's are not.
pub(crate) fn side_failed(verdict: Verdict, error: &SideError) -> Result<Verdict, ResearchError> {
    if error.is_cancelled() {
        return Err(ResearchError::Interrupted(Vec::new()));
    }
    if error.is_candidate() {
        return Ok(settled(verdict, Kind::Rejected, &cut(&error.to_string())));
    }
    let name = &verdict.workload;
    Err(match error.machine() {
        Some(PeerError::Gpu { message, lost }) => ResearchError::NoVerdict {
            message: format!("{name}: {message}"),
            lost: *lost,
        },
        Some(error) => ResearchError::Environment(format!("{name}: {error}")),
        None => ResearchError::Environment(format!(
            "{name}: {error}\nHint: the base itself must run before anything can be compared with it"
        )),
    })
}

pub(crate) fn conclude(mut verdict: Verdict, trial: Trial) -> Result<Verdict, ResearchError> {
    let fault = trial.fault().map(|check| check.detail.clone());
    fill(&mut verdict, &trial);
    if let Some(reason) = fault {
        return Ok(settled(verdict, Kind::Rejected, &reason));
    }
    match trial.decision {
        Some(decision) => Ok(settled(
            verdict,
            decision.outcome.into(),
            decision.reason.as_str(),
        )),
        None => Err(ResearchError::Interrupted(vec![settled(
            verdict,
            Kind::NotProven,
            "interrupted",
        )])),
    }
}

/// Copies what a trial measured into a verdict.
pub(crate) fn fill(verdict: &mut Verdict, trial: &Trial) {
    let summary = trial.evidence.summary();
    let blocks: Vec<Block> = trial.blocks.clone();
    verdict.n_blocks = blocks.len();
    if !blocks.is_empty() {
        verdict.speedup = Some(summary.speedup);
        verdict.log_e = Some(summary.log_e);
    }
    verdict.at_least = summary.at_least;
    verdict.at_most = summary.at_most;
    verdict.blocks = blocks;
    verdict.alone.clone_from(&trial.alone);
    verdict.steps_per_turn = trial.plan.steps_per_turn;
    verdict.warmup_turns = trial.plan.warmup_turns;
    verdict.overhead = Some(trial.overhead);
    verdict.trial_s = Some(trial.trial_s);
    verdict.tokens_per_s = trial.tokens_per_s;
    verdict.checks.extend(trial.checks.iter().cloned());
}

fn blank(bench: &Bench<'_>, question: &Question, name: &str, config: &WorkloadConfig) -> Verdict {
    let rule = rule_of(question);
    let now = Timestamp::from_system(SystemTime::now());
    let stat = PatchStat {
        files: question
            .patch
            .files
            .iter()
            .map(|file| file.path.clone())
            .collect(),
        added: question.patch.added,
        removed: question.patch.removed,
    };
    Verdict {
        candidate: question.candidate.clone(),
        candidate_tree: Some(question.tree.clone()),
        patch_sha256: Some(question.patch.sha256.clone()),
        patch: Some(stat),
        title: question.title.clone(),
        agent: question.agent.clone(),
        ..empty_verdict(
            name,
            config.track,
            &rule,
            &question.base.id,
            question.seed,
            bench.surroundings(),
            now,
        )
    }
}

pub(crate) fn empty_verdict(
    workload: &str,
    track: Track,
    rule: &Rule,
    base: &str,
    seed: u64,
    surroundings: Surroundings<'_>,
    now: Timestamp,
) -> Verdict {
    let (machine, sandbox_tier, version) = surroundings;
    Verdict {
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
        blocks: Vec::new(),
        alone: Vec::new(),
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
        machine_class: machine.class(),
        machine: machine.clone(),
        sandbox_tier,
        checks: Vec::new(),
        seeds: Seeds {
            trial: seed,
            ..Seeds::default()
        },
        steps_per_turn: 0,
        warmup_turns: 0,
        overhead: None,
        outpace_version: version.to_owned(),
        started: now,
        finished: now,
        trial_s: None,
        tokens_per_s: None,
    }
}

pub(crate) fn settled(mut verdict: Verdict, kind: Kind, reason: &str) -> Verdict {
    verdict.verdict = kind;
    verdict.reason = reason.to_owned();
    verdict.finished = Timestamp::from_system(SystemTime::now());
    verdict
}

pub(crate) fn workload<'a>(
    config: &'a Config,
    name: &str,
) -> Result<&'a WorkloadConfig, ResearchError> {
    config.workload.get(name).ok_or_else(|| {
        let known: Vec<&str> = config.workload.keys().map(String::as_str).collect();
        ResearchError::Usage(format!(
            "there is no workload `{name}` in outpace.toml. Hint: known here: {}",
            known.join(", ")
        ))
    })
}

pub(crate) fn base_build(error: &BuildError, base: &Commit) -> ResearchError {
    if error.is_cancelled() {
        return ResearchError::Interrupted(Vec::new());
    }
    let id = &base.id[..base.id.len().min(9)];
    ResearchError::Environment(format!(
        "the base {id} does not build: {}",
        cut(&error.to_string())
    ))
}

/// Logs are hostile and may be long.
pub(crate) fn cut(text: &str) -> String {
    let clean: String = text
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .collect();
    if clean.chars().count() <= REASON_CHARS {
        return clean;
    }
    let kept: String = clean.chars().take(REASON_CHARS).collect();
    format!("{kept}…")
}

/// The answer to a patch that may not even be built: outside policy, or it does not apply.
pub fn refusal(bench: &Bench<'_>, question: &Question, reason: &str) -> Answer {
    let mut verdicts = Vec::new();
    if let Some((name, config)) = question
        .workloads
        .first()
        .and_then(|name| bench.config.workload.get_key_value(name))
    {
        verdicts.push(settled(
            blank(bench, question, name, config),
            Kind::Rejected,
            &cut(reason),
        ));
    }
    Answer {
        kind: Kind::Rejected,
        reason: reason.to_owned(),
        verdicts,
        timed: false,
        build_s: 0.0,
        check_s: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decisive_over_several_workloads() {
        let check = |kinds: &[Kind], expect: Kind| {
            let verdicts: Vec<Verdict> = kinds
                .iter()
                .map(|kind| crate::agent::tests::verdict(*kind))
                .collect();
            assert_eq!(overall(&verdicts).0, expect, "{kinds:?}");
        };
        check(&[Kind::Faster], Kind::Faster);
        check(&[Kind::Faster, Kind::Same, Kind::NotProven], Kind::Faster);
        check(&[Kind::Faster, Kind::Slower], Kind::Slower);
        check(&[Kind::Faster, Kind::Rejected], Kind::Rejected);
        check(&[Kind::Same, Kind::NotProven], Kind::NotProven);
        check(&[Kind::Same, Kind::Same], Kind::Same);
    }
}
