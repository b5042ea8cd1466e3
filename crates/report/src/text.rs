//! Untrusted text on its way into a page or a picture: cleaned, cut, escaped.

use outpace_record::plain;

/// Longest title of a patch on a page.
pub(crate) const TITLE: usize = 120;

/// Longest reason or detail of a check.
pub(crate) const REASON: usize = 400;

/// Longest name: of a machine class, a workload, an agent, a setting.
pub(crate) const NAME: usize = 80;

/// How much of a very long text is looked at; the rest is cut before any work is spent on it.
const LOOK_AT: usize = 16 * 1024;

/// One clean line of at most `max` characters, for HTML that escapes by itself.
pub(crate) fn line(text: &str, max: usize) -> String {
    let cut = text.floor_char_boundary(LOOK_AT);
    let text: String = text[..cut].chars().filter(|c| is_xml(*c)).collect();
    plain(&text, max)
}

/// [`line`] for SVG, with markup escaped.
pub(crate) fn xml(text: &str, max: usize) -> String {
    let mut out = String::new();
    for c in line(text, max).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A line of source text: spaces and tabs stay, control and direction characters become visible.
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
            c if c.is_control() || is_direction(c) || !is_xml(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A name for a file or an id: ASCII letters, digits, `.`, `-` and `_`, never empty, never a dot in front.
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

/// Characters that XML 1.0 has no way to write.
fn is_xml(c: char) -> bool {
    !matches!(c, '\u{fffe}' | '\u{ffff}') && (!c.is_control() || c.is_whitespace())
}

/// Characters that change the order or the place in which others are shown.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
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
            ("a\u{0}\u{1b}[31m\nb", "a[31m b"),
            ("x\u{202e}y\u{ffff}\u{fffe}", "xy"),
        ] {
            assert_eq!(xml(text, 100), expect, "{text:?}");
        }
        assert_eq!(line(&"a".repeat(1 << 20), 5), "aaaa…");
        assert_eq!(line(&"ä€".repeat(1 << 20), 5), "ä€ä€…");
    }

    #[test]
    fn source_keeps_its_indentation_and_shows_what_hides() {
        assert_eq!(
            source_line("\tif a \u{202e}{\u{7}\r", 99),
            "    if a \u{fffd}{\u{fffd}"
        );
        assert_eq!(source_line("abcdef", 3), "abc…");
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
