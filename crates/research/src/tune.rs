//! The agent that needs no model: it searches the values that `outpace.toml` declares and learns from the verdicts.
//!
//! One change at a time, from the value that stands to another. Values that were never tried near a good verdict come
//! first, a direction that proved slower is left, and no change is proposed twice. It keeps no state of its own: what it
//! knows it reads from the campaign's attempts, so that a resumed campaign goes on as if nothing had happened.

use std::collections::BTreeSet;

use outpace_record::{Attempt, Kind, Tunable};
use outpace_repo::Repo;

use crate::{Agent, Idea, ResearchError, View, set_constant, set_toml_key};

/// What an untried value is worth before anything is known of its neighbours.
const CURIOSITY: f64 = 0.02;
/// How much of a neighbour's gain is expected one value further away.
const CARRY: f64 = 0.8;
/// A refused value (wrong results, no build) says so much about its neighbours.
const REFUSED: f64 = -0.01;

/// The `tune` agent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tune;

/// One change that could be proposed.
#[derive(Debug, Clone, PartialEq)]
struct Change<'a> {
    tunable: &'a Tunable,
    from: usize,
    to: usize,
    title: String,
    text: String,
}

impl Agent for Tune {
    fn name(&self) -> &str {
        "tune"
    }

    fn propose(&mut self, view: &View<'_>) -> Result<Idea, ResearchError> {
        if view.config.tunable.is_empty() {
            return Err(ResearchError::Usage(
                "outpace.toml declares no [[tunable]]. Hint: declare values that may be tried, or name another agent".into(),
            ));
        }
        let tried: BTreeSet<&str> = view.attempts.iter().map(|a| a.title.as_str()).collect();
        let mut open = Vec::new();
        for tunable in &view.config.tunable {
            open.extend(changes(view.repo, &view.base.tree, tunable)?);
        }
        open.retain(|change| !tried.contains(change.title.as_str()));
        let Some(best) = best(&open, view.attempts) else {
            return Ok(Idea::Exhausted {
                reason: "every declared value was tried".into(),
            });
        };
        let tree =
            view.repo
                .replace_file(&view.base.tree, &best.tunable.file, best.text.as_bytes())?;
        Ok(Idea::Tree {
            tree,
            title: best.title.clone(),
        })
    }
}

/// All changes of one tunable away from the value that stands.
fn changes<'a>(
    repo: &Repo,
    tree: &str,
    tunable: &'a Tunable,
) -> Result<Vec<Change<'a>>, ResearchError> {
    let missing = || {
        ResearchError::Usage(format!(
            "outpace.toml declares {} in {}, but the base holds no such value. Hint: a constant stands on a line of its own, once",
            tunable.name(),
            tunable.file
        ))
    };
    let bytes = repo.read(tree, &tunable.file)?.ok_or_else(missing)?;
    let text = String::from_utf8(bytes).map_err(|_| missing())?;
    let written = tunable.literals();
    let stands = written
        .first()
        .and_then(|value| set(&text, tunable, value))
        .ok_or_else(missing)?
        .1;
    let Some(from) = written.iter().position(|value| *value == stands) else {
        return Err(ResearchError::Usage(format!(
            "{}: {} is {stands}, which is not among the declared values {}. Hint: add it in outpace.toml",
            tunable.file,
            tunable.name(),
            written.join(", ")
        )));
    };
    let all = written.iter().enumerate().filter(|(to, _)| *to != from);
    Ok(all
        .filter_map(|(to, value)| {
            let title = title(tunable, &stands, value);
            Some(Change {
                tunable,
                from,
                to,
                title,
                text: set(&text, tunable, value)?.0,
            })
        })
        .collect())
}

fn set(text: &str, tunable: &Tunable, literal: &str) -> Option<(String, String)> {
    match (&tunable.key, &tunable.constant) {
        (Some(key), _) => set_toml_key(text, key, &literal.parse().ok()?),
        (_, Some(name)) => set_constant(text, name, literal),
        _ => None,
    }
}

fn title(tunable: &Tunable, from: &str, to: &str) -> String {
    format!("{}: {} {from} -> {to}", tunable.file, tunable.name())
}

/// The most promising change; of equals the first declared, nearest to the value that stands.
fn best<'c, 'a>(open: &'c [Change<'a>], attempts: &[Attempt]) -> Option<&'c Change<'a>> {
    let rank = |change: &Change<'_>| {
        (
            promise(change, attempts),
            -(change.to.abs_diff(change.from) as f64),
        )
    };
    open.iter().reduce(|best, next| {
        let (a, b) = (rank(best), rank(next));
        if b.0 > a.0 + 1e-9 || ((b.0 - a.0).abs() <= 1e-9 && b.1 > a.1 + 1e-9) {
            next
        } else {
            best
        }
    })
}

/// Expected gain: that of the nearest tried value on the way, weakened by distance.
fn promise(change: &Change<'_>, attempts: &[Attempt]) -> f64 {
    let literals = change.tunable.literals();
    let (prefix, suffix) = (
        format!("{} ", change.tunable.name()),
        format!(" in {}", change.tunable.file),
    );
    let known = attempts.iter().filter_map(|attempt| {
        let (from, to) = attempt
            .title
            .strip_prefix(&prefix)?
            .strip_suffix(&suffix)?
            .split_once(" -> ")?;
        let index = |text: &str| literals.iter().position(|l| l == text);
        Some((index(from)?, index(to)?, gain(attempt)))
    });
    let same_way = |to: usize| (to > change.from) == (change.to > change.from);
    let nearest = known
        .filter(|(from, to, _)| *from == change.from && same_way(*to))
        .min_by_key(|(_, to, _)| to.abs_diff(change.to));
    match nearest {
        // What got slower on the way gets slower still; what got faster may go on for a while.
        Some((_, to, gain)) if gain < 0.0 => gain * to.abs_diff(change.to).max(1) as f64,
        Some((_, to, gain)) => {
            gain * CARRY.powi(i32::try_from(to.abs_diff(change.to)).unwrap_or(i32::MAX))
        }
        None => {
            CURIOSITY
                * CARRY.powi(i32::try_from(change.from.abs_diff(change.to)).unwrap_or(i32::MAX) - 1)
        }
    }
}

fn gain(attempt: &Attempt) -> f64 {
    match attempt.verdict {
        Kind::Rejected => REFUSED,
        _ => attempt
            .main_verdict()
            .and_then(|v| v.speedup)
            .unwrap_or(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::tests::verdict;
    use outpace_record::Timestamp;

    fn attempt(title: &str, kind: Kind, gain: f64) -> Attempt {
        let mut v = verdict(kind);
        v.speedup = Some(gain);
        let json = serde_json::json!({
            "schema": "outpace.attempt/1", "campaign": "c", "number": 1, "agent": "tune", "title": title,
            "verdict": kind.as_str(), "reason": "", "base": "b", "total_s": 1.0, "finished": Timestamp::from_unix_seconds(0),
        });
        let mut attempt: Attempt = serde_json::from_value(json).unwrap();
        attempt.verdicts.push(v);
        attempt
    }

    #[test]
    fn it_follows_what_helped_and_leaves_what_hurt() {
        let tunable = Tunable {
            file: "f".into(),
            key: None,
            constant: Some("TILE".into()),
            values: serde_json::from_str("[8, 16, 32, 64, 128]").unwrap(),
        };
        let change = |to: usize| Change {
            tunable: &tunable,
            from: 2,
            to,
            title: format!("{to}"),
            text: String::new(),
        };
        let open: Vec<Change<'_>> = [0, 1, 3, 4].map(change).to_vec();
        assert_eq!(
            best(&open, &[]).unwrap().to,
            1,
            "nothing known: a neighbour"
        );
        let up = [attempt("TILE 32 -> 64 in f", Kind::NotProven, 0.05)];
        let rest: Vec<Change<'_>> = [0, 1, 4].map(change).to_vec();
        assert_eq!(
            best(&rest, &up).unwrap().to,
            4,
            "further in the direction that helped"
        );
        let down = [attempt("TILE 32 -> 64 in f", Kind::Slower, -0.05)];
        assert_eq!(best(&rest, &down).unwrap().to, 1, "the other direction");
        assert!(best(&[], &down).is_none());
    }
}
