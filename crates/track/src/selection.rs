//! Which commits of a range are measured.

use std::collections::HashSet;

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection {
    /// Only each n-th commit, counted back from the newest.
    pub every: Option<usize>,
    /// Only so many of the newest.
    pub last: Option<usize>,
    /// Those that failed before, too.
    pub failed_too: bool,
}

/// The commits to be measured, and what became of the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Todo {
    /// Indices into the range, oldest first.
    pub measure: Vec<usize>,
    /// How many are measured already.
    pub done: usize,
    /// How many could not be measured before, and are passed over.
    pub failed: usize,
}

impl Selection {
    /// Indices of the chosen commits out of `n`, oldest first.
    pub fn choose(&self, n: usize) -> Vec<usize> {
        let mut chosen: Vec<usize> = (0..n)
            .rev()
            .step_by(self.every.unwrap_or(1).max(1))
            .collect();
        chosen.truncate(self.last.unwrap_or(n));
        chosen.reverse();
        chosen
    }

    /// What is left to be measured of `commits`, oldest first.
    pub fn todo(
        &self,
        commits: &[String],
        done: &HashSet<String>,
        failed: &HashSet<String>,
    ) -> Todo {
        let mut todo = Todo::default();
        for index in self.choose(commits.len()) {
            let commit = &commits[index];
            if done.contains(commit) {
                todo.done += 1;
            } else if failed.contains(commit) && !self.failed_too {
                todo.failed += 1;
            } else {
                todo.measure.push(index);
            }
        }
        todo
    }
}
