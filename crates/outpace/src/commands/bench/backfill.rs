//! The commits of a range, one after another, each on all workloads: what was built for one is
//! there for the next. Each result is in the history before the next begins.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use anyhow::Result;
use outpace_gate::{Beside, Harness, Unmeasured};
use outpace_record::{Block, Document, Event, Failure, Observer as _, Run, Stage, Timestamp};
use outpace_repo::{Commit, Repo};
use outpace_text::{plain, short};
use outpace_track::{Point, Selection, Series, series_of};

use super::anchor::Anchor;
use super::run;
use super::tally::Tally;
use crate::exit::environment;
use crate::options::fresh_seed;
use crate::setup::{VERSION, now};
use crate::tracking;
use crate::ui::Terminal;

/// How each commit is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks {
    pub(super) n: usize,
    pub(super) alpha: f64,
    /// Of a range, an artefact that was measured already is not timed again, and a commit that
    /// fails is passed over.
    pub(super) range: bool,
    /// The seed that the user gave.
    pub(super) seed: Option<u64>,
}

/// A workload with its series and what is left to be measured.
struct Track {
    workload: String,
    series: Option<Series>,
    anchor: Option<Anchor>,
    /// Commits that are to be measured.
    open: HashSet<String>,
}

/// A backfill at work.
pub(super) struct Backfill<'a> {
    repo: &'a Repo,
    harness: Harness<'a>,
    blocks: Blocks,
    wanted_anchor: Option<Commit>,
    /// What the history has of all workloads, read once.
    points: Vec<Point>,
    failures: Vec<Failure>,
    tracks: Vec<Track>,
    pub(super) tally: Tally,
}

type Shown<'s> = &'s mut dyn FnMut(&Run, &mut Terminal) -> Result<()>;

impl<'a> Backfill<'a> {
    pub(super) fn new(
        repo: &'a Repo,
        harness: Harness<'a>,
        blocks: Blocks,
        wanted_anchor: Option<Commit>,
    ) -> Result<Self> {
        Ok(Self {
            points: tracking::points(repo)?,
            failures: tracking::all(repo, "failure")?,
            repo,
            harness,
            blocks,
            wanted_anchor,
            tracks: Vec::new(),
            tally: Tally::default(),
        })
    }

    /// Plans a workload: its series goes on, or a new one begins.
    pub(super) fn begin(
        &mut self,
        workload: &str,
        commits: &[Commit],
        selection: &Selection,
        skip: bool,
        ui: &mut Terminal,
    ) -> Result<()> {
        let class = self.harness.machine.class();
        let of_workload = |p: &&Point| p.workload == workload;
        let other: Vec<&Point> = self.points.iter().filter(of_workload).collect();
        let own: Vec<Point> = other
            .iter()
            .filter(|point| point.machine_class == class)
            .map(|point| (*point).clone())
            .collect();
        let known = (!own.is_empty()).then(|| series_of(own, None));
        let series = self.series(known.unwrap_or_default());
        let anchor = self.anchor(series.as_ref());
        let (mut done, mut failed) = (HashSet::new(), HashSet::new());
        if let (Some(series), true) = (&series, skip) {
            done.extend(series.points.iter().map(|point| point.commit.clone()));
            let own = |f: &&Failure| f.workload == workload && f.machine_class == class;
            failed.extend(self.failures.iter().filter(own).map(|f| f.commit.clone()));
        }
        let ids: Vec<String> = commits.iter().map(|commit| commit.id.clone()).collect();
        let todo = selection.todo(&ids, &done, &failed);
        self.tally.done_before += todo.done;
        self.tally.failed_before += todo.failed;
        say_series(workload, &class, anchor.as_ref(), &other, ui);
        self.tracks.push(Track {
            workload: workload.to_owned(),
            series,
            anchor,
            open: todo.measure.into_iter().map(|i| ids[i].clone()).collect(),
        });
        Ok(())
    }

    /// The series that goes on: the one that was measured last, or that of the anchor that was
    /// asked for.
    fn series(&self, mut known: Vec<Series>) -> Option<Series> {
        known.sort_by_key(|series| series.points.iter().map(|point| point.measured).max());
        match &self.wanted_anchor {
            None => known.pop(),
            Some(anchor) => {
                let has = |series: &Series| series.points.iter().any(|p| p.commit == anchor.id);
                known.into_iter().rev().find(has)
            }
        }
    }

    fn anchor(&self, series: Option<&Series>) -> Option<Anchor> {
        match (&self.wanted_anchor, series) {
            (Some(commit), Some(series)) => Anchor::at(commit.clone(), series),
            (Some(commit), None) => Some(Anchor::first(commit.clone())),
            (None, Some(series)) => Anchor::latest(self.repo, series),
            (None, None) => None,
        }
    }

    /// Measures what is open, oldest commit first.
    pub(super) fn run(
        &mut self,
        commits: &[Commit],
        shown: Shown<'_>,
        ui: &mut Terminal,
    ) -> Result<()> {
        let of: usize = self.tracks.iter().map(|track| track.open.len()).sum();
        let begin = Instant::now();
        let mut number = 0;
        for commit in commits {
            for index in 0..self.tracks.len() {
                if !self.tracks[index].open.contains(&commit.id) {
                    continue;
                }
                number += 1;
                let spent = begin.elapsed().as_secs_f64();
                let left = spent / (number - 1).max(1) as f64 * (of - number + 1) as f64;
                ui.on(&Event::CommitStarted {
                    workload: self.tracks[index].workload.clone(),
                    commit: commit.id.clone(),
                    summary: plain(&commit.summary, 120),
                    number,
                    of,
                    left_s: (number > 1).then_some(left),
                });
                self.one(index, commit, shown, ui)?;
            }
        }
        Ok(())
    }

    fn one(
        &mut self,
        index: usize,
        commit: &Commit,
        shown: Shown<'_>,
        ui: &mut Terminal,
    ) -> Result<()> {
        let workload = self.tracks[index].workload.clone();
        let ended = |measured, result: String| Event::CommitEnded {
            workload: workload.clone(),
            commit: commit.id.clone(),
            result,
            measured,
        };
        match self.measure(index, commit, ui)? {
            Ok(run) => {
                let id = self.repo.history().add("run", &run, run.finished)?;
                ui.clear();
                shown(&run, ui)?;
                ui.on(&ended(true, super::show::ratio(&run)));
                match run.beside.as_ref().is_some_and(|b| b.same_as.is_some()) {
                    true => self.tally.copied += 1,
                    false => self.tally.measured += 1,
                }
                self.keep(index, &run, &id);
            }
            Err((stage, reason)) => {
                let failure = self.failure(&workload, commit, stage, &reason);
                self.repo
                    .history()
                    .add("failure", &failure, failure.finished)?;
                self.tally.failed += 1;
                let (id, stage) = (short(&commit.id), stage.as_str());
                if !self.blocks.range {
                    return Err(environment(format!("{workload}: {id} {stage}: {reason}")));
                }
                let line = reason.lines().next().unwrap_or_default();
                ui.on(&ended(false, format!("{workload}: {id} {stage}: {line}")));
            }
        }
        Ok(())
    }

    /// The new point belongs to the series from now on.
    fn keep(&mut self, index: usize, run: &Run, id: &str) {
        let Some(point) = Point::of(run, id) else {
            return;
        };
        let track = &mut self.tracks[index];
        let mut points = track
            .series
            .take()
            .map_or(Vec::new(), |series| series.points);
        points.push(point);
        track.series = series_of(points, None).into_iter().next();
    }

    /// The inner error is the commit's.
    fn measure(
        &mut self,
        index: usize,
        commit: &Commit,
        ui: &mut Terminal,
    ) -> Result<Result<Run, (Stage, String)>> {
        loop {
            let anchor = self.tracks[index].anchor.clone();
            let anchor = anchor.unwrap_or_else(|| Anchor::first(commit.clone()));
            let (started, seed) = (now(), self.blocks.seed.unwrap_or_else(fresh_seed));
            let (workload, known) = (self.tracks[index].workload.clone(), self.known(index));
            let wanted = self.blocks.n;
            let mut asked = Beside {
                workload: &workload,
                anchor: &anchor.commit,
                revision: commit,
                seed,
                known: &known.keys().cloned().collect::<Vec<_>>(),
                enough: &mut |blocks: &[Block]| blocks.len() >= wanted,
            };
            match self.harness.measure_beside(&mut asked, ui) {
                Ok(pairing) => {
                    let (empty, alpha) = (run::empty(&workload, &self.harness), self.blocks.alpha);
                    let run = match &pairing.measured {
                        Some(measured) => run::timed(empty, &anchor, measured, alpha),
                        None => run::copied(empty, &anchor, &known[&pairing.artefacts[1]], alpha),
                    };
                    self.tracks[index].anchor.get_or_insert(anchor);
                    return Ok(Ok(run::named(run, commit, pairing, seed, started)));
                }
                Err(Unmeasured::Revision { stage, reason }) => return Ok(Err((stage, reason))),
                Err(Unmeasured::Anchor { stage, reason }) => {
                    if self.tracks[index].anchor.is_none() {
                        return Ok(Err((stage, reason)));
                    }
                    self.next_anchor(index, &anchor, stage, &reason, ui)?;
                }
                Err(Unmeasured::Other(error)) => return Err(error.into()),
            }
        }
    }

    /// Another anchor takes the place of one that fails.
    fn next_anchor(
        &mut self,
        index: usize,
        anchor: &Anchor,
        stage: Stage,
        reason: &str,
        ui: &mut Terminal,
    ) -> Result<()> {
        let (id, stage) = (short(&anchor.commit.id), stage.as_str());
        let line = reason.lines().next().unwrap_or_default();
        let track = &mut self.tracks[index];
        let next = track
            .series
            .as_ref()
            .and_then(|s| anchor.after_failure(self.repo, s));
        let Some(next) = next else {
            return Err(environment(format!(
                "{}: the anchor {id} {stage}: {line}. Hint: name another one with --anchor REV; a \
                 new series begins there",
                track.workload
            )));
        };
        let now = next.describe();
        ui.warn(&format!(
            "the anchor {id} {stage} any more ({line}); measuring beside {now}"
        ));
        track.anchor = Some(next);
        Ok(())
    }

    /// Artefacts of the series that were timed, with their points.
    fn known(&self, index: usize) -> BTreeMap<String, Point> {
        let track = &self.tracks[index];
        let Some(series) = track.series.as_ref().filter(|_| self.blocks.range) else {
            return BTreeMap::new();
        };
        let timed = series.points.iter().filter(|point| point.same_as.is_none());
        timed
            .map(|point| (point.artefact.clone(), point.clone()))
            .collect()
    }

    fn failure(&self, workload: &str, commit: &Commit, stage: Stage, reason: &str) -> Failure {
        Failure {
            schema: Failure::SCHEMA.into(),
            workload: workload.to_owned(),
            commit: commit.id.clone(),
            summary: plain(&commit.summary, 120),
            committed: Some(Timestamp::from_unix_seconds(commit.time_unix)),
            machine_class: self.harness.machine.class(),
            stage,
            reason: reason.to_owned(),
            outpace_version: VERSION.into(),
            finished: now(),
        }
    }
}

/// Which series goes on, or that a new one begins and why.
fn say_series(
    workload: &str,
    class: &str,
    anchor: Option<&Anchor>,
    of_workload: &[&Point],
    ui: &mut Terminal,
) {
    let on = match anchor {
        Some(anchor) => format!("beside {}", anchor.describe()),
        None => "a new one, beside its first commit".to_owned(),
    };
    let others: HashSet<&str> = of_workload
        .iter()
        .map(|point| &*point.machine_class)
        .collect();
    let others: HashSet<&str> = others.into_iter().filter(|other| *other != class).collect();
    let mut text = format!("{workload} on {class}: {on}");
    if anchor.is_none() && !others.is_empty() {
        let mut others: Vec<&str> = others.into_iter().collect();
        others.sort_unstable();
        let known = others.join(", ");
        text = format!("{text}; the history knows {known}, which is another machine class");
    }
    ui.say("series", &text);
}
