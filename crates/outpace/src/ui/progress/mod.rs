//! Three ways to show the one stream of events: a live line on a terminal, plain lines in a log,
//! and JSON lines for programs.

mod json;
mod live;
mod plain;
mod text;

use std::io::IsTerminal;

use outpace_record::Event;

use crate::options::{Options, ProgressMode};
use json::JsonLines;
use live::LiveLine;
use plain::PlainLines;

pub(super) use text::{Line, lasting};

/// How progress is shown.
pub(super) enum Progress {
    /// Not at all.
    Hidden,
    /// One line that is written over.
    Live(LiveLine),
    /// A line when a stage begins and when it ends, and one a minute.
    Plain(PlainLines),
    /// Every event.
    Json(JsonLines),
}

impl Progress {
    /// As the options and the terminal say. A dumb terminal is a log: it knows no escape codes.
    pub(super) fn new(options: &Options) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match options.progress {
            _ if options.quiet => Self::Hidden,
            ProgressMode::None => Self::Hidden,
            ProgressMode::Json => Self::Json(JsonLines::new()),
            ProgressMode::Auto if std::io::stderr().is_terminal() && !dumb => {
                Self::Live(LiveLine::new())
            }
            ProgressMode::Auto | ProgressMode::Plain => Self::Plain(PlainLines::new()),
        }
    }

    pub(super) fn is_json(&self) -> bool {
        matches!(self, Self::Json(_))
    }

    pub(super) fn on(&mut self, event: &Event) {
        match self {
            Self::Hidden => {}
            Self::Live(line) => line.on(event),
            Self::Plain(lines) => lines.on(event),
            Self::Json(lines) => lines.on(event),
        }
    }

    /// Prints a line to stderr that stays.
    pub(super) fn print(&mut self, text: &str) {
        match self {
            Self::Hidden => crate::err!("{text}"),
            Self::Live(line) => line.suspend(|| crate::err!("{text}")),
            Self::Plain(lines) => lines.print(text),
            Self::Json(lines) => lines.on(&Event::Note {
                text: text.to_owned(),
            }),
        }
    }

    /// Prints something else while the live line is away.
    pub(super) fn suspend(&mut self, print: impl FnOnce()) {
        match self {
            Self::Live(line) => line.suspend(print),
            _ => print(),
        }
    }

    pub(super) fn clear(&mut self) {
        if let Self::Live(line) = self {
            line.clear();
        }
    }
}
