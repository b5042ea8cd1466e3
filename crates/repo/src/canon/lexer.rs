//! A small lexer that tells code from comments and string literals, for the languages of kernels
//! and their settings. In doubt text is code and is kept.

use super::lines::{Lines, Spacing};

/// What a file is written in, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    C,
    Python,
    Toml,
    Shell,
    Unknown,
}

impl Language {
    pub(crate) fn of(path: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or_default();
        match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("rs") => Self::Rust,
            Some("c" | "cc" | "cpp" | "cxx" | "h" | "hh" | "hpp" | "cu" | "cuh") => Self::C,
            Some("py" | "pyi") => Self::Python,
            Some("toml") => Self::Toml,
            Some("sh" | "bash") => Self::Shell,
            _ => Self::Unknown,
        }
    }

    pub(crate) fn is_known(self) -> bool {
        self != Self::Unknown
    }

    fn spacing(self) -> Spacing {
        Spacing {
            indent: matches!(self, Self::Python | Self::Unknown),
            tight: !matches!(self, Self::Shell | Self::Unknown),
        }
    }
}

/// The code of a file: no comments, no blank lines, spacing normalised, string literals as they
/// are.
pub(crate) fn strip(text: &str, language: Language) -> String {
    // In a here-document quotes and `#` are plain text.
    let here_document = language == Language::Shell && text.contains("<<");
    let language = if here_document {
        Language::Unknown
    } else {
        language
    };
    let mut lines = Lines::new(language.spacing());
    let scan = Scan {
        text: text.chars().collect(),
        language,
    };
    let mut at = 0;
    while at < scan.text.len() {
        at = if let Some(end) = scan.comment(at) {
            lines.gap();
            end
        } else if let Some(end) = scan.literal(at) {
            lines.code(scan.text[at]);
            scan.text[at + 1..end]
                .iter()
                .for_each(|c| lines.literal(*c));
            end
        } else {
            lines.code(scan.text[at]);
            at + 1
        };
    }
    lines.finish()
}

struct Scan {
    text: Vec<char>,
    language: Language,
}

impl Scan {
    /// Where the comment that begins here ends, if one begins. A line comment ends before its line
    /// break.
    fn comment(&self, at: usize) -> Option<usize> {
        match self.language {
            Language::Rust | Language::C if self.has(at, "//") => Some(self.line_end(at)),
            Language::Rust | Language::C if self.has(at, "/*") => Some(self.block_end(at)),
            Language::Python | Language::Toml if self.has(at, "#") => Some(self.line_end(at)),
            Language::Shell if self.has(at, "#") && self.opens_shell_comment(at) => {
                Some(self.line_end(at))
            }
            _ => None,
        }
    }

    /// Where the literal that begins here ends, if one begins.
    fn literal(&self, at: usize) -> Option<usize> {
        match (self.language, self.text[at]) {
            (Language::Rust, '"') => Some(self.closed(at + 1, "\"", true, true)),
            (Language::Rust, 'r') => self.rust_raw(at),
            (Language::Rust, '\'') => self.rust_char(at),
            (Language::C, 'R') => self.c_raw(at),
            (Language::C, '\'') if self.before(at).is_some_and(|c| c.is_ascii_hexdigit()) => None,
            (Language::C, quote @ ('"' | '\'')) => {
                Some(self.closed(at + 1, &quote.to_string(), true, false))
            }
            (Language::Python | Language::Toml, quote @ ('"' | '\'')) => {
                Some(self.maybe_triple(at, quote))
            }
            (Language::Shell, '\\') => Some((at + 2).min(self.text.len())),
            (Language::Shell, '"') => Some(self.closed(at + 1, "\"", true, true)),
            (Language::Shell, '\'') => {
                Some(self.closed(at + 1, "'", self.before(at) == Some('$'), true))
            }
            _ => None,
        }
    }

    fn has(&self, at: usize, word: &str) -> bool {
        word.chars()
            .enumerate()
            .all(|(i, c)| self.text.get(at + i) == Some(&c))
    }

    fn before(&self, at: usize) -> Option<char> {
        at.checked_sub(1).map(|i| self.text[i])
    }

    /// In C a backslash at the end of a line comment continues it: code can vanish that way.
    fn line_end(&self, from: usize) -> usize {
        let mut at = from;
        while at < self.text.len() {
            let line = self.text[at..]
                .iter()
                .position(|c| *c == '\n')
                .map_or(self.text.len(), |n| at + n);
            let last = self.text[from..line]
                .iter()
                .rev()
                .find(|c| !c.is_whitespace());
            if self.language != Language::C || last != Some(&'\\') {
                return line;
            }
            at = line + 1;
        }
        self.text.len()
    }

    fn block_end(&self, from: usize) -> usize {
        let (mut at, mut depth) = (from + 2, 1);
        while at < self.text.len() {
            if self.has(at, "*/") {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            } else if self.language == Language::Rust && self.has(at, "/*") {
                depth += 1;
                at += 2;
            } else {
                at += 1;
            }
        }
        self.text.len()
    }

    fn opens_shell_comment(&self, at: usize) -> bool {
        match self.before(at) {
            None => !self.has(at, "#!"),
            Some(c) => c.is_whitespace() || matches!(c, ';' | '(' | '|' | '&'),
        }
    }

    /// Where a literal whose content begins at `at` ends: after `close`, or before the line break
    /// that cuts it off.
    fn closed(&self, mut at: usize, close: &str, escapes: bool, lines: bool) -> usize {
        while at < self.text.len() {
            if escapes && self.text[at] == '\\' {
                at += 2;
            } else if self.has(at, close) {
                return at + close.chars().count();
            } else if !lines && self.text[at] == '\n' {
                return at;
            } else {
                at += 1;
            }
        }
        self.text.len()
    }

    fn maybe_triple(&self, at: usize, quote: char) -> usize {
        let escapes = self.language == Language::Python || quote == '"';
        let triple = quote.to_string().repeat(3);
        if self.has(at, &triple) {
            return self.closed(at + 3, &triple, escapes, true);
        }
        self.closed(at + 1, &quote.to_string(), escapes, false)
    }

    /// `r"..."`, `r#"..."#`, also after `b` or `c`; not the end of a name.
    fn rust_raw(&self, at: usize) -> Option<usize> {
        let part_of_name = |c: char| (c.is_alphanumeric() || c == '_') && !matches!(c, 'b' | 'c');
        if self.before(at).is_some_and(part_of_name) {
            return None;
        }
        let hashes = self.text[at + 1..]
            .iter()
            .take_while(|c| **c == '#')
            .count();
        let open = at + 1 + hashes;
        self.has(open, "\"")
            .then(|| self.closed(open + 1, &format!("\"{}", "#".repeat(hashes)), false, true))
    }

    /// `'x'` and `'\n'`; a lifetime is code.
    fn rust_char(&self, at: usize) -> Option<usize> {
        if self.has(at + 1, "\\") {
            return Some(self.closed(at + 1, "'", true, false));
        }
        self.has(at + 2, "'").then_some(at + 3)
    }

    /// `R"name(...)name"`.
    fn c_raw(&self, at: usize) -> Option<usize> {
        if !self.has(at + 1, "\"") {
            return None;
        }
        let name: String = self.text[at + 2..]
            .iter()
            .take_while(|c| **c != '(')
            .take(17)
            .collect();
        let open = at + 2 + name.chars().count();
        self.has(open, "(")
            .then(|| self.closed(open + 1, &format!("){name}\""), false, true))
    }
}
