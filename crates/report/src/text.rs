//! Untrusted text on its way into a picture, a diff or a file name.
//!
//! Cleaning and abbreviating are those of `outpace_text`. Here is only what a format adds.

use outpace_text::{plain, short};

/// Longest title of a patch on a page.
pub(crate) const TITLE: usize = 120;

/// Longest reason or detail of a check.
pub(crate) const REASON: usize = 400;

/// Longest name: of a machine class, a workload, an agent, a setting.
pub(crate) const NAME: usize = 80;

/// Fewest characters of a full commit id; shorter ones are not abbreviated.
const FULL_ID: usize = 12;

/// What was measured: an abbreviated commit id, or a command line where there is no git.
pub(crate) fn revision(id: &str) -> String {
    let is_id = id.len() >= FULL_ID && id.bytes().all(|b| b.is_ascii_hexdigit());
    plain(if is_id { short(id) } else { id }, NAME)
}

/// One clean line of at most `max` characters for SVG, with markup escaped.
pub(crate) fn xml(text: &str, max: usize) -> String {
    let mut out = String::new();
    for c in plain(text, max).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if is_noncharacter(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// A line of source text: indentation stays, and what would not be seen becomes visible.
pub(crate) fn source_line(text: &str, max: usize) -> String {
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == max {
            out.push('…');
            break;
        }
        match c {
            '\t' => out.push_str("    "),
            '\r' => {}
            c if is_hidden(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Whether a character shows nothing. In a patch it may change what a reviewer reads.
fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_control();
    }
    let is_blank = c.is_whitespace() && !matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}');
    let is_dropped = || plain(c.encode_utf8(&mut [0; 4]), 1).is_empty();
    is_noncharacter(c) || !is_blank && is_dropped()
}

/// XML 1.0 cannot hold these two.
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// A name for a file or an id: ASCII letters, digits, `.`, `-` and `_`. It is never empty and
/// never begins with a dot.
pub(crate) fn slug(text: &str) -> String {
    let keep = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    let slug: String = text.chars().take(40).map(keep).collect();
    let slug = slug.trim_matches(['.', '-']);
    if slug.is_empty() {
        "unnamed".to_owned()
    } else {
        slug.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_control_and_direction_characters_do_not_survive() {
        for (text, expect) in [
            ("a < b & c", "a &lt; b &amp; c"),
            (
                "<script>alert(1)</script>",
                "&lt;script&gt;alert(1)&lt;/script&gt;",
            ),
            ("]]> \" '", "]]&gt; &quot; &#39;"),
            ("a\u{0}\u{1b}[31m\nb", "a [31m b"),
            ("x\u{202e}y\u{ffff}\u{fffe}", "xy"),
            ("so\u{ad}ft\u{e000}", "soft"),
        ] {
            assert_eq!(xml(text, 100), expect, "{text:?}");
        }
        assert_eq!(xml(&"ä€".repeat(1 << 20), 5), "ä€ä€…");
    }

    #[test]
    fn source_keeps_its_indentation_and_shows_what_hides() {
        for (text, expect) in [
            ("\tif a \u{202e}{\u{7}\r", "    if a \u{fffd}{\u{fffd}"),
            ("so\u{ad}ft \u{e0041}", "so\u{fffd}ft \u{fffd}"),
            ("a\u{a0}b\u{3000}c\u{2028}", "a\u{a0}b\u{3000}c\u{fffd}"),
            ("// naïve — 日本", "// naïve — 日本"),
        ] {
            assert_eq!(source_line(text, 99), expect, "{text:?}");
        }
        assert_eq!(source_line("abcdef", 3), "abc…");
    }

    #[test]
    fn commits_are_abbreviated_and_command_lines_are_not() {
        for (id, expect) in [
            ("8c1f0e2b7a6d5c4f3e2d1c0b", "8c1f0e2b7"),
            ("python train.py --steps 10", "python train.py --steps 10"),
            ("deadbeef", "deadbeef"),
            ("a\nb", "a b"),
        ] {
            assert_eq!(revision(id), expect);
        }
    }

    #[test]
    fn slugs_are_file_names() {
        for (text, expect) in [
            ("gpt-nano", "gpt-nano"),
            ("../../etc/passwd", "etc-passwd"),
            ("", "unnamed"),
            ("…", "unnamed"),
        ] {
            assert_eq!(slug(text), expect, "{text:?}");
        }
    }
}
