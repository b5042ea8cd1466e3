//! What the evidence of a verdict is counted in: blocks, or seeds on the time-to-loss track.

use outpace_record::{Track, Verdict};

use crate::format::plural;

/// Whether it is judged by seeds. One that was refused before its first seed has no target yet.
pub(crate) fn by_seeds(verdict: &Verdict) -> bool {
    verdict.target.is_some() || verdict.track == Track::TimeToLoss
}

/// How many there are.
pub fn count(verdict: &Verdict) -> usize {
    if by_seeds(verdict) {
        verdict.runs.len()
    } else {
        verdict.n_blocks
    }
}

/// The word for one.
pub(crate) fn one(verdict: &Verdict) -> &'static str {
    if by_seeds(verdict) { "seed" } else { "block" }
}

/// `12 seeds`.
pub(crate) fn text(verdict: &Verdict) -> String {
    plural(count(verdict), one(verdict))
}

/// The head of a column of their numbers.
pub(crate) fn heading<'v>(verdicts: impl Iterator<Item = &'v Verdict>) -> &'static str {
    let (seeds, blocks): (Vec<_>, Vec<_>) = verdicts.partition(|v| by_seeds(v));
    match (seeds.is_empty(), blocks.is_empty()) {
        (false, true) => "seeds",
        (false, false) => "samples",
        (true, _) => "blocks",
    }
}
