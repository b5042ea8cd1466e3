//! The books of a campaign: its attempts, test indices, error budget and time budget, on the disk
//! and in the history. An attempt is opened in one place and closed in one place.

use std::time::SystemTime;

use outpace_gate::{GateError, GateOutcome, next_test, reason_of};
use outpace_record::{
    Attempt, Campaign, CampaignState, Document, Event, GateConfig, GateRequest, Kind, Observer,
    RequestRule, Timestamp, Verdict, record_id,
};
use outpace_repo::{Commit, Patch, Repo};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::CampaignDir;
use crate::attempts::{INTERRUPTED, NO_VERDICT, merges, tried_before, unbooked, whole};

/// Longest diff that is kept with an attempt, in characters.
const DIFF_CHARS: usize = 64 << 10;

/// A campaign and what was tried so far.
pub struct Ledger<'a> {
    campaign: Campaign,
    attempts: Vec<Attempt>,
    dir: &'a CampaignDir,
    repo: &'a Repo,
    /// Seconds since this process began with the campaign.
    clock: &'a dyn Fn() -> f64,
    used_before_s: f64,
    /// Attempts of earlier processes.
    resumed_with: usize,
}

/// An attempt that is not closed yet.
pub(crate) struct OpenAttempt {
    pub(crate) attempt: Attempt,
    began_s: f64,
}

impl<'a> Ledger<'a> {
    /// `attempts` are those that the campaign has on the disk; `clock` counts seconds from now.
    pub fn new(
        campaign: Campaign,
        attempts: Vec<Attempt>,
        dir: &'a CampaignDir,
        repo: &'a Repo,
        clock: &'a dyn Fn() -> f64,
    ) -> Self {
        Self {
            used_before_s: campaign.used_s,
            resumed_with: attempts.len(),
            campaign,
            attempts,
            dir,
            repo,
            clock,
        }
    }

    pub(crate) fn campaign(&self) -> &Campaign {
        &self.campaign
    }

    pub(crate) fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Those that this process has made.
    pub(crate) fn own_attempts(&self) -> &[Attempt] {
        &self.attempts[self.resumed_with..]
    }

    pub(crate) fn logs(&self) -> std::path::PathBuf {
        self.dir.logs()
    }

    /// Notes that the campaign is under way.
    pub(crate) fn start(&mut self) -> Result<(), GateError> {
        self.campaign.state = CampaignState::Running;
        self.campaign.stopped_because = None;
        self.save()?;
        // A kill may have come between an attempt's file and the history; to append it again
        // changes nothing.
        match self.attempts.last() {
            Some(last) => self.record(last),
            None => Ok(()),
        }
    }

    /// Notes how the campaign ended and gives it back.
    pub(crate) fn finish(
        mut self,
        ended: &Result<String, GateError>,
    ) -> Result<(Campaign, Vec<Attempt>), GateError> {
        let (state, reason) = match ended {
            Ok(reason) => (CampaignState::Finished, reason.clone()),
            // It never began: left open, it would hide an older one that is worth resuming.
            Err(error @ GateError::Usage(_)) if self.attempts.is_empty() => {
                (CampaignState::Finished, error.to_string())
            }
            Err(error) => (CampaignState::Interrupted, error.to_string()),
        };
        self.campaign.state = state;
        self.campaign.stopped_because = Some(reason);
        self.save()?;
        Ok((self.campaign, self.attempts))
    }

    /// Why no other patch is asked for, if a limit is reached.
    pub(crate) fn limit_reached(&self) -> Option<String> {
        let (campaign, made) = (&self.campaign, whole(&self.attempts));
        if campaign.max_experiments.is_some_and(|most| made >= most) {
            return Some(format!("{made} attempts were made"));
        }
        if campaign.budget_s.is_some_and(|most| self.used_s() >= most) {
            return Some("the time budget is used up".into());
        }
        None
    }

    /// Number of the next attempt.
    pub(crate) fn next_number(&self) -> usize {
        self.attempts.last().map_or(0, |a| a.number) + 1
    }

    /// Opens the next attempt.
    pub(crate) fn open(&self, agent: &str, base: &Commit, title: &str) -> OpenAttempt {
        let attempt = Attempt {
            schema: Attempt::SCHEMA.into(),
            campaign: self.campaign.id.clone(),
            number: self.next_number(),
            agent: agent.to_owned(),
            title: title.to_owned(),
            verdict: Kind::Rejected,
            reason: String::new(),
            tested: None,
            merges_before: merges(&self.attempts),
            base: base.id.clone(),
            merged: None,
            patch_sha256: None,
            diff: String::new(),
            tree: None,
            verdict_ids: Vec::new(),
            verdicts: Vec::new(),
            propose_s: 0.0,
            build_s: 0.0,
            check_s: 0.0,
            total_s: 0.0,
            at_s: 0.0,
            finished: now(),
        };
        OpenAttempt {
            attempt,
            began_s: (self.clock)(),
        }
    }

    /// Seconds since it was opened.
    pub(crate) fn seconds_of(&self, open: &OpenAttempt) -> f64 {
        (self.clock)() - open.began_s
    }

    /// Names the patch of an attempt; says why it is not judged, if it was settled before.
    pub(crate) fn name_patch(
        &self,
        open: &mut OpenAttempt,
        tree: &str,
        patch: &Patch,
    ) -> Option<String> {
        let attempt = &mut open.attempt;
        attempt.patch_sha256 = Some(patch.sha256.clone());
        attempt.tree = Some(tree.to_owned());
        attempt.diff = patch.text.chars().take(DIFF_CHARS).collect();
        tried_before(&self.attempts, &patch.sha256)
    }

    /// What a judge is asked of an attempt. Its threshold is that of its own test index.
    pub(crate) fn request(
        &self,
        open: &OpenAttempt,
        tree: &str,
        patch: &Patch,
        gate: &GateConfig,
    ) -> Result<GateRequest, GateError> {
        let (attempt, campaign) = (&open.attempt, &self.campaign);
        // No laxer than the campaign began, whatever `[gate]` says by now: its error budget is one.
        let (alpha, fdr) = (campaign.alpha.min(gate.alpha), campaign.fdr.min(gate.fdr));
        let (into, id) = (&campaign.into, Some(&*campaign.id));
        let test = next_test(self.repo, into, fdr, id, unbooked(&self.attempts))?;
        Ok(GateRequest {
            schema: GateRequest::SCHEMA.into(),
            base: attempt.base.clone(),
            tree: tree.to_owned(),
            candidate: None,
            patch: patch.text.clone(),
            title: attempt.title.clone(),
            agent: Some(attempt.agent.clone()),
            workloads: campaign.workloads.clone(),
            rule: RequestRule {
                min_speedup: campaign.min_speedup.max(gate.min_speedup),
                alpha,
                threshold: Some(test.threshold().max(1.0 / alpha)),
                screen: true,
                max_blocks: gate.campaign_max_blocks,
                margin: None,
            },
            test: Some(test),
            seed: self.seed_of(attempt.number),
            policy: true,
            aa: false,
        })
    }

    /// What a judge was asked of an attempt that it has proven, and what it answered.
    pub(crate) fn proven(
        &self,
        attempt: &Attempt,
        gate: &GateConfig,
    ) -> Result<(GateRequest, GateOutcome), GateError> {
        let base = self.repo.resolve(&attempt.base)?;
        let judged = attempt
            .main_verdict()
            .and_then(|v| v.candidate_tree.clone());
        let tree = judged.or_else(|| attempt.tree.clone()).unwrap_or_default();
        let patch = self.repo.patch_between(&base.tree, &tree)?;
        let open = OpenAttempt {
            attempt: attempt.clone(),
            began_s: 0.0,
        };
        let request = self.request(&open, &tree, &patch, gate)?;
        Ok((request, GateOutcome::of(attempt.verdicts.clone())))
    }

    /// Notes what a judge has answered to a request. A trial that goes on from an earlier one is
    /// judged with its index.
    pub(crate) fn note(
        &self,
        open: &mut OpenAttempt,
        request: &GateRequest,
        outcome: &GateOutcome,
    ) {
        let judged = outcome.verdicts.iter().find_map(|v| v.test.as_ref());
        let index = judged.or(request.test.as_ref()).map(|test| test.index);
        let attempt = &mut open.attempt;
        attempt.verdict = outcome.kind;
        attempt.reason.clone_from(&outcome.reason);
        attempt.merges_before = merges(&self.attempts);
        attempt.tested = index.filter(|_| outcome.timed);
        attempt.verdict_ids = ids(&outcome.verdicts);
        attempt.verdicts.clone_from(&outcome.verdicts);
        attempt.build_s += outcome.build_s;
        attempt.check_s += outcome.check_s;
    }

    /// Puts a proven attempt on the disk before it is merged: a kill in between is repaired when
    /// the campaign is resumed.
    pub(crate) fn save_proven(&self, open: &mut OpenAttempt) -> Result<(), GateError> {
        open.attempt.total_s = open.attempt.propose_s + self.seconds_of(open);
        self.dir.save_attempt(&open.attempt)
    }

    /// Closes an attempt: writes it to the campaign's directory and to the history, and tells of
    /// it.
    pub(crate) fn close(
        &mut self,
        open: OpenAttempt,
        observer: &mut dyn Observer,
    ) -> Result<(), GateError> {
        let seconds = self.seconds_of(&open);
        let mut attempt = open.attempt;
        attempt.total_s = attempt.propose_s + seconds;
        attempt.at_s = self.used_s();
        attempt.finished = now();
        self.keep(attempt, observer)
    }

    /// The last attempt, reopened, if it was proven and the process was killed before its merge was
    /// noted.
    pub(crate) fn take_unmerged(&mut self) -> Option<Attempt> {
        let proven = |a: &mut Attempt| a.verdict == Kind::Faster && a.merged.is_none();
        self.attempts.pop_if(proven)
    }

    /// Puts a reopened attempt back, settled.
    pub(crate) fn keep(
        &mut self,
        attempt: Attempt,
        observer: &mut dyn Observer,
    ) -> Result<(), GateError> {
        let tokens = attempt.main_verdict().and_then(|v| v.tokens_per_s);
        let start = &mut self.campaign.start_tokens_per_s;
        *start = start.or(tokens.map(|t| t.base));
        self.dir.save_attempt(&attempt)?;
        self.save()?;
        self.record(&attempt)?;
        observer.on(&Event::AttemptEnded {
            attempt: Box::new(attempt.clone()),
        });
        self.attempts.push(attempt);
        Ok(())
    }

    /// Drawn when the patch is there, so that no agent can know it; only a campaign that replays a
    /// seed gets what follows from that.
    fn seed_of(&self, number: usize) -> u64 {
        let seed = match self.campaign.seed_was_given {
            true => {
                let seed = self.campaign.seed.wrapping_add(number as u64);
                ChaCha20Rng::seed_from_u64(seed).random()
            }
            false => rand::random::<u64>(),
        };
        seed >> 11
    }

    fn used_s(&self) -> f64 {
        self.used_before_s + (self.clock)()
    }

    fn save(&mut self) -> Result<(), GateError> {
        self.campaign.used_s = self.used_s();
        self.campaign.updated = now();
        self.dir.save_campaign(&self.campaign)
    }

    /// In the history an attempt names its verdicts, which stand beside it.
    fn record(&self, attempt: &Attempt) -> Result<(), GateError> {
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
        self.repo.history().append(&records)?;
        Ok(())
    }
}

/// What is noted of a trial that ended without a verdict. It may have been timed, so its test index
/// is used.
pub(crate) fn no_verdict(reason: &str, verdicts: Vec<Verdict>) -> GateOutcome {
    GateOutcome {
        kind: Kind::NotProven,
        reason: reason_of(&format!("{NO_VERDICT}: {reason}")),
        timed: true,
        ..GateOutcome::of(verdicts)
    }
}

/// What is noted of a trial that Ctrl-C cut off: if it was timed, its test index is used, because
/// its samples were seen.
pub(crate) fn interrupted(verdicts: Vec<Verdict>) -> GateOutcome {
    GateOutcome {
        kind: Kind::NotProven,
        reason: INTERRUPTED.into(),
        ..GateOutcome::of(verdicts)
    }
}

fn ids(verdicts: &[Verdict]) -> Vec<String> {
    let id = |v: &Verdict| record_id(v.to_json().as_bytes());
    verdicts.iter().map(id).collect()
}

fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}
