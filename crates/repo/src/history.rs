//! The history: every run, verdict and attempt as an immutable file under `refs/outpace/history`.
//!
//! A record is named by the hash of its bytes, in a directory of its kind and day, so that writers
//! never change each other's files. A writer that finds the reference moved reads it again and adds
//! to that. Nothing is rewritten or dropped, but for raw samples that the user prunes.

mod error;
mod layout;
mod prune;
mod read;
mod remote;
mod union;

use std::fs;
use std::time::Duration;

use git2::build::TreeUpdateBuilder;
use git2::{ErrorCode, ObjectType, Oid, Tree, TreeEntry};
use outpace_record::{Document, Timestamp, record_id};
use outpace_text::plain;

use crate::Repo;
use crate::error::Doing;
use crate::merge::lost_race;
pub use error::HistoryError;
pub use layout::Entry;
use layout::{REFERENCE, file_path, pause};
pub use prune::Pruned;
pub use read::Day;
pub use remote::Transfer;

/// How often a writer tries again when others were faster. With 8 writers at once the worst case
/// seen is below 40.
const TRIES: u32 = 500;
const TRIES_OF_CHECK: u32 = 40;
/// No writer holds the lock of the reference for so long.
const ABANDONED: Duration = Duration::from_secs(3);

/// The history of a repository.
pub struct History<'a> {
    repo: &'a Repo,
}

/// The parents of a new commit of the history.
enum Parents {
    /// The tip that it was built on.
    Tip,
    /// That and another.
    TipAnd(Oid),
    /// Another alone.
    Only(Oid),
    /// None: git may drop what was before.
    None,
}

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
            Ok((self.changed(tree, &files, &[])?, Parents::Tip))
        })?;
        Ok(ids)
    }

    /// Adds a document and returns its id.
    ///
    /// # Errors
    /// Those of [`History::append`].
    pub fn add<T: Document>(
        &self,
        kind: &str,
        document: &T,
        finished: Timestamp,
    ) -> Result<String, HistoryError> {
        let ids = self.append(&[(kind, &finished.date(), &document.to_json())])?;
        Ok(ids.into_iter().next().unwrap_or_default())
    }

    /// Whether records can be added. Ask this before hours of measuring.
    ///
    /// # Errors
    /// The reference is damaged, or another process has its lock.
    pub fn check(&self) -> Result<(), HistoryError> {
        self.own_tree()?;
        for attempt in 0..TRIES_OF_CHECK {
            let transaction = self.repo.git.transaction();
            match transaction.and_then(|mut transaction| transaction.lock_ref(REFERENCE)) {
                Ok(()) => return Ok(()),
                Err(error) if error.code() == ErrorCode::Locked => {
                    self.clear_abandoned_lock();
                    pause(attempt);
                }
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
        build: impl Fn(&Tree<'_>) -> Result<(Oid, Parents), HistoryError>,
    ) -> Result<(), HistoryError> {
        for attempt in 0..TRIES {
            let tip = self.tip_id()?;
            let base = self.tree_of(tip)?;
            let (tree, parents) = build(&base)?;
            if tree == base.id() && tip.is_some() && matches!(parents, Parents::Tip) {
                return Ok(());
            }
            match self.commit_and_swap(tip, &parents, tree, message) {
                Ok(()) => return Ok(()),
                Err(error) if error.code() == ErrorCode::Locked || lost_race(&error) => {
                    self.clear_abandoned_lock();
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

    /// A writer that was killed leaves its lock, which lives for milliseconds otherwise.
    fn clear_abandoned_lock(&self) {
        let lock = self.repo.git.commondir().join(format!("{REFERENCE}.lock"));
        let since = fs::metadata(&lock).and_then(|meta| meta.modified());
        let age = since.ok().and_then(|since| since.elapsed().ok());
        if age.is_some_and(|age| age > ABANDONED) {
            // If it cannot be deleted, the tries end with a message that names it.
            let _ = fs::remove_file(&lock);
        }
    }

    fn commit_and_swap(
        &self,
        tip: Option<Oid>,
        parents: &Parents,
        tree: Oid,
        message: &str,
    ) -> Result<(), git2::Error> {
        let git = &self.repo.git;
        let parents = match *parents {
            Parents::Tip => [tip, None],
            Parents::TipAnd(other) => [tip, Some(other)],
            Parents::Only(other) => [None, Some(other)],
            Parents::None => [None, None],
        };
        let parents = parents
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

    fn written(
        &self,
        update: &mut TreeUpdateBuilder,
        tree: &Tree<'_>,
    ) -> Result<Oid, HistoryError> {
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
            Err(error) => Err(HistoryError::Reference {
                why: error.message().to_owned(),
            }),
        }
    }

    /// What the reference is at. Records lie in folders; a file beside those is that of something
    /// else.
    fn own_tree(&self) -> Result<Tree<'_>, HistoryError> {
        let tree = self.tree_of(self.tip_id()?)?;
        let is_file = |entry: &TreeEntry<'_>| entry.kind() == Some(ObjectType::Blob);
        let file = tree.iter().find(is_file);
        let file = file.map(|entry| String::from_utf8_lossy(entry.name_bytes()).into_owned());
        match file {
            None => Ok(tree),
            Some(file) => Err(HistoryError::Reference {
                why: format!(
                    "it is the commit of something else, with {}",
                    plain(&file, 80)
                ),
            }),
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
}
