//! What is known of a project: how it is built and run.

/// What the workload's section will say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Project {
    /// What was recognised, in a line.
    pub(super) found: Vec<String>,
    /// What is missing, and what to do, a line each.
    pub(super) missing: Vec<String>,
    /// `run` is a guess that cannot work.
    pub(super) needs_edit: bool,
    pub(super) fetch: Vec<String>,
    pub(super) build: Vec<String>,
    /// Folder of the checkout whose compiled dependencies are taken.
    pub(super) cache_from: Option<String>,
    pub(super) run: Vec<String>,
    /// It speaks the step protocol.
    pub(super) speaks: bool,
    pub(super) data: Vec<String>,
    pub(super) editable: Vec<String>,
}

/// Words as a list of strings.
pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
