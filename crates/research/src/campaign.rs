//! The campaign: propose, gate, merge, again, under one error budget. It can be killed at any moment and resumed: an attempt
//! is on disk before its patch is merged, and what was merged without being noted is found again by its trailer.

use std::time::{Instant, SystemTime};

use outpace_record::{
    Attempt, Campaign, CampaignState, Document, Kind, Profile, Timestamp, Verdict, record_id,
};
use outpace_repo::{Commit, MergeError, Patch, Repo, check_policy, parse_trailers};
use outpace_stats::{Rule, e_lond_threshold};
use outpace_trial::{Observer, profile};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::gate::{base_build, cut, gate, workload};
use crate::merge::merge_proven;
use crate::{Agent, Answer, Bench, Idea, Question, ResearchError, Sitting, View};

/// After so many proposals in a row that were no new patch, the agent is considered broken.
const EMPTY_HANDED: usize = 3;
/// How the refusal of a patch that was tried before begins.
const TRIED: &str = "already tried";
/// What an attempt says that Ctrl-C cut off.
const INTERRUPTED: &str = "interrupted";
/// How the reason of a trial without one begins, and after how many in a row somebody has to look after the machine.
const NO_VERDICT: &str = "no verdict";
const NO_VERDICTS: usize = 3;
/// A patch is measured again at most so often because its branch moved.
const MOVES: usize = 3;
/// Longest diff that is kept with an attempt.
const DIFF_BYTES: usize = 64 << 10;

/// When a campaign ends.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// Wall seconds, all sittings together.
    pub budget_s: Option<f64>,
    /// Attempts.
    pub max_experiments: Option<usize>,
}

/// A campaign at work.
pub struct Order<'a> {
    /// What it is and where it stands.
    pub campaign: Campaign,
    /// What was tried so far.
    pub attempts: Vec<Attempt>,
    /// Where it is kept.
    pub sitting: &'a Sitting,
}

/// Who is told of a campaign's progress.
pub trait CampaignObserver: Observer {
    /// An agent was asked.
    fn proposing(&mut self, number: usize);
    /// A patch came and is judged.
    fn judging(&mut self, number: usize, title: &str);
    /// An attempt is over.
    fn settled(&mut self, attempt: &Attempt);
    /// Something worth a line.
    fn note(&mut self, text: &str);
}

/// Runs until a limit, the agent's end, or Ctrl-C; says why in `stopped_because`.
///
/// # Errors
/// Base, machine, git or disk fail. Finished attempts are kept in any case.
pub fn run_campaign(
    bench: &mut Bench<'_>,
    agent: &mut dyn Agent,
    mut order: Order<'_>,
    observer: &mut dyn CampaignObserver,
) -> Result<(Campaign, Vec<Attempt>), ResearchError> {
    let before_s = order.campaign.used_s;
    let begin = Instant::now();
    order.campaign.state = CampaignState::Running;
    order.campaign.stopped_because = None;
    order.sitting.save_campaign(&order.campaign)?;
    let ended = turns(bench, agent, &mut order, observer, &|| {
        before_s + begin.elapsed().as_secs_f64()
    });
    order.campaign.used_s = before_s + begin.elapsed().as_secs_f64();
    (order.campaign.state, order.campaign.stopped_because) = match &ended {
        Ok(reason) => (CampaignState::Finished, Some(reason.clone())),
        // It never began: left open, it would hide an older one that is worth going on with.
        Err(error @ ResearchError::Usage(_)) if order.attempts.is_empty() => {
            (CampaignState::Finished, Some(error.to_string()))
        }
        Err(error) => (CampaignState::Interrupted, Some(error.to_string())),
    };
    order.campaign.updated = now();
    order.sitting.save_campaign(&order.campaign)?;
    match ended {
        Ok(_) | Err(ResearchError::Interrupted(_)) => Ok((order.campaign, order.attempts)),
        Err(error) => Err(error),
    }
}

fn turns(
    bench: &mut Bench<'_>,
    agent: &mut dyn Agent,
    order: &mut Order<'_>,
    observer: &mut dyn CampaignObserver,
    used_s: &dyn Fn() -> f64,
) -> Result<String, ResearchError> {
    finish_merge(bench, order, observer)?;
    if let Some(last) = order.attempts.last() {
        // A kill may have come between its file and the history; to append it again changes nothing.
        record(bench, last)?;
    }
    if let Some(reason) = over(order, used_s()) {
        return Ok(reason);
    }
    let begun = order.attempts.len();
    let mut base = judge_interrupted(bench, order, observer, used_s)?;
    let mut profiled: Option<(String, Option<Profile>)> = None;
    loop {
        if let Some(reason) = over(order, used_s()) {
            return Ok(reason);
        }
        if !agent.may_fail_in_a_row() && is_broken(&order.attempts) {
            return Ok(format!(
                "the agent left no new patch {EMPTY_HANDED} times in a row; see the logs"
            ));
        }
        if let Some(reason) = no_verdicts(&order.attempts[begun..]) {
            return Err(ResearchError::Environment(reason));
        }
        if bench.context.launcher.cancelled() {
            return Err(ResearchError::Interrupted(Vec::new()));
        }
        if agent.wants_profile() && profiled.as_ref().is_none_or(|(tree, _)| *tree != base.tree) {
            profiled = Some((
                base.tree.clone(),
                profile_of(bench, &order.campaign, &base)?,
            ));
        }
        let number = order.attempts.last().map_or(0, |a| a.number) + 1;
        observer.proposing(number);
        let begin = Instant::now();
        let logs = order.sitting.logs();
        let idea = agent.propose(&View {
            repo: bench.repo,
            base: &base,
            config: bench.config,
            workloads: &order.campaign.workloads,
            attempts: &order.attempts,
            tokens_per_s: standing_tokens_per_s(order),
            profile: profiled.as_ref().and_then(|(_, p)| p.as_ref()),
            logs: &logs,
        })?;
        let propose_s = begin.elapsed().as_secs_f64();
        let mut attempt = blank(order, agent.name(), &base, number);
        attempt.propose_s = propose_s;
        match idea {
            Idea::Exhausted { reason } => return Ok(reason),
            Idea::Nothing { title, reason } => {
                (attempt.title, attempt.reason) = (title, cut(&reason));
                keep(bench, order, observer, attempt, begin, used_s)?;
            }
            Idea::Tree { tree, title } => {
                observer.judging(number, &title);
                attempt.title = title;
                base = judge(bench, order, observer, attempt, base, tree, begin, used_s)?;
            }
        }
    }
}

/// Judges one patch, merges it if it is proven, keeps the attempt; returns the revision that stands now.
#[expect(
    clippy::too_many_arguments,
    reason = "the state of one turn of the loop"
)]
fn judge(
    bench: &mut Bench<'_>,
    order: &mut Order<'_>,
    observer: &mut dyn CampaignObserver,
    mut attempt: Attempt,
    mut base: Commit,
    mut tree: String,
    mut begin: Instant,
    used_s: &dyn Fn() -> f64,
) -> Result<Commit, ResearchError> {
    let mut moves = 0;
    loop {
        let patch = bench.repo.patch_between(&base.tree, &tree)?;
        attempt.base.clone_from(&base.id);
        attempt.patch_sha256 = Some(patch.sha256.clone());
        attempt.tree = Some(tree.clone());
        attempt.diff = patch.text.chars().take(DIFF_BYTES).collect();
        if let Some(reason) = refused(bench, order, &patch) {
            (attempt.verdict, attempt.reason) = (Kind::Rejected, reason);
            keep(bench, order, observer, attempt, begin, used_s)?;
            return Ok(base);
        }
        let question = question(bench, order, &attempt, &base, &tree, patch);
        let answer = match gate(bench, &question, observer) {
            Err(ResearchError::Interrupted(partial)) => {
                // Its patch and samples are kept, and if it was timed its ticket is used: whoever stopped it has seen how it went.
                note_answer(&mut attempt, order, &interrupted(partial));
                keep(bench, order, observer, attempt, begin, used_s)?;
                return Err(ResearchError::Interrupted(Vec::new()));
            }
            // Kept, or the campaign would propose it again when it goes on, and lose the GPU again.
            Err(ResearchError::NoVerdict {
                message,
                lost: true,
            }) => {
                note_answer(&mut attempt, order, &no_verdict(&message));
                keep(bench, order, observer, attempt, begin, used_s)?;
                return Err(ResearchError::Environment(message));
            }
            // The next patch may have better luck with the machine.
            Err(ResearchError::NoVerdict { message, .. }) => no_verdict(&message),
            answer => answer?,
        };
        note_answer(&mut attempt, order, &answer);
        if answer.kind != Kind::Faster {
            keep(bench, order, observer, attempt, begin, used_s)?;
            return Ok(base);
        }
        // On disk before it is merged: a kill in between is repaired when the campaign is resumed.
        attempt.total_s = begin.elapsed().as_secs_f64();
        order.sitting.save_attempt(&attempt)?;
        match merge_proven(bench, &question, &answer, &order.campaign.into) {
            Ok(merged) => {
                attempt.merged = Some(merged.commit.clone());
                keep(bench, order, observer, attempt, begin, used_s)?;
                return Ok(bench.repo.resolve(&merged.commit)?);
            }
            Err(ResearchError::Merge(MergeError::Moved { .. })) => {
                observer.note(&format!("{} moved meanwhile", order.campaign.into));
                let before = std::mem::replace(&mut base, standing(bench, &order.campaign)?);
                moves += 1;
                let next = bench.repo.apply_onto(&base, &question.patch.text);
                attempt.verdict = Kind::NotProven;
                attempt.reason = match &next {
                    Err(error) => {
                        format!("proven, but the branch moved and it no longer applies: {error}")
                    }
                    Ok(_) if moves >= MOVES => {
                        format!("proven, but the branch moved {moves} times; propose it again")
                    }
                    Ok(_) => "proven, but the branch moved; measured again".into(),
                };
                // Its samples stay, and the next trial is another chance to be wrong: an attempt and a ticket of its own.
                let again = following(order, &attempt, &base);
                keep(bench, order, observer, attempt, begin, used_s)?;
                same_rules(bench.repo, &before, &base)?;
                match next {
                    Ok(applied) if moves < MOVES => tree = applied,
                    _ => return Ok(base),
                }
                (attempt, begin) = (again, Instant::now());
                observer.judging(attempt.number, &attempt.title);
            }
            Err(error) => return Err(error),
        }
    }
}

/// What Ctrl-C left behind is judged first when the campaign goes on, as another attempt; returns the revision that stands then.
fn judge_interrupted(
    bench: &mut Bench<'_>,
    order: &mut Order<'_>,
    observer: &mut dyn CampaignObserver,
    used_s: &dyn Fn() -> f64,
) -> Result<Commit, ResearchError> {
    let base = standing(bench, &order.campaign)?;
    let last = order.attempts.last().filter(|a| a.reason == INTERRUPTED);
    let Some((last, tree)) = last.and_then(|last| Some((last, last.tree.as_ref()?))) else {
        return Ok(base);
    };
    let then = bench.repo.resolve(&last.base)?;
    // No ref holds the tree: git may have thrown it away meanwhile. Then it is proposed again.
    let patch = bench.repo.patch_between(&then.tree, tree);
    let Ok(tree) = patch.and_then(|patch| bench.repo.apply_onto(&base, &patch.text)) else {
        return Ok(base);
    };
    let attempt = following(order, last, &base);
    observer.judging(attempt.number, &attempt.title);
    judge(
        bench,
        order,
        observer,
        attempt,
        base,
        tree,
        Instant::now(),
        used_s,
    )
}

/// It may have been timed, so its ticket is used.
fn no_verdict(reason: &str) -> Answer {
    Answer {
        kind: Kind::NotProven,
        reason: cut(&format!("{NO_VERDICT}: {reason}")),
        timed: true,
        verdicts: Vec::new(),
        build_s: 0.0,
        check_s: 0.0,
    }
}

fn interrupted(verdicts: Vec<Verdict>) -> Answer {
    Answer {
        kind: Kind::NotProven,
        reason: INTERRUPTED.into(),
        timed: verdicts.iter().any(|v| v.n_blocks > 0),
        verdicts,
        build_s: 0.0,
        check_s: 0.0,
    }
}

/// The attempt in which the same patch is measured once more.
fn following(order: &Order<'_>, attempt: &Attempt, base: &Commit) -> Attempt {
    let mut next = blank(order, &attempt.agent, base, attempt.number + 1);
    next.title.clone_from(&attempt.title);
    next
}

/// An error if `outpace.toml` is another in `now`: the rules that are at work were read from `before`, and an audit reads those of `now`.
///
/// # Errors
/// See above, or git fails.
pub fn same_rules(repo: &Repo, before: &Commit, now: &Commit) -> Result<(), ResearchError> {
    let rules = |commit: &Commit| repo.read(&commit.tree, "outpace.toml");
    if rules(before)? == rules(now)? {
        return Ok(());
    }
    Err(ResearchError::Environment(
        "outpace.toml of the branch changed meanwhile. Hint: begin again, under the new one".into(),
    ))
}

fn refused(bench: &Bench<'_>, order: &Order<'_>, patch: &Patch) -> Option<String> {
    let same = order
        .attempts
        .iter()
        .find(|a| a.patch_sha256.as_deref() == Some(patch.sha256.as_str()) && !lost(a));
    let tried = same.map(|same| {
        format!(
            "{TRIED} as number {}: {}",
            same.number,
            same.verdict.as_str()
        )
    });
    match check_policy(patch, &bench.config.policy) {
        // Said once: whoever proposes it all the same repeats itself.
        Err(violation) => Some(tried.unwrap_or_else(|| violation.to_string())),
        Ok(()) => tried,
    }
}

/// Proven, but not merged because the branch moved, or interrupted: it may be proposed again.
pub(crate) fn lost(attempt: &Attempt) -> bool {
    // Of several workloads one may be faster and another slower: that was settled, and is no loss.
    let moved = attempt.verdict == Kind::NotProven
        && attempt.verdicts.iter().any(|v| v.verdict == Kind::Faster);
    attempt.merged.is_none() && (moved || attempt.reason == INTERRUPTED)
}

fn question(
    bench: &Bench<'_>,
    order: &Order<'_>,
    attempt: &Attempt,
    base: &Commit,
    tree: &str,
    patch: Patch,
) -> Question {
    let (tested, merges) = tickets(order);
    let campaign = &order.campaign;
    // No laxer than the campaign began, whatever `[gate]` says by now: its error budget is one.
    let gate = &bench.config.gate;
    let (alpha, fdr) = (campaign.alpha.min(gate.alpha), campaign.fdr.min(gate.fdr));
    Question {
        base: base.clone(),
        tree: tree.to_owned(),
        candidate: None,
        patch,
        title: attempt.title.clone(),
        agent: Some(attempt.agent.clone()),
        workloads: campaign.workloads.clone(),
        rule: Rule {
            min_speedup: campaign.min_speedup.max(gate.min_speedup),
            alpha,
            threshold: Some(e_lond_threshold(tested + 1, merges, fdr).max(1.0 / alpha)),
            screen: true,
            max_blocks: gate.campaign_max_blocks,
            sum_threshold: None,
        },
        seed: attempt_seed(campaign, attempt.number),
        aa: false,
    }
}

/// Candidates that reached timing, and merges, so far.
fn tickets(order: &Order<'_>) -> (usize, usize) {
    let tested = order
        .attempts
        .iter()
        .filter_map(|a| a.tested)
        .max()
        .unwrap_or(0);
    let merges = order.attempts.iter().filter(|a| a.merged.is_some()).count();
    (usize::try_from(tested).unwrap_or(usize::MAX - 1), merges)
}

/// Drawn when the patch is there, so that no agent can know it; only a campaign that replays a seed gets what follows from that.
fn attempt_seed(campaign: &Campaign, number: usize) -> u64 {
    let seed = match campaign.seed_was_given {
        true => ChaCha20Rng::seed_from_u64(campaign.seed.wrapping_add(number as u64)).random(),
        false => rand::random::<u64>(),
    };
    seed >> 11
}

fn note_answer(attempt: &mut Attempt, order: &Order<'_>, answer: &Answer) {
    let (tested, merges) = tickets(order);
    attempt.verdict = answer.kind;
    attempt.reason.clone_from(&answer.reason);
    attempt.merges_before = merges as u64;
    attempt.tested = answer.timed.then_some(tested as u64 + 1);
    attempt.verdict_ids = answer
        .verdicts
        .iter()
        .map(|v| record_id(v.to_json().as_bytes()))
        .collect();
    attempt.verdicts.clone_from(&answer.verdicts);
    attempt.build_s += answer.build_s;
    attempt.check_s += answer.check_s;
}

/// Writes an attempt to the campaign's folder and to the history, and tells of it.
fn keep(
    bench: &Bench<'_>,
    order: &mut Order<'_>,
    observer: &mut dyn CampaignObserver,
    mut attempt: Attempt,
    begin: Instant,
    used_s: &dyn Fn() -> f64,
) -> Result<(), ResearchError> {
    attempt.total_s = begin.elapsed().as_secs_f64();
    attempt.at_s = used_s();
    attempt.finished = now();
    note_start(order, &attempt);
    order.campaign.used_s = used_s();
    order.campaign.updated = now();
    order.sitting.save_attempt(&attempt)?;
    order.sitting.save_campaign(&order.campaign)?;
    record(bench, &attempt)?;
    observer.settled(&attempt);
    order.attempts.push(attempt);
    Ok(())
}

fn note_start(order: &mut Order<'_>, attempt: &Attempt) {
    let tokens = attempt.main_verdict().and_then(|v| v.tokens_per_s);
    let start = &mut order.campaign.start_tokens_per_s;
    *start = start.or(tokens.map(|t| t.base));
}

/// In the history an attempt names its verdicts, which stand beside it.
fn record(bench: &Bench<'_>, attempt: &Attempt) -> Result<(), ResearchError> {
    let date = attempt.finished.date();
    let verdicts: Vec<String> = attempt.verdicts.iter().map(Document::to_json).collect();
    let slim = Attempt {
        verdicts: Vec::new(),
        ..attempt.clone()
    }
    .to_json();
    let mut records: Vec<(&str, &str, &str)> = verdicts
        .iter()
        .map(|json| ("verdict", &*date, &**json))
        .collect();
    records.push(("attempt", &date, &slim));
    bench.repo.history().append(&records)?;
    Ok(())
}

/// A kill between the decision and its note: the merge is made if it was not, and noted. No finished trial is lost.
fn finish_merge(
    bench: &Bench<'_>,
    order: &mut Order<'_>,
    observer: &mut dyn CampaignObserver,
) -> Result<(), ResearchError> {
    let open = order
        .attempts
        .last()
        .is_some_and(|a| a.verdict == Kind::Faster && a.merged.is_none());
    let Some(mut attempt) = order.attempts.pop_if(|_| open) else {
        return Ok(());
    };
    match merged_already(bench, &order.campaign.into, &attempt)? {
        Some(commit) => attempt.merged = Some(commit),
        None => match merge_again(bench, order, &attempt) {
            Ok(commit) => attempt.merged = Some(commit),
            Err(ResearchError::Merge(MergeError::Moved { .. })) => {
                attempt.verdict = Kind::NotProven;
                attempt.reason =
                    "proven, but the branch moved before it was merged; propose it again".into();
            }
            Err(error) => return Err(error),
        },
    }
    observer.note(&format!(
        "number {} was decided before the interruption; its merge is settled now",
        attempt.number
    ));
    note_start(order, &attempt);
    order.sitting.save_attempt(&attempt)?;
    record(bench, &attempt)?;
    observer.settled(&attempt);
    order.attempts.push(attempt);
    Ok(())
}

fn merged_already(
    bench: &Bench<'_>,
    into: &str,
    attempt: &Attempt,
) -> Result<Option<String>, ResearchError> {
    let Some(tip) = bench
        .repo
        .branch_tip(into)?
        .filter(|tip| *tip != attempt.base)
    else {
        return Ok(None);
    };
    // Somebody may have committed on top of it.
    for commit in bench.repo.commits(&format!("{}..{tip}", attempt.base))? {
        let named = parse_trailers(&bench.repo.message(&commit.id)?).verdicts;
        if attempt.verdict_ids.iter().any(|id| named.contains(id)) {
            return Ok(Some(commit.id));
        }
    }
    Ok(None)
}

fn merge_again(
    bench: &Bench<'_>,
    order: &Order<'_>,
    attempt: &Attempt,
) -> Result<String, ResearchError> {
    let base = bench.repo.resolve(&attempt.base)?;
    let tree = attempt
        .main_verdict()
        .and_then(|v| v.candidate_tree.clone())
        .unwrap_or_default();
    let patch = bench.repo.patch_between(&base.tree, &tree)?;
    let question = question(bench, order, attempt, &base, &tree, patch);
    let answer = Answer {
        kind: attempt.verdict,
        reason: attempt.reason.clone(),
        verdicts: attempt.verdicts.clone(),
        timed: true,
        build_s: 0.0,
        check_s: 0.0,
    };
    Ok(merge_proven(bench, &question, &answer, &order.campaign.into)?.commit)
}

/// The revision that patches are measured against: the tip of the branch, or where the campaign began.
fn standing(bench: &Bench<'_>, campaign: &Campaign) -> Result<Commit, ResearchError> {
    let tip = bench.repo.branch_tip(&campaign.into)?;
    Ok(bench
        .repo
        .resolve(tip.as_deref().unwrap_or(&campaign.start))?)
}

fn standing_tokens_per_s(order: &Order<'_>) -> Option<f64> {
    let last = order
        .attempts
        .iter()
        .rev()
        .find_map(|a| Some((a.merged.is_some(), a.main_verdict()?.tokens_per_s?)));
    last.map(|(merged, tokens)| {
        if merged {
            tokens.candidate
        } else {
            tokens.base
        }
    })
}

fn over(order: &Order<'_>, used_s: f64) -> Option<String> {
    let campaign = &order.campaign;
    let whole = order.attempts.iter().filter(|a| a.reason != INTERRUPTED);
    let made = whole.count();
    if campaign.max_experiments.is_some_and(|most| made >= most) {
        return Some(format!("{made} attempts were made"));
    }
    if campaign.budget_s.is_some_and(|most| used_s >= most) {
        return Some("the time budget is used up".into());
    }
    None
}

/// Whether the last attempts were all no patch, or one that was tried before.
fn is_broken(attempts: &[Attempt]) -> bool {
    let nothing_new = |a: &&Attempt| a.patch_sha256.is_none() || a.reason.starts_with(TRIED);
    let last = attempts.iter().rev().take(EMPTY_HANDED);
    last.filter(nothing_new).count() == EMPTY_HANDED
}

/// Why nothing can be measured any more, if the last trials of this sitting all ended without a verdict.
fn no_verdicts(attempts: &[Attempt]) -> Option<String> {
    let last: Vec<&Attempt> = attempts.iter().rev().take(NO_VERDICTS).collect();
    let all = last.iter().all(|a| a.reason.starts_with(NO_VERDICT));
    (all && last.len() == NO_VERDICTS)
        .then(|| format!("{NO_VERDICTS} trials in a row had {}", last[0].reason))
}

fn profile_of(
    bench: &mut Bench<'_>,
    campaign: &Campaign,
    base: &Commit,
) -> Result<Option<Profile>, ResearchError> {
    let Some(name) = campaign.workloads.first() else {
        return Ok(None);
    };
    let config = workload(bench.config, name)?;
    let built = bench.builder.base(name, config, &base.tree);
    let built = built.map_err(|error| base_build(&error, base))?;
    let Some(profiler) = &built.profile else {
        return Ok(None);
    };
    // A profile is help for the agent; a workload without one is still a workload.
    Ok(profile(bench.context, profiler).ok())
}

fn blank(order: &Order<'_>, agent: &str, base: &Commit, number: usize) -> Attempt {
    Attempt {
        schema: Attempt::SCHEMA.into(),
        campaign: order.campaign.id.clone(),
        number,
        agent: agent.to_owned(),
        title: String::new(),
        verdict: Kind::Rejected,
        reason: String::new(),
        tested: None,
        merges_before: tickets(order).1 as u64,
        base: base.id.clone(),
        merged: None,
        patch_sha256: None,
        diff: String::new(),
        tree: None,
        verdict_ids: Vec::new(),
        verdicts: Vec::<Verdict>::new(),
        propose_s: 0.0,
        build_s: 0.0,
        check_s: 0.0,
        total_s: 0.0,
        at_s: 0.0,
        finished: now(),
    }
}

fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}
