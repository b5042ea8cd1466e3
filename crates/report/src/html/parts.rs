//! Small parts that sections of the page share.

use maud::{Markup, html};

/// A figure with its unit, and a note below.
pub(crate) fn tile(value: &str, unit: &str, note: &str) -> Markup {
    html! {
        div.tile {
            p.value { (tight(value)) @if !unit.is_empty() { " " span.unit { (tight(unit)) } } }
            p.note { (tight(note)) }
        }
    }
}

/// Keeps a number and its unit on one line.
pub(crate) fn tight(text: &str) -> String {
    let mut out = text.to_owned();
    for unit in ["%", "s", "min", "h", "blocks", "block", "tokens/s", "nats"] {
        for digit in '0'..='9' {
            if out.contains(&format!("{digit} {unit}")) {
                out = out.replace(&format!("{digit} {unit}"), &format!("{digit}\u{a0}{unit}"));
            }
        }
    }
    out
}

/// Sentences below a picture.
pub(crate) fn prose(sentences: &[String]) -> Markup {
    html! { p.words { (tight(&sentences.join(" "))) } }
}

/// Where there is nothing to show, and the command that changes that.
pub(crate) fn empty(text: &str, command: &str) -> Markup {
    html! {
        p.empty { (text) @if !command.is_empty() { " " code { (command) } } }
    }
}
