//! What cannot be laid, with the way out.

use crate::paths;

/// Something tracked that an exported folder lacks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// Its path, made safe to show.
    pub path: String,
    /// What it is, why it is left out and what to do, as the end of a sentence that begins with
    /// the path.
    pub why: String,
    pub(crate) is_link: bool,
}

impl LeftOut {
    /// Something that is laid in no form.
    pub(crate) fn new(path: &[u8], why: String) -> Self {
        Self {
            path: paths::shown(path),
            why,
            is_link: false,
        }
    }

    /// Whether it is a link, whose place something else may take.
    pub fn is_link(&self) -> bool {
        self.is_link
    }
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` {}", self.path, self.why)
    }
}
