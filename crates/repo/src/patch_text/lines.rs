//! The lines of a patch, with their numbers for messages.

use crate::RepoError;

#[derive(Clone)]
pub(super) struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            number: 1,
        }
    }

    /// The next line with its line break.
    pub(super) fn peek(&self) -> Option<&'a str> {
        self.rest.split_inclusive('\n').next()
    }

    pub(super) fn next(&mut self) -> Option<&'a str> {
        let line = self.peek()?;
        self.rest = &self.rest[line.len()..];
        self.number += 1;
        Some(line)
    }

    /// Number of the next line, from 1.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// What is wrong with the next line.
    pub(super) fn fault(&self, why: &str) -> RepoError {
        self.fault_at(self.number, why)
    }

    pub(super) fn fault_at(&self, number: usize, why: &str) -> RepoError {
        RepoError::not_a_patch(format!("line {number}: {why}"))
    }
}
