//! A patch. Added and removed lines differ by sign and tint.

use maud::{Markup, html};

use crate::format::plural;
use crate::text::source_line;

/// Most lines of a patch that are shown: about what a person reads.
const MOST_LINES: usize = 500;

/// Longest line.
const MOST_COLUMNS: usize = 400;

pub(super) fn diff(text: &str) -> Markup {
    let groups = groups(text);
    let left_out = text.lines().count().saturating_sub(MOST_LINES);
    html! {
        pre.diff tabindex="0" role="region" aria-label="Patch" {
            @for (class, lines) in &groups { span class=(class) { (lines) } }
        }
        @if left_out > 0 { p.empty { (plural(left_out, "more line")) " in report.json." } }
    }
}

/// Neighbouring lines of one kind, joined.
fn groups(text: &str) -> Vec<(&'static str, String)> {
    let mut out: Vec<(&'static str, String)> = Vec::new();
    for text in text.lines().take(MOST_LINES) {
        let class = class(text);
        let shown = source_line(text, MOST_COLUMNS);
        match out.last_mut() {
            Some((last, lines)) if *last == class => {
                lines.push('\n');
                lines.push_str(&shown);
            }
            _ => out.push((class, shown)),
        }
    }
    out
}

fn class(line: &str) -> &'static str {
    let starts = |heads: &[&str]| heads.iter().any(|h| line.starts_with(h));
    if starts(&[
        "diff ",
        "index ",
        "--- ",
        "+++ ",
        "new file",
        "deleted file",
        "rename ",
        "similarity ",
    ]) {
        "meta"
    } else if line.starts_with("@@") {
        "hunk"
    } else if line.starts_with('+') {
        "add"
    } else if line.starts_with('-') {
        "del"
    } else {
        "same"
    }
}
