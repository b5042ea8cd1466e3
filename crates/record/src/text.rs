//! Text from untrusted programs, made safe to show on one line of a terminal, a page or a commit message.

/// One line of at most `max` characters: control characters and line breaks become spaces, what is cut ends in `…`.
///
/// Direction marks are dropped too: they can make a terminal or a page show words in another order than they stand.
pub fn plain(text: &str, max: usize) -> String {
    let line: String = text
        .chars()
        .filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'))
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let words: Vec<&str> = line.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= max {
        return line;
    }
    let mut cut: String = line.chars().take(max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn control_and_direction_characters_do_not_survive() {
        for (text, expect) in [
            ("plain", "plain"),
            ("a\nb\tc", "a b c"),
            ("\u{1b}[31mred\u{1b}[0m", "[31mred [0m"),
            ("x\u{202e}y", "xy"),
            ("0123456789abc", "012345678…"),
        ] {
            assert_eq!(plain(text, 10), plain(expect, 10), "{text:?}");
        }
    }
}
