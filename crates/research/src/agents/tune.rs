//! The agent that needs no model: it searches the values that `outpace.toml` declares and learns
//! from the verdicts.
//!
//! First one change at a time, from the value that stands to another: values that were never tried
//! near a good verdict come first, a direction that proved slower is left. Then what seemed to help
//! but could not be proven alone is tried together. No change is proposed twice, and none goes back
//! to a value that a merge left. It keeps no state of its own: what it knows it reads from the
//! campaign's attempts, so that a resumed campaign goes on as if nothing had happened.

mod change;

use std::collections::BTreeSet;

use outpace_record::{Attempt, Config, Kind, Observer};
use outpace_repo::Repo;

use crate::attempts::may_be_proposed_again;
use outpace_gate::{GateError, refused_by_policy};

use super::agent::{Agent, AgentContext, Proposal};
use change::{Change, apply, around, changes};

/// What an untried value is worth before anything is known of its neighbours.
const CURIOSITY: f64 = 0.02;
/// How much of a neighbour's gain is expected one value further away.
const CARRY: f64 = 0.8;
/// How often steps of a range are halved, from none on, when all were tried.
const FINENESS: u32 = 3;
/// A refused value (wrong results, no build) says so much about its neighbours.
const REFUSED: f64 = -0.01;

/// The `tune` agent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tune;

impl Agent for Tune {
    fn name(&self) -> &str {
        "tune"
    }

    fn may_fail_in_a_row(&self) -> bool {
        true
    }

    fn check(&self, repo: &Repo, tree: &str, config: &Config) -> Result<(), GateError> {
        if config.tunable.is_empty() {
            return Err(GateError::Usage(
                "outpace.toml declares no [[tunable]]. Hint: declare values that may be tried, or name another agent".into(),
            ));
        }
        for tunable in &config.tunable {
            let tunable = around(repo, tree, tunable, 0)?;
            if let Some(change) = changes(repo, tree, &tunable)?.first() {
                allowed(repo, tree, &apply(repo, tree, &[change])?, config)?;
            }
        }
        Ok(())
    }

    fn propose(
        &mut self,
        context: &AgentContext<'_>,
        _observer: &mut dyn Observer,
    ) -> Result<Proposal, GateError> {
        for fineness in 0..FINENESS {
            if let Some(proposal) = propose_at(context, fineness)? {
                return Ok(proposal);
            }
        }
        Ok(Proposal::Exhausted {
            reason: "every declared value was tried".into(),
        })
    }
}

/// The next proposal while ranges have steps of one size.
fn propose_at(context: &AgentContext<'_>, fineness: u32) -> Result<Option<Proposal>, GateError> {
    let (repo, base) = (context.repo, &context.base.tree);
    let tunables = context.config.tunable.iter();
    let tunables = tunables.filter(|tunable| tunable.is_for(context.workloads));
    let tunables = tunables.map(|tunable| around(repo, base, tunable, fineness));
    let tunables = tunables.collect::<Result<Vec<_>, _>>()?;
    let mut all = Vec::new();
    for tunable in &tunables {
        all.extend(changes(repo, base, tunable)?);
    }
    let Some(chosen) = choose(&all, context.attempts) else {
        return Ok(None);
    };
    let tree = apply(repo, base, &chosen)?;
    allowed(repo, base, &tree, context.config)?;
    let title = title(&chosen);
    Ok(Some(Proposal::Tree { tree, title }))
}

fn allowed(repo: &Repo, base: &str, tree: &str, config: &Config) -> Result<(), GateError> {
    match refused_by_policy(repo, &config.policy, base, tree)? {
        None => Ok(()),
        Some(violation) => Err(GateError::Usage(format!(
            "outpace.toml declares a tunable that no patch may change: {violation}"
        ))),
    }
}

/// What to try next: a single change while there is one, then combinations.
fn choose<'c, 'a>(all: &'c [Change<'a>], attempts: &[Attempt]) -> Option<Vec<&'c Change<'a>>> {
    let tried: BTreeSet<&str> = attempts
        .iter()
        .filter(|a| !may_be_proposed_again(a))
        .map(|a| a.title.as_str())
        .collect();
    let merged: Vec<&str> = attempts
        .iter()
        .filter(|a| a.merged.is_some())
        .map(|a| a.title.as_str())
        .collect();
    let open: Vec<&Change<'_>> = all
        .iter()
        .filter(|change| !tried.contains(change.title().as_str()))
        // What a merge left behind was proven worse: no way goes back there.
        .filter(|change| !merged.iter().any(|title| change.undoes(title)))
        .collect();
    if let Some(single) = best(&open, attempts) {
        return Some(vec![single]);
    }
    combinations(all, attempts)
        .into_iter()
        .find(|chosen| !tried.contains(title(chosen).as_str()))
}

fn title(chosen: &[&Change<'_>]) -> String {
    match chosen {
        [single] => single.title(),
        many => format!(
            "together: {}",
            many.iter()
                .map(|c| c.short())
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

/// The most promising change; of equals the nearest to the value that stands, then the first
/// declared.
fn best<'c, 'a>(open: &[&'c Change<'a>], attempts: &[Attempt]) -> Option<&'c Change<'a>> {
    let rank = |change: &Change<'_>| (promise(change, attempts), -(change.distance() as f64));
    let better = |a: (f64, f64), b: (f64, f64)| {
        b.0 > a.0 + 1e-9 || ((b.0 - a.0).abs() <= 1e-9 && b.1 > a.1 + 1e-9)
    };
    open.iter().copied().reduce(|best, next| {
        if better(rank(best), rank(next)) {
            next
        } else {
            best
        }
    })
}

/// Of each tunable the value that seemed best, if it seemed better than the one that stands: all of
/// them together, then two at a time, the most promising first.
fn combinations<'c, 'a>(all: &'c [Change<'a>], attempts: &[Attempt]) -> Vec<Vec<&'c Change<'a>>> {
    let mut helped: Vec<(&Change<'_>, f64)> = Vec::new();
    for change in all {
        let Some((_, gain)) = known(change, attempts)
            .into_iter()
            .find(|(to, gain)| *to == change.to && *gain > 0.0)
        else {
            continue;
        };
        match helped
            .iter_mut()
            .find(|(other, _)| other.same_tunable(change))
        {
            Some(best) if best.1 < gain => *best = (change, gain),
            Some(_) => {}
            None => helped.push((change, gain)),
        }
    }
    helped.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut pairs: Vec<(Vec<&Change<'_>>, f64)> = Vec::new();
    for (i, a) in helped.iter().enumerate() {
        pairs.extend(helped[i + 1..].iter().map(|b| (vec![a.0, b.0], a.1 + b.1)));
    }
    pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
    let together: Vec<&Change<'_>> = helped.iter().map(|(change, _)| *change).collect();
    let all_at_once = (together.len() > 2).then_some(together);
    all_at_once
        .into_iter()
        .chain(pairs.into_iter().map(|(pair, _)| pair))
        .collect()
}

/// Expected gain: that of the nearest tried value on the way, weakened by distance.
fn promise(change: &Change<'_>, attempts: &[Attempt]) -> f64 {
    let same_way = |to: usize| (to > change.from) == (change.to > change.from);
    let tried = known(change, attempts)
        .into_iter()
        .filter(|(to, _)| same_way(*to));
    let carried = |steps: usize| CARRY.powi(i32::try_from(steps).unwrap_or(i32::MAX));
    match tried.min_by_key(|(to, _)| to.abs_diff(change.to)) {
        // What got slower on the way gets slower still; what got faster may go on for a while.
        Some((to, gain)) if gain < 0.0 => gain * to.abs_diff(change.to).max(1) as f64,
        Some((to, gain)) => gain * carried(to.abs_diff(change.to)),
        None => CURIOSITY * carried(change.distance().saturating_sub(1)),
    }
}

/// Values of the same tunable that were tried from the value that stands, with their gains.
fn known(change: &Change<'_>, attempts: &[Attempt]) -> Vec<(usize, f64)> {
    attempts
        .iter()
        .filter_map(|attempt| Some((change.sibling(&attempt.title)?, gain(attempt))))
        .collect()
}

fn gain(attempt: &Attempt) -> f64 {
    match attempt.verdict {
        Kind::Rejected => REFUSED,
        _ => attempt
            .decisive_verdict()
            .and_then(|v| v.speedup.or_else(|| v.screened()))
            .unwrap_or(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::agent::tests::verdict;
    use outpace_record::{Timestamp, Tunable};

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

    fn tunable(name: &str) -> Tunable {
        let values = serde_json::from_str("[8, 16, 32, 64, 128]").unwrap();
        Tunable {
            file: "f".into(),
            key: None,
            constant: Some(name.into()),
            values,
            from: None,
            to: None,
            log: false,
            workloads: Vec::new(),
        }
    }

    #[test]
    fn a_campaign_tries_what_its_workloads_read() {
        let of = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let (cpu, gpu) = (of(&["cpu"]), of(&["gpu", "other"]));
        let mut tunable = tunable("TILE");
        assert!(tunable.is_for(&cpu) && tunable.is_for(&gpu));
        tunable.workloads = of(&["gpu"]);
        assert!(!tunable.is_for(&cpu) && tunable.is_for(&gpu));
    }

    fn next(all: &[Change<'_>], attempts: &[Attempt]) -> Option<String> {
        choose(all, attempts).map(|chosen| title(&chosen))
    }

    #[test]
    fn it_follows_what_helped_and_leaves_what_hurt() {
        let tunable = tunable("TILE");
        let all: Vec<Change<'_>> = [0, 1, 3, 4]
            .map(|to| Change {
                tunable: &tunable,
                from: 2,
                to,
            })
            .to_vec();
        let check =
            |attempts: &[Attempt], expect: &str| assert_eq!(next(&all, attempts).unwrap(), expect);
        check(&[], "TILE 32 -> 16 in f");
        check(
            &[attempt("TILE 32 -> 64 in f", Kind::NotProven, 0.05)],
            "TILE 32 -> 128 in f",
        );
        check(
            &[attempt("TILE 32 -> 64 in f", Kind::Slower, -0.05)],
            "TILE 32 -> 16 in f",
        );
    }

    #[test]
    fn what_was_merged_is_not_taken_back() {
        let tunable = tunable("TILE");
        let back = [Change {
            tunable: &tunable,
            from: 4,
            to: 2,
        }];
        let check = |merged: &str, expect: Option<&str>| {
            let mut won = attempt(merged, Kind::Faster, 0.05);
            won.merged = Some("c0ffee".into());
            assert_eq!(next(&back, &[won]).as_deref(), expect, "{merged}");
        };
        check("TILE 32 -> 128 in f", None);
        check("together: OTHER 1 -> 2, TILE 32 -> 128", None);
        // It went on from there: the first value is as far behind as the second.
        check("TILE 32 -> 64 in f", None);
        let still = Some("TILE 128 -> 32 in f");
        check("TILE 64 -> 128 in f", still);
        check("together: MY TILE 32 -> 128, OTHER 1 -> 2", still);
        check("TILE 32 -> 128 in g", still);
    }

    #[test]
    fn what_seemed_to_help_is_tried_together_and_nothing_twice() {
        let (a, b, c) = (tunable("A"), tunable("B"), tunable("C"));
        let all: Vec<Change<'_>> = [&a, &b, &c]
            .map(|tunable| Change {
                tunable,
                from: 2,
                to: 3,
            })
            .to_vec();
        let mut attempts = vec![
            attempt("A 32 -> 64 in f", Kind::NotProven, 0.003),
            attempt("B 32 -> 64 in f", Kind::NotProven, 0.004),
            attempt("C 32 -> 64 in f", Kind::NotProven, 0.001),
        ];
        let expected = [
            "together: B 32 -> 64, A 32 -> 64, C 32 -> 64",
            "together: B 32 -> 64, A 32 -> 64",
            "together: B 32 -> 64, C 32 -> 64",
            "together: A 32 -> 64, C 32 -> 64",
        ];
        for title in expected {
            assert_eq!(next(&all, &attempts).as_deref(), Some(title));
            attempts.push(attempt(title, Kind::NotProven, 0.0));
        }
        assert_eq!(next(&all, &attempts), None);
    }
}
