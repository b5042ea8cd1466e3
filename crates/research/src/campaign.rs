//! The campaign: propose, judge, merge, again, under one error budget. It can be killed at any
//! moment and resumed: an attempt is on the disk before its patch is merged, and what was merged
//! without being noted is found again by its trailer.

use outpace_gate::{GateError, Judge, Landing, Next, current_base, land, reason_of};
use outpace_record::{Attempt, Campaign, Config, Event, GateRequest, Kind, Observer, Profile};
use outpace_repo::{Commit, Repo, parse_trailers};

use crate::Ledger;
use crate::agents::{Agent, AgentContext, Proposal};
use crate::attempts::{INTERRUPTED, agent_is_broken, current_tokens_per_s, machine_is_broken};
use crate::ledger::{OpenAttempt, interrupted, no_verdict};

/// Who takes part in a campaign.
pub struct Parties<'a> {
    /// The repository.
    pub repo: &'a Repo,
    /// The `outpace.toml` that the campaign began with.
    pub config: &'a Config,
    /// Judges patches.
    pub judge: &'a mut dyn Judge,
    /// Proposes them.
    pub agent: &'a mut dyn Agent,
    /// Whether the user asked to stop.
    pub cancelled: &'a dyn Fn() -> bool,
}

/// A patch that is judged next.
struct Candidate {
    agent: String,
    title: String,
    tree: String,
    /// Seconds that the agent took.
    propose_s: f64,
    /// How often it was measured again because the branch moved.
    moves: usize,
}

/// Where the time of a base's steps goes, as long as that base stands.
type KnownProfile = Option<(String, Option<Profile>)>;

/// Runs until a limit, the agent's end, or Ctrl-C; says why in `stopped_because`.
///
/// # Errors
/// Base, machine, git or disk fail. Finished attempts are kept in any case.
pub fn run_campaign(
    parties: &mut Parties<'_>,
    mut ledger: Ledger<'_>,
    observer: &mut dyn Observer,
) -> Result<(Campaign, Vec<Attempt>), GateError> {
    ledger.start()?;
    let ended = attempts(parties, &mut ledger, observer);
    let finished = ledger.finish(&ended)?;
    match ended {
        Ok(_) | Err(GateError::Interrupted(_)) => Ok(finished),
        Err(error) => Err(error),
    }
}

/// One loop: the patch that is pending, or else what the agent proposes, is judged, closed and
/// landed.
fn attempts(
    parties: &mut Parties<'_>,
    ledger: &mut Ledger<'_>,
    observer: &mut dyn Observer,
) -> Result<String, GateError> {
    let mut pending = match settle_unmerged(parties, ledger, observer)? {
        Some(moved) => Some(moved),
        None => cut_off(parties.repo, ledger)?,
    };
    let mut profile = None;
    loop {
        // What is measured again because its branch moved was begun within the limits.
        let begun = pending
            .as_ref()
            .is_some_and(|candidate| candidate.moves > 0);
        if !begun && let Some(reason) = stop_reason(parties, ledger)? {
            return Ok(reason);
        }
        let campaign = ledger.campaign();
        let base = current_base(parties.repo, &campaign.into, &campaign.start)?;
        let candidate = match pending.take() {
            Some(candidate) => candidate,
            None => match propose(parties, ledger, &base, &mut profile, observer)? {
                Proposed::Candidate(candidate) => candidate,
                Proposed::Nothing => continue,
                Proposed::Exhausted(reason) => return Ok(reason),
            },
        };
        pending = judge(parties, ledger, &base, candidate, observer)?;
    }
}

/// Why the campaign ends here, if it does.
fn stop_reason(parties: &Parties<'_>, ledger: &Ledger<'_>) -> Result<Option<String>, GateError> {
    if let Some(reason) = ledger.limit_reached() {
        return Ok(Some(reason));
    }
    if !parties.agent.may_fail_in_a_row()
        && let Some(reason) = agent_is_broken(ledger.attempts())
    {
        return Ok(Some(reason));
    }
    if let Some(reason) = machine_is_broken(ledger.own_attempts()) {
        return Err(GateError::Environment(reason));
    }
    if (parties.cancelled)() {
        return Err(GateError::Interrupted(Vec::new()));
    }
    Ok(None)
}

enum Proposed {
    Candidate(Candidate),
    /// An attempt without a patch was closed.
    Nothing,
    Exhausted(String),
}

fn propose(
    parties: &mut Parties<'_>,
    ledger: &mut Ledger<'_>,
    base: &Commit,
    known: &mut KnownProfile,
    observer: &mut dyn Observer,
) -> Result<Proposed, GateError> {
    if parties.agent.wants_profile() {
        renew_profile(parties, ledger, base, known, observer)?;
    }
    let agent = parties.agent.name().to_owned();
    let mut open = ledger.open(&agent, base, "");
    observer.on(&Event::ProposalStarted {
        number: open.attempt.number,
        agent: agent.clone(),
    });
    let logs = ledger.logs();
    let context = AgentContext {
        repo: parties.repo,
        base,
        config: parties.config,
        workloads: &ledger.campaign().workloads,
        attempts: ledger.attempts(),
        tokens_per_s: current_tokens_per_s(ledger.attempts()),
        profile: known.as_ref().and_then(|(_, profile)| profile.as_ref()),
        logs: &logs,
    };
    match parties.agent.propose(&context, observer)? {
        Proposal::Exhausted { reason } => Ok(Proposed::Exhausted(reason)),
        Proposal::Nothing { title, reason } => {
            open.attempt.title = title;
            open.attempt.reason = reason_of(&reason);
            ledger.close(open, observer)?;
            Ok(Proposed::Nothing)
        }
        Proposal::Tree { tree, title } => Ok(Proposed::Candidate(Candidate {
            agent,
            title,
            tree,
            propose_s: ledger.seconds_of(&open),
            moves: 0,
        })),
    }
}

fn renew_profile(
    parties: &mut Parties<'_>,
    ledger: &Ledger<'_>,
    base: &Commit,
    known: &mut KnownProfile,
    observer: &mut dyn Observer,
) -> Result<(), GateError> {
    let is_known = known.as_ref().is_some_and(|(tree, _)| *tree == base.tree);
    if let (false, Some(workload)) = (is_known, ledger.campaign().workloads.first()) {
        let profile = parties.judge.profile(base, workload, observer)?;
        *known = Some((base.tree.clone(), profile));
    }
    Ok(())
}

/// Judges one patch, merges it if it is proven, closes its attempt; returns what is measured next
/// because the branch moved.
fn judge(
    parties: &mut Parties<'_>,
    ledger: &mut Ledger<'_>,
    base: &Commit,
    candidate: Candidate,
    observer: &mut dyn Observer,
) -> Result<Option<Candidate>, GateError> {
    let mut open = ledger.open(&candidate.agent, base, &candidate.title);
    open.attempt.propose_s = candidate.propose_s;
    observer.on(&Event::AttemptStarted {
        number: open.attempt.number,
        title: candidate.title.clone(),
    });
    let patch = parties.repo.patch_between(&base.tree, &candidate.tree)?;
    if let Some(reason) = ledger.name_patch(&mut open, &candidate.tree, &patch) {
        open.attempt.reason = reason;
        ledger.close(open, observer)?;
        return Ok(None);
    }
    let gate = &parties.config.gate;
    let request = ledger.request(&open, &candidate.tree, &patch, gate)?;
    let (outcome, ends) = match parties.judge.judge(&request, observer) {
        Ok(outcome) => (outcome, None),
        // Its patch and samples are kept.
        Err(GateError::Interrupted(partial)) => {
            let ends = GateError::Interrupted(Vec::new());
            (interrupted(partial), Some(ends))
        }
        // Kept, or the campaign would propose it again when it is resumed, and lose the GPU again.
        Err(GateError::NoVerdict {
            message,
            lost,
            verdicts,
        }) => {
            let outcome = no_verdict(&message, verdicts);
            // If nothing was lost, the next patch may have better luck with the machine.
            (outcome, lost.then_some(GateError::Environment(message)))
        }
        Err(error) => return Err(error),
    };
    ledger.note(&mut open, &request, &outcome);
    if let Some(error) = ends {
        ledger.close(open, observer)?;
        return Err(error);
    }
    if outcome.kind != Kind::Faster {
        ledger.close(open, observer)?;
        return Ok(None);
    }
    ledger.save_proven(&mut open)?;
    let into = ledger.campaign().into.clone();
    let landing = land(parties.repo, &request, &outcome, &into, candidate.moves)?;
    close_landed(ledger, open, landing, candidate, observer)
}

fn close_landed(
    ledger: &mut Ledger<'_>,
    mut open: OpenAttempt,
    landing: Landing,
    candidate: Candidate,
    observer: &mut dyn Observer,
) -> Result<Option<Candidate>, GateError> {
    let next = match landing {
        Landing::Merged(commit) => {
            open.attempt.merged = Some(commit);
            ledger.close(open, observer)?;
            return Ok(None);
        }
        Landing::Moved { now, next } => {
            observer.on(&Event::BranchMoved {
                branch: ledger.campaign().into.clone(),
                now: now.id,
            });
            next
        }
    };
    // Its samples stay. The next trial is another chance to be wrong, so it is an attempt with a
    // test index of its own.
    open.attempt.verdict = Kind::NotProven;
    open.attempt.reason = next.reason();
    ledger.close(open, observer)?;
    after_move(next, candidate)
}

fn after_move(next: Next, candidate: Candidate) -> Result<Option<Candidate>, GateError> {
    match next {
        Next::Measure(request) => Ok(Some(Candidate {
            tree: request.tree,
            propose_s: 0.0,
            moves: candidate.moves + 1,
            ..candidate
        })),
        Next::RulesChanged => Err(GateError::Environment(next.reason())),
        Next::DoesNotApply(_) | Next::GivenUp => Ok(None),
    }
}

/// The patch that Ctrl-C cut off is judged first when the campaign is resumed, as another attempt.
fn cut_off(repo: &Repo, ledger: &Ledger<'_>) -> Result<Option<Candidate>, GateError> {
    let last = ledger.attempts().last();
    let Some(last) = last.filter(|a| a.reason == INTERRUPTED) else {
        return Ok(None);
    };
    let Some(tree) = &last.tree else {
        return Ok(None);
    };
    let campaign = ledger.campaign();
    let base = current_base(repo, &campaign.into, &campaign.start)?;
    let then = repo.resolve(&last.base)?;
    // No ref holds the tree: git may have thrown it away meanwhile. Then it is proposed again.
    let patch = repo.patch_between(&then.tree, tree);
    let applied = patch.and_then(|patch| repo.apply_onto(&base, &patch.text));
    Ok(applied.ok().map(|tree| Candidate {
        agent: last.agent.clone(),
        title: last.title.clone(),
        tree,
        propose_s: 0.0,
        moves: 0,
    }))
}

/// A kill between the decision and its note: the merge is made if it was not, and noted. No
/// finished trial is lost.
fn settle_unmerged(
    parties: &Parties<'_>,
    ledger: &mut Ledger<'_>,
    observer: &mut dyn Observer,
) -> Result<Option<Candidate>, GateError> {
    let Some(mut attempt) = ledger.take_unmerged() else {
        return Ok(None);
    };
    let (repo, into) = (parties.repo, ledger.campaign().into.clone());
    let mut pending = None;
    if let Some(commit) = merged_already(repo, &into, &attempt)? {
        attempt.merged = Some(commit);
    } else {
        let (request, outcome) = ledger.proven(&attempt, &parties.config.gate)?;
        match land(repo, &request, &outcome, &into, 0)? {
            Landing::Merged(commit) => attempt.merged = Some(commit),
            Landing::Moved { next, .. } => {
                attempt.verdict = Kind::NotProven;
                attempt.reason = next.reason();
                pending = Some((next, candidate_of(&attempt, &request)));
            }
        }
    }
    observer.on(&Event::Note {
        text: format!(
            "number {} was decided before the interruption; its merge is settled now",
            attempt.number
        ),
    });
    ledger.keep(attempt, observer)?;
    pending.map_or(Ok(None), |(next, candidate)| after_move(next, candidate))
}

fn candidate_of(attempt: &Attempt, request: &GateRequest) -> Candidate {
    Candidate {
        agent: attempt.agent.clone(),
        title: attempt.title.clone(),
        tree: request.tree.clone(),
        propose_s: 0.0,
        moves: 0,
    }
}

/// The merge of an attempt, found by the trailer that names its verdict. Others may have committed
/// on top of it.
fn merged_already(repo: &Repo, into: &str, attempt: &Attempt) -> Result<Option<String>, GateError> {
    let tip = repo.branch_tip(into)?;
    let Some(tip) = tip.filter(|tip| *tip != attempt.base) else {
        return Ok(None);
    };
    for commit in repo.commits(&format!("{}..{tip}", attempt.base))? {
        let named = parse_trailers(&repo.message(&commit.id)?).verdicts;
        if attempt.verdict_ids.iter().any(|id| named.contains(id)) {
            return Ok(Some(commit.id));
        }
    }
    Ok(None)
}
