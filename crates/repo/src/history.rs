//! The history: every run, verdict and attempt as an immutable file under `refs/outpace/history`.
//!
//! A record is named by the hash of its bytes, in a directory of its kind and day, so that writers
//! never change each other's files. A writer that finds the reference moved reads it again and adds
//! to that. Nothing is ever rewritten or dropped.

mod error;
mod layout;
mod union;

use std::collections::{BTreeMap, HashMap};

use git2::build::TreeUpdateBuilder;
use git2::{ErrorCode, FileMode, ObjectType, Oid, Tree};
use outpace_record::{ended_at, record_id};
use outpace_text::short;

use crate::error::Doing;
use crate::merge::lost_race;
use crate::{Repo, paths};
pub use error::HistoryError;
pub use layout::Entry;
use layout::{REFERENCE, entry_of, file_path, pause};

/// How often a writer tries again when others were faster. With 8 writers at once the worst case
/// seen is below 40.
const TRIES: u32 = 500;
const TRIES_OF_CHECK: u32 = 40;

/// The history of a repository.
pub struct History<'a> {
    repo: &'a Repo,
}

/// The records of one day, not yet read.
#[derive(Debug, Clone, Default)]
pub struct Day(Vec<(String, Oid)>);

impl Repo {
    /// The record store of this repository.
    pub fn history(&self) -> History<'_> {
        History { repo: self }
    }
}

impl History<'_> {
    /// Adds records (kind, date, JSON) in one commit and returns their ids. Records that are there
    /// already stay as they are.
    ///
    /// # Errors
    /// A kind or date is not valid, other writers were always faster, or libgit2 error.
    pub fn append(&self, records: &[(&str, &str, &str)]) -> Result<Vec<String>, HistoryError> {
        let mut files = Vec::with_capacity(records.len());
        let mut ids = Vec::with_capacity(records.len());
        for (kind, date, json) in records {
            let id = record_id(json.as_bytes());
            let path = file_path(kind, date, &id).ok_or_else(|| HistoryError::BadRecord {
                kind: (*kind).to_owned(),
                date: (*date).to_owned(),
            })?;
            files.push((path, self.store(json.as_bytes())?));
            ids.push(id);
        }
        if records.is_empty() {
            return Ok(ids);
        }
        self.update(&format!("Append {} record(s)", records.len()), |tree| {
            self.plus(tree, &files).map(|t| (t, None))
        })?;
        Ok(ids)
    }

    /// Whether records can be added. Ask this before hours of measuring.
    ///
    /// # Errors
    /// The reference is damaged, or another process has its lock.
    pub fn check(&self) -> Result<(), HistoryError> {
        self.tree_of(self.tip_id()?)?;
        for attempt in 0..TRIES_OF_CHECK {
            let transaction = self.repo.git.transaction();
            match transaction.and_then(|mut transaction| transaction.lock_ref(REFERENCE)) {
                Ok(()) => return Ok(()),
                Err(error) if error.code() == ErrorCode::Locked => pause(attempt),
                Err(error) => {
                    return Err(error)
                        .doing(|| format!("writing {REFERENCE}"))
                        .map_err(Into::into);
                }
            }
        }
        Err(HistoryError::Busy {
            tries: TRIES_OF_CHECK,
        })
    }

    /// All records, oldest day first.
    ///
    /// # Errors
    /// libgit2 error.
    pub fn list(&self) -> Result<Vec<Entry>, HistoryError> {
        let Some(tip) = self.tip()? else {
            return Ok(Vec::new());
        };
        let mut entries: Vec<Entry> = self
            .files(tip)?
            .keys()
            .filter_map(|path| entry_of(path))
            .collect();
        entries.sort();
        Ok(entries)
    }

    /// Records of a kind, or of all, day by day, oldest first; not yet read.
    ///
    /// # Errors
    /// libgit2 error.
    pub fn days(&self, kind: Option<&str>) -> Result<Vec<Day>, HistoryError> {
        let Some(tip) = self.tip()? else {
            return Ok(Vec::new());
        };
        let mut days: BTreeMap<String, Day> = BTreeMap::new();
        for (path, blob) in self.files(tip)? {
            if let Some(entry) = entry_of(&path)
                && kind.is_none_or(|kind| entry.kind == kind)
            {
                days.entry(entry.date).or_default().0.push((path, blob));
            }
        }
        Ok(days.into_values().collect())
    }

    /// The records of a day with their JSON, in the order in which they ended.
    ///
    /// # Errors
    /// The content of one does not match its name.
    pub fn read(&self, day: &Day) -> Result<Vec<(Entry, String)>, HistoryError> {
        let mut records = Vec::with_capacity(day.0.len());
        for (path, blob) in &day.0 {
            let json = self.verified(path, *blob)?;
            if let Some(entry) = entry_of(path) {
                records.push((ended_at(&json), entry, json));
            }
        }
        records.sort();
        Ok(records
            .into_iter()
            .map(|(_, entry, json)| (entry, json))
            .collect())
    }

    /// The JSON of the record whose id has this prefix.
    ///
    /// # Errors
    /// There is none, there are several, or its content does not match its name.
    pub fn get(&self, id_prefix: &str) -> Result<String, HistoryError> {
        let unknown = || HistoryError::Unknown {
            id: id_prefix.to_owned(),
        };
        let tip = self.tip()?.ok_or_else(unknown)?;
        let mut hits: Vec<(String, String, Oid)> = self
            .files(tip)?
            .into_iter()
            .filter_map(|(path, blob)| Some((entry_of(&path)?.id, path, blob)))
            .filter(|(id, ..)| id.starts_with(id_prefix))
            .collect();
        hits.sort();
        hits.dedup_by(|a, b| a.0 == b.0);
        match hits.as_slice() {
            [] => Err(unknown()),
            [(_, path, blob)] => self.verified(path, *blob),
            several => Err(HistoryError::Ambiguous {
                id: id_prefix.to_owned(),
                candidates: several
                    .iter()
                    .take(5)
                    .map(|(id, ..)| short(id).to_owned())
                    .collect(),
            }),
        }
    }

    /// The commit that the history is at, if anything was ever written.
    ///
    /// # Errors
    /// libgit2 error.
    pub fn tip(&self) -> Result<Option<String>, HistoryError> {
        Ok(self.tip_id()?.map(|tip| tip.to_string()))
    }

    /// Builds on the tip and swaps the reference, until no other writer was in between.
    fn update(
        &self,
        message: &str,
        build: impl Fn(&Tree<'_>) -> Result<(Oid, Option<Oid>), HistoryError>,
    ) -> Result<(), HistoryError> {
        for attempt in 0..TRIES {
            let tip = self.tip_id()?;
            let base = self.tree_of(tip)?;
            let (tree, other) = build(&base)?;
            if tree == base.id() && tip.is_some() && other.is_none() {
                return Ok(());
            }
            match self.commit_and_swap(tip, other, tree, message) {
                Ok(()) => return Ok(()),
                Err(error) if error.code() == ErrorCode::Locked || lost_race(&error) => {
                    pause(attempt);
                }
                Err(error) => {
                    return Err(error)
                        .doing(|| format!("writing {REFERENCE}"))
                        .map_err(Into::into);
                }
            }
        }
        Err(HistoryError::Busy { tries: TRIES })
    }

    fn commit_and_swap(
        &self,
        tip: Option<Oid>,
        other: Option<Oid>,
        tree: Oid,
        message: &str,
    ) -> Result<(), git2::Error> {
        let git = &self.repo.git;
        let parents = [tip, other]
            .into_iter()
            .flatten()
            .map(|id| git.find_commit(id))
            .collect::<Result<Vec<_>, _>>()?;
        let parents: Vec<&git2::Commit<'_>> = parents.iter().collect();
        let author = self.repo.signature()?;
        let commit = git.commit(
            None,
            &author,
            &author,
            message,
            &git.find_tree(tree)?,
            &parents,
        )?;
        self.repo.try_swap(REFERENCE, tip, commit, message)
    }

    /// A tree with more files. Only the directories on their paths are written again, and a file
    /// that is there already is not changed.
    fn plus(&self, tree: &Tree<'_>, files: &[(String, Oid)]) -> Result<Oid, HistoryError> {
        let mut update = TreeUpdateBuilder::new();
        let mut fresh = false;
        for (path, blob) in files {
            if tree.get_path(path.as_ref()).is_err() {
                update.upsert(path.as_str(), *blob, FileMode::Blob);
                fresh = true;
            }
        }
        if !fresh {
            return Ok(tree.id());
        }
        let doing = || format!("adding to {REFERENCE}");
        Ok(update.create_updated(&self.repo.git, tree).doing(doing)?)
    }

    fn store(&self, bytes: &[u8]) -> Result<Oid, HistoryError> {
        Ok(self
            .repo
            .git
            .blob(bytes)
            .doing(|| "storing a record".into())?)
    }

    fn tip_id(&self) -> Result<Option<Oid>, HistoryError> {
        match self.repo.git.refname_to_id(REFERENCE) {
            Ok(id) => Ok(Some(id)),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error)
                .doing(|| format!("reading {REFERENCE}"))
                .map_err(Into::into),
        }
    }

    fn tree_of(&self, tip: Option<Oid>) -> Result<Tree<'_>, HistoryError> {
        let git = &self.repo.git;
        let tree = match tip {
            Some(tip) => git.find_commit(tip).and_then(|commit| commit.tree()),
            None => git
                .treebuilder(None)
                .and_then(|empty| empty.write())
                .and_then(|id| git.find_tree(id)),
        };
        Ok(tree.doing(|| format!("reading {REFERENCE}"))?)
    }

    fn files(&self, commit: String) -> Result<HashMap<String, Oid>, HistoryError> {
        let files = self.repo.files_of(&self.repo.tree(&commit)?)?;
        Ok(files
            .into_iter()
            .map(|file| (paths::name(&file.path), file.id))
            .collect())
    }

    /// The content of a record whose name was checked against it.
    fn verified(&self, path: &str, blob: Oid) -> Result<String, HistoryError> {
        let damaged = |why: &str| HistoryError::Damaged {
            path: path.to_owned(),
            why: why.to_owned(),
        };
        let entry = entry_of(path)
            .ok_or_else(|| damaged("its name is not <kind>/<yyyy>/<mm>/<dd>/<id>.json"))?;
        let object = self
            .repo
            .git
            .find_object(blob, Some(ObjectType::Blob))
            .map_err(|e| damaged(e.message()))?;
        let blob = object.peel_to_blob().map_err(|e| damaged(e.message()))?;
        if record_id(blob.content()) != entry.id {
            return Err(damaged("its content has another hash"));
        }
        let text =
            std::str::from_utf8(blob.content()).map_err(|_| damaged("it is not valid UTF-8"))?;
        Ok(text.to_owned())
    }
}
