//! `outpace history import`: our own export, and the files of other tools.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr as _;

use anyhow::{Context as _, Result};
use outpace_import::{Format, Import, Imported, read_criterion_dir, read_text};
use outpace_record::{
    Attempt, BaselineCheck, Bisection, Blessing, Change, Document, Failure, ImportedFigure, Run,
    Test, TestResult, Timestamp, Verdict, ended_at,
};
use outpace_repo::Repo;
use outpace_text::counted;

use crate::exit::{usage, whole};
use crate::options::Options;
use crate::setup::now;
use crate::ui::Terminal;

/// Records that are appended in one commit.
const BATCH: usize = 500;

/// What is read.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// File, or criterion's directory (target/criterion).
    path: PathBuf,
    /// Format of the file. Default: as it looks.
    #[arg(long, value_name = "TOOL", value_parser = format)]
    format: Option<Format>,
    /// The commit that was measured, where the file does not say.
    #[arg(long, value_name = "REV")]
    commit: Option<String>,
    /// Day or moment of the measurement, where the file does not say (2026-05-19T08:30:00Z).
    #[arg(long, value_name = "TIME", value_parser = moment)]
    when: Option<Timestamp>,
}

fn format(text: &str) -> Result<Format, String> {
    Format::from_str(text).map_err(|error| error.to_string())
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let text = match Timestamp::is_day(text) {
        true => format!("{text}T00:00:00Z"),
        false => text.to_owned(),
    };
    serde_json::from_value(text.into())
        .map_err(|_| "a day like 2026-05-19, or a moment like 2026-05-19T08:30:00Z".to_owned())
}

/// A record that is ready to be appended.
struct Ready {
    kind: &'static str,
    date: String,
    json: String,
}

pub(super) fn run(options: &Options, repo: &Repo, args: &Args) -> Result<()> {
    let mut ui = Terminal::new(options);
    let (what, ready) = read(repo, args, &mut ui)?;
    let before = repo.history().list()?.len();
    for batch in ready.chunks(BATCH) {
        let records: Vec<(&str, &str, &str)> = batch
            .iter()
            .map(|ready| (ready.kind, &*ready.date, &*ready.json))
            .collect();
        repo.history().append(&records)?;
    }
    let fresh = repo.history().list()?.len().saturating_sub(before);
    let n = counted(ready.len(), "record");
    ui.say("imported", &format!("{n} of {what}, {fresh} of them new"));
    Ok(())
}

fn read(repo: &Repo, args: &Args, ui: &mut Terminal) -> Result<(String, Vec<Ready>)> {
    let name = args.path.display().to_string();
    let import = if args.path.is_dir() {
        read_criterion_dir(&args.path)
    } else {
        let text = std::fs::read_to_string(&args.path)
            .map_err(|error| usage(format!("cannot read {name}: {error}")))?;
        if args.format.is_none() && is_export(&text) {
            return Ok(("an export of outpace".into(), export(&text, &name)?));
        }
        read_text(&text, args.format)
    };
    let import = import.map_err(|error| usage(format!("{name}: {error}")))?;
    for skipped in &import.skipped {
        ui.warn(&format!("{}: left out: {}", skipped.series, skipped.reason));
    }
    Ok((import.format.to_string(), figures(repo, args, &import)?))
}

/// Whether the first line is one of our documents.
fn is_export(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    schema_of(first).is_some_and(|schema| schema.starts_with("outpace."))
}

fn schema_of(line: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(value.get("schema")?.as_str()?.to_owned())
}

/// Each record as it was stored, so that it has its old id again.
fn export(text: &str, name: &str) -> Result<Vec<Ready>> {
    let mut all = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let number = index + 1;
        let ready = record(line).with_context(|| format!("{name}, line {number}"));
        all.push(ready.map_err(|error| usage(whole(&error)))?);
    }
    Ok(all)
}

/// A figure of another tool: a time or a rate, and neither is below 0.
fn own_figure(line: &str) -> Result<String> {
    let figure = ImportedFigure::from_json(line)?;
    let value = figure.value;
    anyhow::ensure!(value >= 0.0, "`value` is {value}, must be at least 0");
    Ok(figure.to_json())
}

fn record(line: &str) -> Result<Ready> {
    let schema = schema_of(line).context("not a JSON object with a `schema`")?;
    let (kind, json) = match schema.rsplit_once('/').map_or(&*schema, |(kind, _)| kind) {
        "outpace.run" => ("run", again::<Run>(line)?),
        "outpace.verdict" => ("verdict", again::<Verdict>(line)?),
        "outpace.attempt" => ("attempt", again::<Attempt>(line)?),
        "outpace.failure" => ("failure", again::<Failure>(line)?),
        "outpace.change" => ("change", again::<Change>(line)?),
        "outpace.bisection" => ("bisection", again::<Bisection>(line)?),
        "outpace.blessing" => ("blessing", again::<Blessing>(line)?),
        "outpace.imported" => ("imported", own_figure(line)?),
        "outpace.test" => ("test", again::<Test>(line)?),
        "outpace.test-result" => ("test-result", again::<TestResult>(line)?),
        "outpace.baseline-check" => ("baseline-check", again::<BaselineCheck>(line)?),
        other => anyhow::bail!("`{other}` is no record of a history"),
    };
    let date = ended_at(&json)
        .context("the record does not say when it ended")?
        .date();
    Ok(Ready { kind, date, json })
}

fn again<T: Document>(line: &str) -> Result<String> {
    Ok(T::from_json(line)?.to_json())
}

fn figures(repo: &Repo, args: &Args, import: &Import) -> Result<Vec<Ready>> {
    let given = args.commit.as_deref().map(|rev| repo.resolve(rev));
    let given = given.transpose()?;
    // A name that occurs twice for one commit and moment would be one figure with two values.
    let mut seen: BTreeMap<(String, Option<String>), usize> = BTreeMap::new();
    let mut all = Vec::new();
    for result in &import.results {
        let mut figure = figure(result, args.when);
        if let (None, Some(commit)) = (&figure.commit, &given) {
            figure.commit = Some(commit.id.clone());
            figure.summary = outpace_text::plain(&commit.summary, 120);
            figure.committed = Some(Timestamp::from_unix_seconds(commit.time_unix));
        }
        let key = (figure.series.clone(), figure.commit.clone());
        let n = seen.entry(key).or_default();
        *n += 1;
        if *n > 1 {
            figure.series = format!("{} ({n})", figure.series);
        }
        all.push(Ready {
            kind: "imported",
            date: figure.finished.date(),
            json: figure.to_json(),
        });
    }
    Ok(all)
}

fn figure(result: &Imported, when: Option<Timestamp>) -> ImportedFigure {
    let commit = result.commit.as_ref();
    let committed = commit.and_then(|commit| commit.when);
    ImportedFigure {
        schema: ImportedFigure::SCHEMA.into(),
        tool: result.format.to_string(),
        series: result.series.clone(),
        machine: result.machine.clone().unwrap_or_default(),
        value: result.value.estimate,
        sd: result.value.sd,
        n_samples: result.value.samples.len(),
        unit: result.value.unit.clone(),
        smaller_is_better: result.value.smaller_is_better,
        commit: commit.map(|commit| commit.id.clone()),
        summary: commit
            .and_then(|commit| commit.summary.clone())
            .unwrap_or_default(),
        committed,
        finished: result.when.or(when).or(committed).unwrap_or_else(now),
    }
}
