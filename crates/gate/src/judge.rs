//! The seam: a request goes in, an outcome comes out. Policy, builds, correctness, the machine's
//! lock and the trial are inside, so that no caller can forget one.

use outpace_record::{
    Document, Event, GateRequest, Kind, Observer, PolicyConfig, Profile, Verdict, record_id,
};
use outpace_repo::{Commit, Patch, Repo, check_policy};

use crate::budget;
use crate::candidate::{Candidate, Spent};
use crate::verdict::reason_of;
use crate::workload::judge_workload;
use crate::{GateError, Harness};

/// Judges candidates. [`Harness`] does it on this machine.
pub trait Judge {
    /// Judges a candidate on every workload of the request, in order; the first refusal ends it.
    ///
    /// # Errors
    /// The base fails, the machine fails, or the user asked to stop. Whatever the candidate does
    /// wrong is an outcome, not an error.
    fn judge(
        &mut self,
        request: &GateRequest,
        observer: &mut dyn Observer,
    ) -> Result<GateOutcome, GateError>;

    /// Where a step of the base spends its time, for an agent; nothing where that is not known.
    ///
    /// # Errors
    /// The base does not build, or the user asked to stop.
    fn profile(
        &mut self,
        _base: &Commit,
        _workload: &str,
        _observer: &mut dyn Observer,
    ) -> Result<Option<Profile>, GateError> {
        Ok(None)
    }
}

/// What a gate answers.
#[derive(Debug, Clone, PartialEq)]
pub struct GateOutcome {
    /// For all workloads together.
    pub kind: Kind,
    /// Why.
    pub reason: String,
    /// One verdict a workload, up to the one that settled it.
    pub verdicts: Vec<Verdict>,
    /// Whether anything was timed (which uses up a test index of the campaign).
    pub timed: bool,
    /// Seconds of the candidate's builds.
    pub build_s: f64,
    /// Seconds of the correctness checks.
    pub check_s: f64,
}

impl GateOutcome {
    /// The outcome of some verdicts. `faster` for the whole needs one proven faster and none slower
    /// or refused.
    pub fn of(verdicts: Vec<Verdict>) -> Self {
        // Where not to be slower is enough, all workloads have to show it.
        let all_have_to = verdicts.iter().any(|v| v.margin.is_some());
        let order = match all_have_to {
            true => [
                Kind::Rejected,
                Kind::Slower,
                Kind::NotProven,
                Kind::NotSlower,
                Kind::Faster,
                Kind::Same,
            ],
            false => [
                Kind::Rejected,
                Kind::Slower,
                Kind::Faster,
                Kind::NotProven,
                Kind::NotSlower,
                Kind::Same,
            ],
        };
        let decisive = order
            .iter()
            .find_map(|kind| verdicts.iter().find(|v| v.verdict == *kind));
        let (kind, reason) = match decisive {
            None => (Kind::Same, "nothing to judge".to_owned()),
            Some(v) if verdicts.len() > 1 => (v.verdict, format!("{}: {}", v.workload, v.reason)),
            Some(v) => (v.verdict, v.reason.clone()),
        };
        Self {
            // The same program is not slower.
            kind: match kind {
                Kind::Same if all_have_to => Kind::NotSlower,
                kind => kind,
            },
            reason,
            timed: verdicts.iter().any(|v| v.n_blocks > 0),
            verdicts,
            build_s: 0.0,
            check_s: 0.0,
        }
    }
}

/// Why a judge would refuse a change of the tree `base` to `tree` before it builds anything.
///
/// # Errors
/// git fails.
pub fn refused_by_policy(
    repo: &Repo,
    policy: &PolicyConfig,
    base: &str,
    tree: &str,
) -> Result<Option<String>, GateError> {
    let patch = repo.patch_between(base, tree)?;
    Ok(check_policy(&patch, policy).err().map(|v| v.to_string()))
}

impl Judge for Harness<'_> {
    fn judge(
        &mut self,
        request: &GateRequest,
        observer: &mut dyn Observer,
    ) -> Result<GateOutcome, GateError> {
        let candidate = match self.find(request)? {
            Ok(candidate) => candidate,
            Err(refused) => return self.refuse(request, &refused.to_string()),
        };
        if request.policy {
            let violation = check_policy(&candidate.patch, &self.config.policy).err();
            let refused = violation.map(|violation| violation.to_string());
            observer.on(&Event::PolicyChecked {
                refused: refused.clone(),
            });
            if let Some(reason) = refused {
                return self.refuse_patch(&candidate, &reason);
            }
        }
        let (mut verdicts, mut spent) = (Vec::new(), Spent::default());
        for name in &request.workloads {
            let judged = judge_workload(self, &candidate, name, &mut spent, observer);
            let ended = settled(&judged, spent.before.take());
            if let (Some(test), Some(ended)) = (spent.test.take(), ended)
                && let Err(error) = budget::close(self.repo, test, ended)
            {
                // Whoever keeps the verdict finds the fault too; it is not lost for that.
                observer.on(&Event::Note {
                    text: format!("{name}: {error}"),
                });
            }
            let verdict = match judged {
                Ok(verdict) => verdict,
                Err(error) => return Err(with_verdicts(error, verdicts, spent.timed)),
            };
            observer.on(&Event::Judged {
                workload: name.clone(),
                verdict: verdict.verdict,
            });
            let stop = matches!(verdict.verdict, Kind::Rejected | Kind::Slower);
            verdicts.push(verdict);
            if stop {
                break;
            }
        }
        Ok(GateOutcome {
            timed: spent.timed,
            build_s: spent.build_s,
            check_s: spent.check_s,
            ..GateOutcome::of(verdicts)
        })
    }

    fn profile(
        &mut self,
        base: &Commit,
        workload: &str,
        observer: &mut dyn Observer,
    ) -> Result<Option<Profile>, GateError> {
        Harness::profile(self, workload, base, observer)
    }
}

impl Harness<'_> {
    /// The outcome of a patch that may not even be built, or that cannot be read.
    ///
    /// # Errors
    /// The request names a commit or a workload that is not there.
    pub fn refuse(&self, request: &GateRequest, reason: &str) -> Result<GateOutcome, GateError> {
        let base = self.repo.resolve(&request.base)?;
        let candidate = Candidate {
            request,
            tree: base.tree.clone(),
            base,
            patch: Patch::default(),
        };
        self.refuse_patch(&candidate, reason)
    }

    fn refuse_patch(
        &self,
        candidate: &Candidate<'_>,
        reason: &str,
    ) -> Result<GateOutcome, GateError> {
        let workloads = &candidate.request.workloads;
        let first = workloads.iter().take(1);
        let refused = first.map(|name| {
            let draft = self.draft(candidate, name)?;
            Ok(draft.settle(Kind::Rejected, &reason_of(reason)))
        });
        let verdicts: Result<Vec<Verdict>, GateError> = refused.collect();
        Ok(GateOutcome {
            kind: Kind::Rejected,
            reason: reason.to_owned(),
            ..GateOutcome::of(verdicts?)
        })
    }
}

/// The verdict and the record that has the samples, also where Ctrl-C cut it off; `before` is that
/// of the trial that it goes on from, which stands where nothing was measured since.
fn settled(
    judged: &Result<Verdict, GateError>,
    before: Option<(Kind, String)>,
) -> Option<(Kind, String)> {
    let of = |verdict: &Verdict| (verdict.verdict, record_id(verdict.to_json().as_bytes()));
    match judged {
        Ok(verdict) => Some(of(verdict)),
        Err(GateError::Interrupted(partial)) => partial.last().map(of).or(before),
        Err(_) => None,
    }
}

/// What was settled before an error is not lost with it.
fn with_verdicts(error: GateError, mut verdicts: Vec<Verdict>, timed: bool) -> GateError {
    match error {
        GateError::Interrupted(partial) => {
            verdicts.extend(partial);
            GateError::Interrupted(verdicts)
        }
        GateError::NoVerdict { message, lost, .. } => GateError::NoVerdict {
            message,
            lost,
            verdicts,
        },
        // A candidate may be behind it, and what has been timed has used its test index.
        GateError::Environment(message) if timed => GateError::NoVerdict {
            message,
            lost: true,
            verdicts,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(kind: Kind) -> Verdict {
        let json = serde_json::json!({
            "schema": "outpace.verdict/1", "verdict": kind.as_str(), "reason": "",
            "threshold": 100.0, "alpha": 0.01, "min_speedup": 0.005, "n_blocks": 0,
            "workload": "w", "track": "throughput", "base": "8c1f0e2", "machine_class": "m",
            "sandbox_tier": "none", "seeds": {"trial": 7}, "outpace_version": "0.1.0",
            "started": "2026-05-19T08:30:00Z", "finished": "2026-05-19T08:31:00Z"
        });
        Verdict::from_json(&json.to_string()).unwrap()
    }

    #[test]
    fn what_is_decisive_over_several_workloads() {
        let check = |kinds: &[Kind], expect: Kind| {
            let outcome = GateOutcome::of(kinds.iter().map(|kind| verdict(*kind)).collect());
            assert_eq!(outcome.kind, expect, "{kinds:?}");
        };
        check(&[], Kind::Same);
        check(&[Kind::Faster], Kind::Faster);
        check(&[Kind::Faster, Kind::Same, Kind::NotProven], Kind::Faster);
        check(&[Kind::Faster, Kind::Slower], Kind::Slower);
        check(&[Kind::Faster, Kind::Rejected], Kind::Rejected);
        check(&[Kind::Same, Kind::NotProven], Kind::NotProven);
        check(&[Kind::Same, Kind::Same], Kind::Same);
    }

    #[test]
    fn what_was_settled_before_an_error_is_not_lost() {
        let before = || vec![verdict(Kind::Faster)];
        let environment = || GateError::Environment("the base fails".into());
        let kept = |error: &GateError| match error {
            GateError::Interrupted(verdicts) | GateError::NoVerdict { verdicts, .. } => {
                verdicts.len()
            }
            _ => 0,
        };
        let interrupted = GateError::Interrupted(vec![verdict(Kind::NotProven)]);
        assert_eq!(kept(&with_verdicts(interrupted, before(), true)), 2);
        assert_eq!(kept(&with_verdicts(environment(), before(), true)), 1);
        let untimed = with_verdicts(environment(), before(), false);
        assert!(matches!(untimed, GateError::Environment(_)));
    }
}
