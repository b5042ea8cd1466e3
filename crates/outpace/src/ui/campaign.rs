//! The table of a campaign: a row for each attempt.

use console::{Alignment, pad_str};
use outpace_record::{Attempt, Kind};
use outpace_report::format::{duration, gain};
use outpace_report::samples;
use outpace_text::{plain, short};

use super::verdict;

/// Columns of the patch's title, and of the verdict's word.
const TITLE: usize = 44;
const WORD: usize = 11;

/// The heading.
pub(crate) fn heading() -> String {
    format!(
        "{:>3}  {:<TITLE$} {:<WORD$} {:>8} {:>9} {:>7} {:>9}",
        "#", "patch", "verdict", "gain", "at least", "samples", "time"
    )
}

/// The row of an attempt; `word` is the verdict's, painted already.
pub(super) fn row(attempt: &Attempt, word: &str) -> String {
    let judged = attempt.decisive_verdict();
    let percent = |value: Option<f64>| value.map_or("-".to_owned(), gain);
    // Blocks, or seeds on the time-to-loss track.
    let samples = match judged.map_or(0, samples::count) {
        0 => "-".to_owned(),
        n => n.to_string(),
    };
    // Colours have no width on a terminal, and some characters take two columns.
    let pad = " ".repeat(WORD.saturating_sub(verdict::word(attempt.verdict).len()));
    let title = plain(&attempt.title, 200);
    let title = pad_str(&title, TITLE, Alignment::Left, Some("…"));
    format!(
        "{:>3}  {title} {word}{pad} {:>8} {:>9} {samples:>7} {:>9}{}",
        attempt.number,
        percent(judged.and_then(|v| v.speedup)),
        percent(judged.and_then(|v| v.at_least)),
        duration(attempt.total_s),
        tail(attempt)
    )
}

fn tail(attempt: &Attempt) -> String {
    let first = attempt.reason.lines().next().unwrap_or_default();
    match (&attempt.merged, attempt.verdict) {
        (Some(commit), _) => format!("   merged {}", short(commit)),
        (None, Kind::Rejected) => format!("   {}", plain(first, 100)),
        (None, Kind::Same) => format!("   {}", plain(&attempt.reason, 60)),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(change: serde_json::Value) -> Attempt {
        let mut value = serde_json::json!({
            "schema": "outpace.attempt/1", "campaign": "c", "number": 7, "agent": "tune",
            "title": "a title", "verdict": "not_proven", "reason": "", "base": "b",
            "total_s": 61.0, "finished": "2026-05-19T08:30:00Z"
        });
        for (key, new) in change.as_object().unwrap() {
            value[key] = new.clone();
        }
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn rows_have_the_columns_of_the_heading() {
        let check = |change: serde_json::Value, expect: &str| {
            let attempt = attempt(change);
            assert_eq!(row(&attempt, verdict::word(attempt.verdict)), expect);
        };
        assert_eq!(
            heading(),
            "  #  patch                                        verdict         gain  at least samples      time"
        );
        check(
            serde_json::json!({}),
            "  7  a title                                      not proven         -         -       - 1 min 1 s",
        );
        check(
            serde_json::json!({"verdict": "faster", "merged": "0123456789abcdef"}),
            "  7  a title                                      FASTER             -         -       - 1 min 1 s   merged 012345678",
        );
        check(
            serde_json::json!({"verdict": "rejected", "reason": "does not build\nerror"}),
            "  7  a title                                      rejected           -         -       - 1 min 1 s   does not build",
        );
        check(
            serde_json::json!({"verdict": "same", "reason": "equal", "title": "核を速くする".repeat(5)}),
            "  7  核を速くする核を速くする核を速くする核を速… same               -         -       - 1 min 1 s   equal",
        );
    }
}
