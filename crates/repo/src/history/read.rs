//! Reading the history: days first, then their records, so that nobody has to read all of it.

use std::collections::{BTreeMap, HashSet};

use git2::{ObjectType, Oid, Tree};
use outpace_record::{Document, ended_at, record_id};
use outpace_text::short;
use serde::{Deserialize, Serialize};

use super::layout::{PRUNED, Place, place_of};
use super::{Entry, History, HistoryError};
use crate::error::Doing;

/// The records of one day, not yet read; or what was pruned of a month, before its days.
#[derive(Debug, Clone, Default)]
pub struct Day(Vec<(String, Oid)>);

/// A line of a file of pruned records: the record without its raw samples.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PrunedLine {
    /// Id of the record as it was.
    pub(super) id: String,
    pub(super) date: String,
    pub(super) record: serde_json::Value,
}

impl Day {
    /// Whether it holds records, and not what was pruned.
    pub(super) fn is_of_records(&self) -> bool {
        let pruned = |(path, _): &(String, Oid)| path.ends_with(&format!("/{PRUNED}"));
        !self.0.iter().any(pruned)
    }
}

impl History<'_> {
    /// All records, oldest day first.
    ///
    /// # Errors
    /// libgit2 error, or a file of pruned records is damaged.
    pub fn list(&self) -> Result<Vec<Entry>, HistoryError> {
        let mut entries = Vec::new();
        for day in self.days(None)? {
            entries.extend(self.entries(&day)?);
        }
        entries.sort();
        entries.dedup();
        Ok(entries)
    }

    /// Records of a kind, or of all, day by day, oldest first; not yet read.
    ///
    /// # Errors
    /// libgit2 error.
    pub fn days(&self, kind: Option<&str>) -> Result<Vec<Day>, HistoryError> {
        let tree = self.own_tree()?;
        let mut days: BTreeMap<String, Day> = BTreeMap::new();
        for (kind_name, kinds) in self.folders(&tree)? {
            if kind.is_some_and(|kind| kind != kind_name) {
                continue;
            }
            for (year, years) in self.folders(&kinds)? {
                for (month, months) in self.folders(&years)? {
                    for (day, folder) in self.folders(&months)? {
                        // Sorts before the days of its month.
                        let number = if day == PRUNED { "" } else { &day };
                        let date = format!("{year}-{month}-{number}");
                        let path = format!("{kind_name}/{year}/{month}/{day}");
                        days.entry(date).or_default().0.push((path, folder.id()));
                    }
                }
            }
        }
        Ok(days.into_values().collect())
    }

    /// The names of a day's records.
    ///
    /// # Errors
    /// libgit2 error, or a file of pruned records is damaged.
    pub fn entries(&self, day: &Day) -> Result<Vec<Entry>, HistoryError> {
        let mut entries = Vec::new();
        for (path, blob) in self.files_of_day(day)? {
            match place_of(&path) {
                Some(Place::Record(entry)) => entries.push(entry),
                Some(Place::Pruned { .. }) => {
                    let lines = self.pruned_lines(&path, blob)?;
                    entries.extend(lines.into_iter().map(|line| line.0));
                }
                None => {}
            }
        }
        Ok(entries)
    }

    /// The records of a day with their JSON, in the order in which they ended.
    ///
    /// # Errors
    /// The content of one does not match its name.
    pub fn read(&self, day: &Day) -> Result<Vec<(Entry, String)>, HistoryError> {
        self.read_some(day, &|_| true)
    }

    /// The same, only those whose id is wanted.
    ///
    /// # Errors
    /// The content of one does not match its name.
    pub fn read_some(
        &self,
        day: &Day,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<(Entry, String)>, HistoryError> {
        let mut records = Vec::new();
        let mut seen = HashSet::new();
        for (path, blob) in self.files_of_day(day)? {
            match place_of(&path) {
                Some(Place::Record(entry)) if wanted(&entry.id) => {
                    let json = self.verified(&path, blob)?;
                    records.push((ended_at(&json), entry, json));
                }
                Some(Place::Pruned { .. }) => {
                    for (entry, json) in self.pruned_lines(&path, blob)? {
                        // Two clones may have pruned the same month.
                        if wanted(&entry.id) && seen.insert(entry.id.clone()) {
                            records.push((ended_at(&json), entry, json));
                        }
                    }
                }
                _ => {}
            }
        }
        records.sort();
        let records = records.into_iter().map(|(_, entry, json)| (entry, json));
        Ok(records.collect())
    }

    /// The records of a kind that this version understands, with their ids, in the order in which
    /// they were written.
    ///
    /// # Errors
    /// libgit2 error, or the content of a record does not match its name.
    pub fn documents<T: Document>(&self, kind: &str) -> Result<Vec<(String, T)>, HistoryError> {
        let mut all = Vec::new();
        for day in self.days(Some(kind))? {
            let read = self.read(&day)?.into_iter();
            all.extend(
                read.filter_map(|(entry, json)| Some((entry.id, T::from_json(&json).ok()?))),
            );
        }
        Ok(all)
    }

    /// The JSON of the record whose id has this prefix.
    ///
    /// # Errors
    /// There is none, there are several, or its content does not match its name.
    pub fn get(&self, id_prefix: &str) -> Result<String, HistoryError> {
        let mut hits: BTreeMap<String, Day> = BTreeMap::new();
        for day in self.days(None)? {
            for entry in self.entries(&day)? {
                if entry.id.starts_with(id_prefix) {
                    hits.insert(entry.id, day.clone());
                }
            }
        }
        let unknown = || HistoryError::Unknown {
            id: id_prefix.to_owned(),
        };
        let (id, day) = hits.first_key_value().ok_or_else(unknown)?;
        if hits.len() > 1 {
            let some = hits.keys().take(5);
            return Err(HistoryError::Ambiguous {
                id: id_prefix.to_owned(),
                candidates: some.map(|id| short(id).to_owned()).collect(),
            });
        }
        let mut record = self.read_some(day, &|other| other == id)?;
        record.pop().map(|(_, json)| json).ok_or_else(unknown)
    }

    fn folders(&self, tree: &Tree<'_>) -> Result<Vec<(String, Tree<'_>)>, HistoryError> {
        let mut folders = Vec::new();
        for entry in tree {
            if entry.kind() == Some(ObjectType::Tree) {
                let name = String::from_utf8_lossy(entry.name_bytes()).into_owned();
                folders.push((name, self.tree_by_id(entry.id())?));
            }
        }
        Ok(folders)
    }

    fn files_of_day(&self, day: &Day) -> Result<Vec<(String, Oid)>, HistoryError> {
        let mut files = Vec::new();
        for (path, folder) in &day.0 {
            for entry in &self.tree_by_id(*folder)? {
                if entry.kind() == Some(ObjectType::Blob) {
                    let name = String::from_utf8_lossy(entry.name_bytes());
                    files.push((format!("{path}/{name}"), entry.id()));
                }
            }
        }
        Ok(files)
    }

    pub(super) fn tree_by_id(&self, id: Oid) -> Result<Tree<'_>, HistoryError> {
        let tree = self.repo.git.find_tree(id);
        Ok(tree.doing(|| format!("reading tree {id} of the history"))?)
    }

    /// The records of a file of pruned ones.
    pub(super) fn pruned_lines(
        &self,
        path: &str,
        blob: Oid,
    ) -> Result<Vec<(Entry, String)>, HistoryError> {
        let kind = path.split('/').next().unwrap_or_default().to_owned();
        let text = self.verified(path, blob)?;
        let read = |line: &str| {
            let line: PrunedLine =
                serde_json::from_str(line).map_err(|error| HistoryError::Damaged {
                    path: path.to_owned(),
                    why: error.to_string(),
                })?;
            let entry = Entry {
                date: line.date,
                kind: kind.clone(),
                id: line.id,
            };
            Ok((entry, line.record.to_string()))
        };
        text.lines().map(read).collect()
    }

    /// The content of a file whose name was checked against it.
    pub(super) fn verified(&self, path: &str, blob: Oid) -> Result<String, HistoryError> {
        let damaged = |why: &str| HistoryError::Damaged {
            path: path.to_owned(),
            why: why.to_owned(),
        };
        let hash = match place_of(path) {
            Some(Place::Record(entry)) => entry.id,
            Some(Place::Pruned { hash, .. }) => hash,
            None => return Err(damaged("its name is not <kind>/<yyyy>/<mm>/<dd>/<id>.json")),
        };
        let object = self.repo.git.find_object(blob, Some(ObjectType::Blob));
        let object = object.map_err(|e| damaged(e.message()))?;
        let blob = object.peel_to_blob().map_err(|e| damaged(e.message()))?;
        if record_id(blob.content()) != hash {
            return Err(damaged("its content has another hash"));
        }
        let text =
            std::str::from_utf8(blob.content()).map_err(|_| damaged("it is not valid UTF-8"))?;
        Ok(text.to_owned())
    }
}
