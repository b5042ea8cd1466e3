//! Where a record is: `<kind>/<yyyy>/<mm>/<dd>/<record id>.json`; and the pause after a lost race.

use std::hash::{BuildHasher, RandomState};
use std::thread;
use std::time::Duration;

/// The reference that all records are under.
pub(super) const REFERENCE: &str = "refs/outpace/history";

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

/// The path of a record, if kind and date are valid.
pub(super) fn file_path(kind: &str, date: &str, id: &str) -> Option<String> {
    let path = format!("{kind}/{}/{id}.json", date.replace('-', "/"));
    entry_of(&path)
        .is_some_and(|entry| entry.date == date)
        .then_some(path)
}

pub(super) fn entry_of(path: &str) -> Option<Entry> {
    let parts: Vec<&str> = path.split('/').collect();
    let [kind, year, month, day, file] = parts.as_slice() else {
        return None;
    };
    let id = file.strip_suffix(".json")?;
    let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
    let hex = id.len() == 64
        && id
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let named = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let dated = digits(year, 4) && digits(month, 2) && digits(day, 2);
    (hex && named && dated).then(|| Entry {
        date: format!("{year}-{month}-{day}"),
        kind: (*kind).to_owned(),
        id: id.to_owned(),
    })
}

/// Waits for a random time that grows with the number of lost races. The randomness is that of the
/// standard hasher: jitter is not worth a dependency.
pub(super) fn pause(attempt: u32) {
    let most_us = (200_u64 << attempt.min(10)).min(MAX_PAUSE_MS * 1000);
    thread::sleep(Duration::from_micros(
        RandomState::new().hash_one(attempt) % most_us,
    ));
}
