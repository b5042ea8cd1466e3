//! Where a record is: `<kind>/<yyyy>/<mm>/<dd>/<record id>.json`; the records of a month that were
//! pruned: `<kind>/<yyyy>/<mm>/pruned/<hash>.jsonl`; and the pause after a lost race.

use std::hash::{BuildHasher, RandomState};
use std::thread;
use std::time::Duration;

/// The reference that all records are under.
pub(super) const REFERENCE: &str = "refs/outpace/history";

/// Name of the directory of a month that holds what was pruned.
pub(super) const PRUNED: &str = "pruned";

/// Longest pause between two tries. Pauses are random below it, so that writers do not stay in
/// step.
const MAX_PAUSE_MS: u64 = 20;

/// A record in the history.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Day, `2026-05-19`.
    pub date: String,
    /// `run`, `verdict`, `attempt`, ...
    pub kind: String,
    /// Its record id.
    pub id: String,
}

/// What a file of the history is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Record(Entry),
    /// A file of summaries, by the directory of its month and the hash of its content.
    Pruned {
        month: String,
        hash: String,
    },
}

/// The path of a record, if kind and date are valid.
pub(super) fn file_path(kind: &str, date: &str, id: &str) -> Option<String> {
    let path = format!("{kind}/{}/{id}.json", date.replace('-', "/"));
    match place_of(&path)? {
        Place::Record(entry) if entry.date == date => Some(path),
        _ => None,
    }
}

/// The directory of a record's month, `run/2026/05`.
pub(super) fn month_of(entry: &Entry) -> String {
    format!("{}/{}", entry.kind, entry.date[..7].replace('-', "/"))
}

/// What a path is; nothing for a file that is not of the history.
pub(super) fn place_of(path: &str) -> Option<Place> {
    let parts: Vec<&str> = path.split('/').collect();
    let [kind, year, month, day, file] = parts.as_slice() else {
        return None;
    };
    let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
    let named = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    if !(named && digits(year, 4) && digits(month, 2)) {
        return None;
    }
    if *day == PRUNED {
        let hash = file.strip_suffix(".jsonl").filter(|hash| is_id(hash))?;
        return Some(Place::Pruned {
            month: format!("{kind}/{year}/{month}"),
            hash: hash.to_owned(),
        });
    }
    let id = file.strip_suffix(".json").filter(|id| is_id(id))?;
    digits(day, 2).then(|| {
        Place::Record(Entry {
            date: format!("{year}-{month}-{day}"),
            kind: (*kind).to_owned(),
            id: id.to_owned(),
        })
    })
}

fn is_id(text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.len() == 64 && text.bytes().all(hex)
}

/// Waits for a random time that grows with the number of lost races. The randomness is that of the
/// standard hasher: jitter is not worth a dependency.
pub(super) fn pause(attempt: u32) {
    let most_us = (200_u64 << attempt.min(10)).min(MAX_PAUSE_MS * 1000);
    thread::sleep(Duration::from_micros(
        RandomState::new().hash_one(attempt) % most_us,
    ));
}
