//! What follows from the attempts of a campaign so far. Pure functions over records.

use outpace_record::{Attempt, Kind};

/// After so many proposals in a row that were no new patch, the agent is considered broken.
const EMPTY_HANDED: usize = 3;
/// How the refusal of a patch that was tried before begins.
const TRIED: &str = "already tried";
/// What an attempt says that Ctrl-C cut off.
pub(crate) const INTERRUPTED: &str = "interrupted";
/// How the reason of a trial without a verdict begins, and after how many of them in a row a person
/// has to look after the machine.
pub(crate) const NO_VERDICT: &str = "no verdict";
const NO_VERDICTS: usize = 3;

/// Proven, but not merged because the branch moved, or interrupted: it may be proposed again.
pub(crate) fn may_be_proposed_again(attempt: &Attempt) -> bool {
    // Of several workloads one may be faster and another slower: that was settled.
    let moved = attempt.verdict == Kind::NotProven
        && attempt.verdicts.iter().any(|v| v.verdict == Kind::Faster);
    attempt.merged.is_none() && (moved || attempt.reason == INTERRUPTED)
}

/// Why a patch is not judged: it was settled before.
pub(crate) fn tried_before(attempts: &[Attempt], patch_sha256: &str) -> Option<String> {
    let same = attempts.iter().find(|attempt| {
        attempt.patch_sha256.as_deref() == Some(patch_sha256) && !may_be_proposed_again(attempt)
    })?;
    let (number, verdict) = (same.number, same.verdict.as_str());
    Some(format!("{TRIED} as number {number}: {verdict}"))
}

/// Merges of the campaign so far.
pub(crate) fn merges(attempts: &[Attempt]) -> u64 {
    attempts.iter().filter(|a| a.merged.is_some()).count() as u64
}

/// Tests and merges that only the attempts know of, and the history does not: those of a campaign
/// that an outpace without budgets of branches began.
pub(crate) fn unbooked(attempts: &[Attempt]) -> (u64, u64) {
    // Without a verdict it was booked by the judge, if it was timed.
    let unbooked =
        |a: &&Attempt| !a.verdicts.is_empty() && a.verdicts.iter().all(|v| v.test.is_none());
    let attempts = || attempts.iter().filter(unbooked);
    let tested = attempts().filter_map(|a| a.tested).max().unwrap_or(0);
    let merges = attempts().filter(|a| a.merged.is_some()).count();
    (tested, merges as u64)
}

/// Attempts that count for `--max-experiments`: one that was cut off is judged again.
pub(crate) fn whole(attempts: &[Attempt]) -> usize {
    attempts.iter().filter(|a| a.reason != INTERRUPTED).count()
}

/// Why the agent is asked no more, if the last attempts were all no patch, or one that was tried
/// before.
pub(crate) fn agent_is_broken(attempts: &[Attempt]) -> Option<String> {
    let nothing_new = |a: &&Attempt| a.patch_sha256.is_none() || a.reason.starts_with(TRIED);
    let last = attempts.iter().rev().take(EMPTY_HANDED);
    (last.filter(nothing_new).count() == EMPTY_HANDED)
        .then(|| format!("the agent left no new patch {EMPTY_HANDED} times in a row; see the logs"))
}

/// Why nothing can be measured any more, if the last trials all ended without a verdict.
pub(crate) fn machine_is_broken(attempts: &[Attempt]) -> Option<String> {
    let last: Vec<&Attempt> = attempts.iter().rev().take(NO_VERDICTS).collect();
    let all = last.iter().all(|a| a.reason.starts_with(NO_VERDICT));
    (all && last.len() == NO_VERDICTS)
        .then(|| format!("{NO_VERDICTS} trials in a row had {}", last[0].reason))
}

/// Throughput of the revision that stands, as the last trial measured it.
pub(crate) fn current_tokens_per_s(attempts: &[Attempt]) -> Option<f64> {
    attempts.iter().rev().find_map(|attempt| {
        let tokens = attempt.main_verdict()?.tokens_per_s?;
        Some(match attempt.merged {
            Some(_) => tokens.candidate,
            None => tokens.base,
        })
    })
}
