//! Two histories become one: the union of their files, checked before anything is added. What one
//! of them has pruned stays pruned.

use std::collections::{BTreeMap, HashSet};

use git2::{FileMode, ObjectType, Oid, Tree};

use super::layout::{Place, month_of, place_of};
use super::{History, HistoryError, Parents};

/// Files by path.
type Files = BTreeMap<String, Oid>;

/// How two trees differ.
#[derive(Default)]
struct Difference {
    /// Only in theirs.
    theirs: Files,
    /// Only in ours.
    ours: Files,
}

impl History<'_> {
    /// Adds all records of another history (a fetched commit).
    ///
    /// # Errors
    /// The other history has a file that is not a record or does not match its name. Nothing is
    /// added then.
    pub fn merge_union(&self, other_commit: &str) -> Result<(), HistoryError> {
        let other = self.repo.commit_id(other_commit)?;
        if self.is_known(other)? {
            return Ok(());
        }
        let theirs = self.tree_of(Some(other))?;
        let ours = self.tree_of(self.tip_id()?)?;
        for (path, blob) in &self.difference(&ours, &theirs)?.theirs {
            self.verified(path, *blob)?;
        }
        self.update("Merge another history", |tree| {
            let theirs = self.tree_of(Some(other))?;
            let mut difference = self.difference(tree, &theirs)?;
            let pruned = self.pruned_ids(tree, &theirs, &difference)?;
            let is_pruned = |path: &String| match place_of(path) {
                Some(Place::Record(entry)) => pruned.contains(&entry.id),
                _ => false,
            };
            let dropped: Vec<&String> = difference.ours.keys().filter(|p| is_pruned(p)).collect();
            let remove: Vec<String> = dropped.into_iter().cloned().collect();
            let brought = difference.theirs.len();
            difference.theirs.retain(|path, _| !is_pruned(path));
            // A side whose samples were dropped is no parent: its commits would keep them.
            let parents = match (remove.is_empty(), brought == difference.theirs.len()) {
                (true, true) => Parents::TipAnd(other),
                (true, false) => Parents::Tip,
                (false, true) => Parents::Only(other),
                (false, false) => Parents::None,
            };
            let add: Vec<(String, Oid)> = difference.theirs.into_iter().collect();
            Ok((self.changed(tree, &add, &remove)?, parents))
        })
    }

    /// Whether a commit is in the history of the tip.
    pub(super) fn is_known(&self, other: Oid) -> Result<bool, HistoryError> {
        match self.tip()? {
            Some(tip) => Ok(self.repo.is_ancestor(&other.to_string(), &tip)?),
            None => Ok(false),
        }
    }

    /// The ids of pruned records of all months in which the two differ.
    fn pruned_ids(
        &self,
        ours: &Tree<'_>,
        theirs: &Tree<'_>,
        difference: &Difference,
    ) -> Result<HashSet<String>, HistoryError> {
        let mut months: HashSet<String> = HashSet::new();
        for path in difference.ours.keys().chain(difference.theirs.keys()) {
            match place_of(path) {
                Some(Place::Record(entry)) => months.insert(month_of(&entry)),
                Some(Place::Pruned { month, .. }) => months.insert(month),
                None => false,
            };
        }
        let mut ids = HashSet::new();
        for month in months {
            for tree in [ours, theirs] {
                ids.extend(self.pruned_of_month(tree, &month)?);
            }
        }
        Ok(ids)
    }

    /// The ids of the pruned records of a month, `run/2026/05`.
    pub(super) fn pruned_of_month(
        &self,
        tree: &Tree<'_>,
        month: &str,
    ) -> Result<Vec<String>, HistoryError> {
        let folder = format!("{month}/{}", super::layout::PRUNED);
        let Ok(entry) = tree.get_path(folder.as_ref()) else {
            return Ok(Vec::new());
        };
        let mut ids = Vec::new();
        for file in &self.tree_by_id(entry.id())? {
            let path = format!("{folder}/{}", String::from_utf8_lossy(file.name_bytes()));
            let lines = self.pruned_lines(&path, file.id())?;
            ids.extend(lines.into_iter().map(|(entry, _)| entry.id));
        }
        Ok(ids)
    }

    fn difference(&self, ours: &Tree<'_>, theirs: &Tree<'_>) -> Result<Difference, HistoryError> {
        let mut difference = Difference::default();
        self.compare(Some(ours), Some(theirs), "", &mut difference)?;
        Ok(difference)
    }

    /// Goes down only where the two differ: a night's pull does not read years.
    fn compare(
        &self,
        ours: Option<&Tree<'_>>,
        theirs: Option<&Tree<'_>>,
        folder: &str,
        difference: &mut Difference,
    ) -> Result<(), HistoryError> {
        let all = [ours, theirs].map(|tree| entries_of(tree));
        let names: HashSet<&String> = all[0].keys().chain(all[1].keys()).collect();
        for name in names {
            let (ours, theirs) = (all[0].get(name), all[1].get(name));
            if ours == theirs {
                continue;
            }
            let path = format!("{folder}{name}");
            let tree_of = |entry: Option<&(Oid, bool)>| match entry {
                Some((id, true)) => self.tree_by_id(*id).map(Some),
                _ => Ok(None),
            };
            let (a, b) = (tree_of(ours)?, tree_of(theirs)?);
            if a.is_some() || b.is_some() {
                self.compare(a.as_ref(), b.as_ref(), &format!("{path}/"), difference)?;
            }
            for (entry, files) in [
                (ours, &mut difference.ours),
                (theirs, &mut difference.theirs),
            ] {
                if let Some((id, false)) = entry {
                    files.insert(path.clone(), *id);
                }
            }
        }
        // What stands at the same path in both is that of ours, whatever theirs says.
        let ours: HashSet<String> = difference.ours.keys().cloned().collect();
        difference.theirs.retain(|path, _| !ours.contains(path));
        Ok(())
    }

    /// A tree with files more and files less. Only the directories on their paths are written
    /// again, and a file that is there already is not changed.
    pub(super) fn changed(
        &self,
        tree: &Tree<'_>,
        add: &[(String, Oid)],
        remove: &[String],
    ) -> Result<Oid, HistoryError> {
        let mut update = git2::build::TreeUpdateBuilder::new();
        let mut fresh = false;
        for (path, blob) in add {
            if tree.get_path(path.as_ref()).is_err() {
                update.upsert(path.as_str(), *blob, FileMode::Blob);
                fresh = true;
            }
        }
        for path in remove {
            if tree.get_path(path.as_ref()).is_ok() {
                update.remove(path.as_str());
                fresh = true;
            }
        }
        if !fresh {
            return Ok(tree.id());
        }
        self.written(&mut update, tree)
    }
}

/// Names with ids, and whether each is a directory.
fn entries_of(tree: Option<&Tree<'_>>) -> BTreeMap<String, (Oid, bool)> {
    let Some(tree) = tree else {
        return BTreeMap::new();
    };
    let entry = |entry: git2::TreeEntry<'_>| {
        let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
        (name, (entry.id(), entry.kind() == Some(ObjectType::Tree)))
    };
    tree.iter().map(entry).collect()
}
