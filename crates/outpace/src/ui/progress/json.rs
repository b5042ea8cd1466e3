//! `--progress json`: every event as a line of JSON on stderr.

use std::time::Instant;

use outpace_record::{Document, Event, EventLine};

pub(in crate::ui) struct JsonLines {
    begin: Instant,
}

impl JsonLines {
    pub(super) fn new() -> Self {
        Self {
            begin: Instant::now(),
        }
    }

    pub(super) fn on(&mut self, event: &Event) {
        crate::err!("{}", line(event, self.begin.elapsed().as_secs_f64()));
    }
}

fn line(event: &Event, elapsed_s: f64) -> String {
    let line = EventLine {
        schema: EventLine::SCHEMA.into(),
        // To a millisecond: these times are for people and logs.
        elapsed_s: (elapsed_s * 1e3).round() / 1e3,
        event: event.clone(),
    };
    serde_json::to_string(&line).expect("events are plain data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_document_of_its_own() {
        let event = Event::Note {
            text: "two\nlines".into(),
        };
        assert_eq!(
            line(&event, 1.23456),
            r#"{"schema":"outpace.event/1","elapsed_s":1.235,"event":"note","text":"two\nlines"}"#
        );
    }
}
