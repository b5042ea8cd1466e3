//! A line of the list of attempts or verdicts.

use maud::{Markup, html};
use outpace_record::{Attempt, Verdict};
use outpace_text::plain;

use crate::status::AttemptStatus;
use crate::text::{TITLE, revision};

/// What a line is made from: an attempt of a campaign, or a single verdict.
pub(super) struct Entry<'a> {
    pub(super) number: usize,
    pub(super) title: String,
    pub(super) status: AttemptStatus,
    pub(super) reason: &'a str,
    pub(super) seconds: Option<f64>,
    pub(super) verdicts: &'a [Verdict],
    pub(super) attempt: Option<&'a Attempt>,
    /// Where the campaign stood before and after it, in the figures of the campaign's picture.
    pub(super) level: Option<String>,
}

impl<'a> Entry<'a> {
    /// `level` is that of the campaign, where there is one.
    pub(super) fn of_attempt(attempt: &'a Attempt, level: Option<String>) -> Self {
        Self {
            number: attempt.number,
            title: plain(&attempt.title, TITLE),
            status: AttemptStatus::of(attempt),
            reason: &attempt.reason,
            seconds: Some(attempt.total_s),
            verdicts: &attempt.verdicts,
            attempt: Some(attempt),
            level,
        }
    }

    pub(super) fn of_verdict((i, verdict): (usize, &'a Verdict)) -> Self {
        let candidate = verdict
            .candidate
            .as_deref()
            .map_or_else(|| "patch".to_owned(), revision);
        let title = match verdict.title.as_str() {
            "" => format!(
                "{}: {} → {candidate}",
                verdict.workload,
                revision(&verdict.base)
            ),
            title => format!("{}: {title}", verdict.workload),
        };
        Self {
            number: i + 1,
            title: plain(&title, TITLE),
            status: AttemptStatus::of_kind(verdict.verdict),
            reason: &verdict.reason,
            seconds: verdict.trial_s,
            verdicts: std::slice::from_ref(verdict),
            attempt: None,
            level: None,
        }
    }
}

/// A sign and a word, so that colour is not needed.
pub(super) fn badge(status: AttemptStatus) -> Markup {
    let sign = match status {
        AttemptStatus::Merged => "●",
        AttemptStatus::Faster => "○",
        AttemptStatus::NotProven => "·",
        AttemptStatus::Same => "=",
        AttemptStatus::NotSlower => "≥",
        AttemptStatus::Slower => "▾",
        AttemptStatus::Rejected => "×",
    };
    html! { span class={ "badge b-" (status.class()) } { span.sign aria-hidden="true" { (sign) } (status.word()) } }
}
