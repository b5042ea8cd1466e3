//! The index: the points of all runs, so that a question about years does not read every record. It
//! is a cache in the git directory and can be deleted at any time.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Result;
use outpace_record::{Document, ImportedFigure, Run};
use outpace_repo::Repo;
use outpace_track::Point;
use serde::{Deserialize, Serialize};

/// Another format has another name, so that an old file is never misread.
const FILE: &str = "index/points-1.jsonl";

/// A line: a record and its point, if it has one.
#[derive(Serialize, Deserialize)]
struct Line {
    id: String,
    point: Option<Point>,
}

/// All points of the history, as their records name them; what the index lacks is read and added.
pub(crate) fn points(repo: &Repo) -> Result<Vec<Point>> {
    let path = repo.state_dir().join(FILE);
    let mut known = read(&path);
    let mut fresh = Vec::new();
    let mut points = Vec::with_capacity(known.len());
    let history = repo.history();
    for kind in ["run", "imported"] {
        for day in history.days(Some(kind))? {
            let mut missing = HashSet::new();
            for entry in history.entries(&day)? {
                match known.remove(&entry.id) {
                    Some(point) => points.extend(point),
                    None => drop(missing.insert(entry.id)),
                }
            }
            if missing.is_empty() {
                continue;
            }
            for (entry, json) in history.read_some(&day, &|id| missing.contains(id))? {
                let point = point_of(kind, &json, &entry.id);
                points.extend(point.clone());
                fresh.push(Line {
                    id: entry.id,
                    point,
                });
            }
        }
    }
    // A cache that cannot be written costs time, nothing else.
    let _ = add(&path, &fresh);
    Ok(points)
}

/// A record of a newer outpace has no point; the rest is still shown.
fn point_of(kind: &str, json: &str, id: &str) -> Option<Point> {
    match kind {
        "run" => Point::of(&Run::from_json(json).ok()?, id),
        _ => Point::of_imported(&ImportedFigure::from_json(json).ok()?, id),
    }
}

/// A line that was torn by a kill is left out, and its record read again.
fn read(path: &Path) -> HashMap<String, Option<Point>> {
    let Ok(file) = File::open(path) else {
        return HashMap::new();
    };
    // Line by line: the whole text would take as much memory again as what is read from it.
    let lines = BufReader::with_capacity(1 << 20, file).split(b'\n');
    let lines = lines.map_while(io::Result::ok);
    let lines = lines.filter_map(|line| serde_json::from_slice::<Line>(&line).ok());
    lines.map(|line| (line.id, line.point)).collect()
}

fn add(path: &PathBuf, fresh: &[Line]) -> Result<()> {
    if fresh.is_empty() {
        return Ok(());
    }
    let mut text = String::from("\n");
    for line in fresh {
        text.push_str(&serde_json::to_string(line)?);
        text.push('\n');
    }
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(())
}
