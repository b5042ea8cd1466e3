//! Collects the code of a file line by line: spacing normalised, blank lines dropped, string
//! literals untouched.

/// Stands for a line break inside a string literal: the literal stays one line, and its blank lines
/// are not lost.
const BREAK_IN_LITERAL: char = '\u{2424}';

/// How spacing is treated.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spacing {
    /// Indentation carries meaning and is kept.
    pub(crate) indent: bool,
    /// A space between a word and punctuation carries no meaning and is dropped: `a+b` is `a + b`.
    pub(crate) tight: bool,
}

#[derive(Default)]
pub(crate) struct Lines {
    spacing: Spacing,
    done: String,
    line: String,
    indent: String,
    gap: bool,
}

impl Lines {
    pub(crate) fn new(spacing: Spacing) -> Self {
        Self {
            spacing,
            ..Self::default()
        }
    }

    /// A character outside of string literals.
    pub(crate) fn code(&mut self, c: char) {
        match c {
            '\n' => self.end_line(),
            _ if !c.is_whitespace() => self.visible(c),
            _ if self.line.is_empty() => self.indent.push(c),
            _ => self.gap = true,
        }
    }

    /// A character of a string literal after its opening quote.
    pub(crate) fn literal(&mut self, c: char) {
        self.line.push(if c == '\n' { BREAK_IN_LITERAL } else { c });
    }

    /// Something that counts as a space, such as a comment.
    pub(crate) fn gap(&mut self) {
        self.gap = true;
    }

    pub(crate) fn finish(mut self) -> String {
        self.end_line();
        self.done
    }

    fn visible(&mut self, c: char) {
        match self.line.chars().next_back() {
            None if self.spacing.indent => self.line.push_str(&self.indent),
            Some(last) if self.gap && self.keeps_space(last, c) => self.line.push(' '),
            _ => {}
        }
        self.gap = false;
        self.line.push(c);
    }

    /// A space keeps two words, or two operators, apart. In a preprocessor line it tells a macro
    /// with arguments from one without.
    fn keeps_space(&self, last: char, next: char) -> bool {
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '"' | '\'');
        !self.spacing.tight || self.line.starts_with('#') || word(last) == word(next)
    }

    fn end_line(&mut self) {
        if !self.line.is_empty() {
            self.done.push_str(&self.line);
            self.done.push('\n');
        }
        self.line.clear();
        self.indent.clear();
        self.gap = false;
    }
}
