//! Where a record stands: `<kind>/<yyyy>/<mm>/<dd>/<record id>.json`; and the pause of writers who met there.

use std::hash::{BuildHasher, RandomState};
use std::thread;
use std::time::Duration;

use super::{Entry, HistoryError};

/// Longest pause between two tries; drawn at random below it, so that writers do not stay in step.
const MAX_PAUSE_MS: u64 = 20;

pub(super) fn file_path(kind: &str, date: &str, id: &str) -> Result<String, HistoryError> {
    let path = format!("{kind}/{}/{id}.json", date.replace('-', "/"));
    match entry_of(&path) {
        Some(entry) if entry.date == date => Ok(path),
        _ => Err(HistoryError::BadRecord {
            kind: kind.to_owned(),
            date: date.to_owned(),
        }),
    }
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

/// Waits for a random moment that grows with the number of vain tries. Randomness from the hasher: no dependency for jitter.
pub(super) fn pause(attempt: u32) {
    let most_us = (200_u64 << attempt.min(10)).min(MAX_PAUSE_MS * 1000);
    thread::sleep(Duration::from_micros(
        RandomState::new().hash_one(attempt) % most_us,
    ));
}
