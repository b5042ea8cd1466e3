//! What a person sees: talk and progress on stderr, results on stdout.

mod bar;
pub(crate) mod campaign;
pub(crate) mod print;
mod progress;
mod terminal;
mod verdict;

pub(crate) use terminal::Terminal;
