//! Text from programs and people, made safe to show on a terminal, a page or in a commit message.
//!
//! The one place that says which characters do not survive, and how commit and record ids are
//! abbreviated. It knows no other crate, so that everything that shows text can use it.

use unicode_general_category::{GeneralCategory, get_general_category};

/// Characters of an abbreviated commit or record id.
const SHORT_CHARS: usize = 9;

/// Whether a text is an id of so many hex digits, such as 40 of a commit or 64 of a SHA-256.
pub fn is_hex_id(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The first characters of a commit or record id.
pub fn short(id: &str) -> &str {
    id.get(..SHORT_CHARS).unwrap_or(id)
}

/// A number of things: "1 file", "3 files".
pub fn counted(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}

/// One line of at most `max` characters: control characters and line breaks become spaces,
/// invisible ones are dropped, what is cut ends in `…`.
pub fn plain(text: &str, max: usize) -> String {
    let visible = text.chars().filter(|c| !is_invisible(*c));
    let line: String = visible
        .map(|c| if is_control(c) { ' ' } else { c })
        .collect();
    let words: Vec<&str> = line.split_whitespace().collect();
    cut(words.join(" "), max)
}

/// Several lines of at most `max` characters together: line breaks and indentation stay.
pub fn lines(text: &str, max: usize) -> String {
    let kept = |c: &char| *c == '\n' || !(is_control(*c) || is_invisible(*c));
    cut(text.chars().filter(kept).collect(), max)
}

fn cut(text: String, max: usize) -> String {
    if text.chars().count() <= max {
        return text;
    }
    let mut cut: String = text.chars().take(max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Control characters and the separators that a terminal or a page takes for the end of a line.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Characters that show nothing but change what is shown beside them: direction marks make a line
/// read in another order than it stands; soft hyphens and joiners hide in names (category Cf);
/// private characters look different everywhere (Co).
fn is_invisible(c: char) -> bool {
    matches!(
        get_general_category(c),
        GeneralCategory::Format | GeneralCategory::PrivateUse
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_invisible_characters_do_not_survive() {
        for (text, expect) in [
            ("plain", "plain"),
            ("a\nb\tc", "a b c"),
            ("\u{1b}[31mred\u{1b}[0m", "[31mred [0m"),
            ("x\u{202e}y", "xy"),
            ("so\u{ad}ft", "soft"),
            ("a\u{2028}b", "a b"),
            ("\u{feff}zero\u{200b}width", "zerowidth"),
            ("tag\u{e0041}s", "tags"),
            ("0123456789abcdef", "0123456789a…"),
        ] {
            assert_eq!(plain(text, 12), expect, "{text:?}");
        }
    }

    #[test]
    fn lines_keep_their_breaks_and_indentation() {
        assert_eq!(lines("a\n  b\u{202e}\u{7}\n", 100), "a\n  b\n");
        assert_eq!(lines("abcdef", 4), "abc…");
    }

    #[test]
    fn ids_are_abbreviated_in_one_way() {
        assert_eq!(short("0123456789abcdef"), "012345678");
        assert_eq!(short("012"), "012");
    }
}
