//! Old raw samples go, what follows from them stays: the records of a month become lines of one
//! file, and the history begins anew, so that git can drop what was before.

use std::collections::BTreeMap;

use git2::Oid;
use outpace_record::record_id;
use serde_json::Value;

use super::layout::{PRUNED, month_of};
use super::read::PrunedLine;
use super::{Entry, History, HistoryError, Parents};

/// What pruning did, or would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Records that lost their samples.
    pub records: usize,
    /// Their bytes before.
    pub before: usize,
    /// Their bytes now, before compression.
    pub after: usize,
}

impl History<'_> {
    /// Compacts the records before a day: `summary` takes the raw samples out of a record, or
    /// leaves it as it is with `None`. With `dry_run` nothing is written.
    ///
    /// # Errors
    /// A record is damaged, or git fails. Nothing is lost then.
    pub fn prune(
        &self,
        before: &str,
        summary: &dyn Fn(&Entry, &Value) -> Option<Value>,
        dry_run: bool,
    ) -> Result<Pruned, HistoryError> {
        let mut pruned = Pruned::default();
        let mut months: BTreeMap<String, (Vec<String>, String)> = BTreeMap::new();
        for day in self.days(None)? {
            for (entry, json) in self.read_day(&day, before)? {
                let Ok(value) = serde_json::from_str::<Value>(&json) else {
                    continue;
                };
                let Some(record) = summary(&entry, &value) else {
                    continue;
                };
                let line = PrunedLine {
                    id: entry.id.clone(),
                    date: entry.date.clone(),
                    record,
                };
                let line = serde_json::to_string(&line).expect("a record is JSON");
                pruned.records += 1;
                pruned.before += json.len();
                pruned.after += line.len() + 1;
                let (paths, text) = months.entry(month_of(&entry)).or_default();
                let path = super::layout::file_path(&entry.kind, &entry.date, &entry.id);
                paths.extend(path);
                text.push_str(&line);
                text.push('\n');
            }
        }
        if !dry_run && pruned.records > 0 {
            self.write(months)?;
        }
        Ok(pruned)
    }

    fn read_day(
        &self,
        day: &super::Day,
        before: &str,
    ) -> Result<Vec<(Entry, String)>, HistoryError> {
        if !day.is_of_records() {
            return Ok(Vec::new());
        }
        let mut records = self.read(day)?;
        records.retain(|(entry, _)| entry.date.as_str() < before);
        Ok(records)
    }

    fn write(&self, months: BTreeMap<String, (Vec<String>, String)>) -> Result<(), HistoryError> {
        let (mut add, mut remove): (Vec<(String, Oid)>, Vec<String>) = (Vec::new(), Vec::new());
        for (month, (paths, text)) in months {
            let hash = record_id(text.as_bytes());
            let blob = self.store(text.as_bytes())?;
            add.push((format!("{month}/{PRUNED}/{hash}.jsonl"), blob));
            remove.extend(paths);
        }
        let message = "Prune raw samples";
        self.update(message, |tree| {
            Ok((self.changed(tree, &add, &remove)?, Parents::None))
        })
    }
}
