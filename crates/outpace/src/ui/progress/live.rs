//! One line on a terminal that is written over. It is drawn when something happens and never by a
//! thread: nothing of ours may run beside what is timed.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use outpace_record::Event;

use super::text::{Stage, prefix};

/// Draws a second at most.
const HZ: u8 = 20;

pub(in crate::ui) struct LiveLine {
    line: ProgressBar,
    prefix: String,
    shown: bool,
}

impl LiveLine {
    pub(super) fn new() -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(HZ);
        let line = ProgressBar::with_draw_target(None, target);
        // Cut to the width of the terminal in columns.
        let style = ProgressStyle::with_template("{wide_msg}").expect("a template with one field");
        line.set_style(style);
        Self {
            line,
            prefix: String::new(),
            shown: false,
        }
    }

    pub(super) fn on(&mut self, event: &Event) {
        if let Some(prefix) = prefix(event) {
            self.prefix = prefix;
        }
        if let Some(stage) = Stage::of(event) {
            if !self.shown {
                self.line.reset();
                self.shown = true;
            }
            let text = format!("{}{}", self.prefix, stage.live);
            self.line.set_message(text);
        }
    }

    pub(super) fn suspend(&mut self, print: impl FnOnce()) {
        self.line.suspend(print);
    }

    pub(super) fn clear(&mut self) {
        if self.shown {
            self.line.finish_and_clear();
            self.shown = false;
        }
    }
}

impl Drop for LiveLine {
    fn drop(&mut self) {
        self.clear();
    }
}
