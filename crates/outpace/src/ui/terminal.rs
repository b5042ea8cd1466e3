//! Where everything that is said goes: labelled lines and progress to stderr, results to stdout.

use std::io::IsTerminal;

use outpace_record::{Event, Kind, Observer, Verdict};
use outpace_repo::Commit;
use outpace_text::{plain, short};

use super::print::{DIM, GREEN, RED, YELLOW, paint};
use super::progress::{Line, Progress, lasting};
use super::{campaign, verdict};
use crate::options::Options;

/// The terminal, or the log that takes its place.
pub(crate) struct Terminal {
    quiet: bool,
    /// stdout is for JSON documents.
    json: bool,
    color: bool,
    color_out: bool,
    /// A campaign shows a row for each attempt and no lines of its stages.
    in_attempt: bool,
    progress: Progress,
}

impl Terminal {
    /// As the options say.
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            quiet: options.quiet,
            json: false,
            color: options.paints(std::io::stderr().is_terminal()),
            color_out: options.paints(std::io::stdout().is_terminal()),
            in_attempt: false,
            progress: Progress::new(options),
        }
    }

    /// stdout is for JSON documents: what would be a result for a person becomes talk.
    pub(crate) fn for_json(mut self, json: bool) -> Self {
        self.json = json;
        self
    }

    /// A line of talk with a label in front.
    pub(crate) fn say(&mut self, label: &str, text: &str) {
        if !self.quiet {
            self.progress.print(&format!("{label:<10} {text}"));
        }
    }

    /// A revision with its summary.
    pub(crate) fn revision(&mut self, label: &str, commit: &Commit) {
        let summary = plain(&commit.summary, 80);
        self.say(label, &format!("{}   {summary}", short(&commit.id)));
    }

    /// A warning; shown even when quiet.
    pub(crate) fn warn(&mut self, text: &str) {
        let label = paint(self.color, YELLOW, "warning:");
        self.progress.print(&format!("{label} {text}"));
    }

    /// A result, on stdout.
    pub(crate) fn result(&mut self, text: &str) {
        match (self.json, self.quiet) {
            (false, _) => self.progress.suspend(|| crate::out!("{text}")),
            (true, false) => self.progress.print(text),
            (true, true) => {}
        }
    }

    /// Removes the live line.
    pub(crate) fn clear(&mut self) {
        self.progress.clear();
    }

    /// The word of a verdict, painted; upper case where it is good news.
    pub(crate) fn word(&self, kind: Kind) -> String {
        let style = match kind {
            Kind::Faster | Kind::NotSlower => GREEN,
            Kind::Slower | Kind::Rejected => RED,
            Kind::Same | Kind::NotProven => DIM,
        };
        paint(self.color_out, style, verdict::word(kind))
    }

    /// One verdict as a line of result.
    pub(crate) fn verdict(&mut self, verdict: &Verdict) {
        let word = self.word(verdict.verdict);
        self.result(&verdict::line(verdict, &word));
        if let Some(gpu) = verdict::gpu(verdict) {
            self.say("gpu", &gpu);
        }
    }
}

impl Observer for Terminal {
    fn on(&mut self, event: &Event) {
        self.progress.on(event);
        match event {
            Event::AttemptStarted { .. } | Event::ProposalStarted { .. } => self.in_attempt = true,
            Event::AttemptEnded { attempt } => {
                self.in_attempt = false;
                let row = campaign::row(attempt, &self.word(attempt.verdict));
                self.result(&row);
            }
            _ => {}
        }
        // A stream of JSON has the events themselves.
        if self.progress.is_json() {
            return;
        }
        match lasting(event, self.in_attempt) {
            Some(Line::Say(label, text)) => self.say(label, &text),
            Some(Line::Warn(text)) => self.warn(&text),
            None => {}
        }
    }
}
