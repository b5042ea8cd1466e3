//! Untrusted text in Markdown.

use outpace_text::plain;

use crate::format::plural;
use crate::text::source_line;

/// Longest line in a fence.
const MOST_COLUMNS: usize = 300;

/// What Markdown reads as markup anywhere in a line. Without brackets there are no links and no
/// pictures.
const SPECIAL: &str = "\\`*_[]|~$";

/// What it reads as a list, a rule, a heading or a quote at the beginning of a line.
const SPECIAL_FIRST: &str = "-+=#";

/// Keeps GitHub from seeing an address, a user or an issue. It has no width.
const BREAK: char = '\u{200b}';

/// One line that is safe in a table cell, a heading or a summary. It has at most `max` characters
/// before it is escaped.
pub fn cell(text: &str, max: usize) -> String {
    let text = plain(text, max);
    let mut out = String::with_capacity(text.len() + 16);
    let mut before = ' ';
    for (i, c) in text.char_indices() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' if before == '-' => out.push('>'),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if SPECIAL.contains(c) => out.extend(['\\', c]),
            c if i == 0 && SPECIAL_FIRST.contains(c) => out.extend(['\\', c]),
            c => out.push(c),
        }
        let is_issue = c == '#' && text[i + 1..].starts_with(|d: char| d.is_ascii_digit());
        let is_address =
            c == ':' && text[i + 1..].starts_with("//") || c == '.' && ends_in_www(&text[..i]);
        if c == '@' || is_issue || is_address {
            out.push(BREAK);
        }
        before = c;
    }
    out
}

fn ends_in_www(text: &str) -> bool {
    text.len() >= 3
        && text.is_char_boundary(text.len() - 3)
        && text[text.len() - 3..].eq_ignore_ascii_case("www")
}

/// A code block whose fence is longer than any run of backticks inside.
pub(super) fn fence(language: &str, text: &str, most_lines: usize) -> String {
    let lines: Vec<String> = text
        .lines()
        .take(most_lines)
        .map(|l| source_line(l, MOST_COLUMNS))
        .collect();
    let body = lines.join("\n");
    let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(longest.max(2) + 1);
    let more = text.lines().count().saturating_sub(most_lines);
    let note = if more > 0 {
        format!("\n… {} in report.json", plural(more, "more line"))
    } else {
        String::new()
    };
    format!("{ticks}{language}\n{body}{note}\n{ticks}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_hold_no_markup() {
        for (text, expect) in [
            ("attention tile 64 -> 32", "attention tile 64 -> 32"),
            ("a | b", "a \\| b"),
            (
                "`code` *b* _i_ ~s~ $x$",
                "\\`code\\` \\*b\\* \\_i\\_ \\~s\\~ \\$x\\$",
            ),
            ("[x](javascript:alert(1))", "\\[x\\](javascript:alert(1))"),
            ("![x](y)", "!\\[x\\](y)"),
            ("<img src=x onerror=y>", "&lt;img src=x onerror=y&gt;"),
            ("--> <!--", "\\--> &lt;!--"),
            ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
            ("@torvalds me@x.org", "@\u{200b}torvalds me@\u{200b}x.org"),
            ("fixes #12, C#", "fixes #\u{200b}12, C#"),
            (
                "https://x.org WWW.x.org",
                "https:\u{200b}//x.org WWW.\u{200b}x.org",
            ),
            ("- item\n## head", "\\- item ## head"),
            ("# head", "\\# head"),
            ("a\\|b", "a\\\\\\|b"),
        ] {
            assert_eq!(cell(text, 200), expect, "{text:?}");
        }
    }

    #[test]
    fn a_fence_cannot_be_closed_from_inside() {
        assert_eq!(
            fence("diff", "+a\n```\n````x", 9),
            "`````diff\n+a\n```\n````x\n`````"
        );
        assert_eq!(
            fence("", "a\nb\nc", 1),
            "```\na\n… 2 more lines in report.json\n```"
        );
    }
}
