//! Two histories become one: the union of their files, checked before anything is added.

use std::collections::HashMap;

use git2::Oid;

use super::{History, HistoryError};

impl History<'_> {
    /// Adds all records of another history (a fetched commit). That commit becomes a parent of this
    /// history's tip.
    ///
    /// # Errors
    /// The other history has a file that is not a record or does not match its name. Nothing is
    /// added then.
    pub fn merge_union(&self, other_commit: &str) -> Result<(), HistoryError> {
        let other = self.repo.commit_id(other_commit)?;
        let theirs = self.files(other.to_string())?;
        if self.is_known(other)? {
            return Ok(());
        }
        let ours = match self.tip()? {
            Some(tip) => self.files(tip)?,
            None => HashMap::new(),
        };
        let mut fresh: Vec<(String, Oid)> = theirs
            .into_iter()
            .filter(|(path, _)| !ours.contains_key(path))
            .collect();
        fresh.sort();
        for (path, blob) in &fresh {
            self.verified(path, *blob)?;
        }
        self.update("Merge another history", |tree| {
            self.plus(tree, &fresh).map(|tree| (tree, Some(other)))
        })
    }

    fn is_known(&self, other: Oid) -> Result<bool, HistoryError> {
        match self.tip()? {
            Some(tip) => Ok(self.repo.is_ancestor(&other.to_string(), &tip)?),
            None => Ok(false),
        }
    }
}
