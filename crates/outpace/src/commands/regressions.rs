//! `outpace regressions`: where the series of a branch changed, and which slowdowns are proven.

use anyhow::Result;
use outpace_gate::{Harness, machine_of};
use outpace_record::{Blessing, Change, Config, Document, FoundChange, Regressions, Timestamp};
use outpace_repo::{Commit, Repo};
use outpace_report::format::gain;
use outpace_text::{counted, plain, short};
use outpace_track::{Finding, MIN_CHANGE, Series, Standing};

use crate::commands::bisect;
use crate::exit::{OK, SLOWER, usage};
use crate::options::{Measuring, Options};
use crate::setup::{VERSION, config_for, context, lock, now, open_repo};
use crate::tracking::{self, Known, prove};
use crate::ui::Terminal;

/// Find where the history became slower, and prove it with fresh trials.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  outpace regressions
  outpace regressions --since v1.2 --bisect
  outpace regressions --bless 4d2e7aa --reason 'more accurate'

A change is found in the ratios that `outpace bench` recorded, and then proven: a fresh trial of the
commit before against the commit after, at a share of one error budget for all series and nights
(5 % in all). It is an alarm when the trial says slower by at least 1 % and two later commits show
it too.

Exit codes: 0 no regression, 3 a regression that nobody has accepted, 2 usage, 5 environment,
130 interrupted.")]
pub(crate) struct Args {
    /// The branch: its first parents are the series.
    #[arg(long, default_value = "HEAD", value_name = "REV")]
    branch: String,
    /// Only changes after this revision, or after this day (2026-05-19).
    #[arg(long, value_name = "REV|DATE")]
    since: Option<String>,
    /// Measure nothing: show what is known.
    #[arg(long)]
    known: bool,
    /// Name the commit of each proven slowdown that lies between several.
    #[arg(long, conflicts_with = "known")]
    bisect: bool,
    /// Accept the change that this commit made.
    #[arg(long, value_name = "COMMIT", conflicts_with_all = ["unbless", "bisect"])]
    bless: Option<String>,
    /// Take that back.
    #[arg(long, value_name = "COMMIT", conflicts_with = "bisect")]
    unbless: Option<String>,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Use this outpace.toml (a file, or that of a revision). Default: that of the branch.
    #[arg(long, value_name = "REV|FILE")]
    config: Option<String>,
    #[command(flatten)]
    measuring: Measuring,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let repo = open_repo(options)?;
    let mut ui = Terminal::new(options).for_json(args.measuring.json);
    for (commit, accepted) in [(&args.bless, true), (&args.unbless, false)] {
        if let Some(commit) = commit {
            return bless(&repo, args, commit, accepted, &mut ui);
        }
    }
    let tip = repo.resolve(&args.branch)?;
    let mut known = Known::of(&repo, &args.branch)?;
    if !args.known && needs_trials(&known, args) {
        let config = config_for(&repo, args.config.as_deref(), &tip)?;
        measure(options, &repo, args, &config, &mut known, &mut ui)?;
    }
    let since = args.since.as_deref().map(|text| Since::of(&repo, text));
    let list = list(&known, args, since.transpose()?.as_ref());
    ui.clear();
    if args.measuring.json {
        crate::out!("{}", serde_json::to_string(&list)?);
    } else {
        show(&known, &list, &mut ui);
    }
    Ok(if list.alarms > 0 { SLOWER } else { OK })
}

fn wanted<'k>(known: &'k Known, args: &'k Args) -> impl Iterator<Item = &'k Series> {
    let names = &args.measuring.workloads;
    let named = move |series: &&Series| names.is_empty() || names.contains(&series.workload);
    known.series.iter().filter(named)
}

fn needs_trials(known: &Known, args: &Args) -> bool {
    let mut all = wanted(known, args).flat_map(|series| known.findings(series, MIN_CHANGE));
    all.any(|finding| match finding.standing {
        Standing::Found => true,
        Standing::Regression => args.bisect,
        _ => false,
    })
}

/// The fresh trials, on this machine's series; then the bisections.
fn measure(
    options: &Options,
    repo: &Repo,
    args: &Args,
    config: &Config,
    known: &mut Known,
    ui: &mut Terminal,
) -> Result<()> {
    let class = machine_of(config).class();
    let context = context(options)?;
    let _lock = lock(repo, &context, ui)?;
    let mut harness = Harness::new(repo, config, &context, VERSION);
    let is_here =
        |s: &&Series| s.machine_class == class && config.workload.contains_key(&s.workload);
    let here: Vec<Series> = wanted(known, args).filter(is_here).cloned().collect();
    for series in &here {
        for finding in known.findings(series, MIN_CHANGE) {
            if finding.standing == Standing::Found {
                say_trial(series, &finding, ui);
                let change = prove(&mut harness, repo, series, &finding, &known.changes, ui)?;
                known.changes.push(change);
            }
        }
    }
    if !args.bisect {
        return Ok(());
    }
    for series in &here {
        for finding in known.findings(series, MIN_CHANGE) {
            let between = known.between(series, &finding).to_vec();
            let open = known.named(&series.workload, &between).is_none() && between.len() > 1;
            if finding.standing != Standing::Regression || !open {
                continue;
            }
            let good = repo.resolve(&series.points[finding.before].commit)?;
            let commits: Vec<Commit> = [vec![good], between].concat();
            let seed = args.measuring.seed();
            let alpha = config.gate.alpha;
            let search = bisect::Search::new(&series.workload, &commits, alpha, seed);
            let found = search.run(&mut harness, repo, ui)?;
            known.bisections.push(found);
        }
    }
    Ok(())
}

fn say_trial(series: &Series, finding: &Finding, ui: &mut Terminal) {
    let point = |index: usize| &series.points[index];
    let (before, after) = (point(finding.before), point(finding.after));
    ui.say(
        "proving",
        &format!(
            "{}: {} between {} and {}   {}",
            series.workload,
            gain(finding.change.exp_m1()),
            short(&before.commit),
            short(&after.commit),
            plain(&after.summary, 60)
        ),
    );
}

/// A moment of the history.
enum Since {
    Commit(String),
    Day(String),
}

impl Since {
    fn of(repo: &Repo, text: &str) -> Result<Self> {
        if let Ok(commit) = repo.resolve(text) {
            return Ok(Self::Commit(commit.id));
        }
        match Timestamp::is_day(text) {
            true => Ok(Self::Day(text.to_owned())),
            false => Err(usage(format!(
                "--since {text}: neither a revision nor a day like 2026-05-19"
            ))),
        }
    }

    fn holds(&self, known: &Known, after: &outpace_track::Point) -> bool {
        match self {
            Self::Day(day) => after.committed.is_none_or(|at| at.date() >= *day),
            Self::Commit(id) => match (known.order.get(id), known.order.get(&after.commit)) {
                (Some(since), Some(at)) => at > since,
                _ => true,
            },
        }
    }
}

fn list(known: &Known, args: &Args, since: Option<&Since>) -> Regressions {
    let mut changes = Vec::new();
    let mut alarms = 0;
    for series in wanted(known, args) {
        for finding in known.findings(series, MIN_CHANGE) {
            let after = &series.points[finding.after];
            if since.is_some_and(|since| !since.holds(known, after)) {
                continue;
            }
            if finding.standing == Standing::Regression {
                alarms += 1;
            }
            changes.push(found(known, series, &finding));
        }
    }
    Regressions {
        schema: Regressions::SCHEMA.into(),
        alarms,
        changes,
    }
}

fn found(known: &Known, series: &Series, finding: &Finding) -> FoundChange {
    let (before, after) = (
        &series.points[finding.before],
        &series.points[finding.after],
    );
    let between = known.between(series, finding);
    let proof: Option<&Change> = finding.proof.as_ref();
    FoundChange {
        workload: series.workload.clone(),
        machine_class: series.machine_class.clone(),
        before: before.commit.clone(),
        after: after.commit.clone(),
        n_commits: between.len(),
        summary: plain(&after.summary, 120),
        found: finding.change.exp_m1(),
        standing: finding.standing.as_str().to_owned(),
        speedup: proof.and_then(|proof| proof.speedup),
        at_most: proof.and_then(|proof| proof.at_most),
        named: match between {
            [one] => Some(one.id.clone()),
            several => known.named(&series.workload, several),
        },
    }
}

fn show(known: &Known, list: &Regressions, ui: &mut Terminal) {
    let n: usize = known.series.iter().map(|series| series.points.len()).sum();
    if known.series.is_empty() {
        ui.say(
            "history",
            "no series yet. Hint: `outpace bench A..B` measures commits",
        );
    }
    for change in &list.changes {
        ui.result(&line(change));
        if let Some(next) = next_step(change) {
            ui.say("", &next);
        }
    }
    let series = match known.series.len() {
        1 => "1 series".to_owned(),
        n => format!("{n} series"),
    };
    ui.say(
        "done",
        &format!(
            "{} in {series}: {}, {}",
            counted(n, "point"),
            counted(list.changes.len(), "change"),
            counted(list.alarms, "regression")
        ),
    );
}

fn line(change: &FoundChange) -> String {
    let proven = match (change.speedup, change.at_most) {
        (Some(speedup), Some(at_most)) if change.found < 0.0 => {
            format!(
                "{} measured again (at most {})",
                gain(speedup),
                gain(at_most)
            )
        }
        (Some(speedup), None) => format!("{} measured again", gain(speedup)),
        _ => format!("{} by the series", gain(change.found)),
    };
    let place = match &change.named {
        Some(commit) => format!("at {}", short(commit)),
        None => format!(
            "somewhere between {} and {} ({} commits)",
            short(&change.before),
            short(&change.after),
            change.n_commits
        ),
    };
    let standing = match change.standing.as_str() {
        "regression" => "REGRESSION",
        other => other,
    };
    let what = plain(&change.summary, 48);
    format!(
        "{:<10} {standing:<14} {proven}   {place}   {what}",
        change.workload
    )
}

/// What to do about a change; nothing where nothing is to be done.
fn next_step(change: &FoundChange) -> Option<String> {
    let (before, after) = (short(&change.before), short(&change.after));
    match (change.standing.as_str(), &change.named) {
        ("regression", None) => Some(format!(
            "`outpace bisect {before} {after}` names the commit"
        )),
        ("regression", Some(commit)) => {
            let id = short(commit);
            Some(format!("`outpace regressions --bless {id}` accepts it"))
        }
        ("unconfirmed", _) => Some("an alarm as soon as two later commits show it".into()),
        ("found", _) => Some(format!("to be proven on {}", change.machine_class)),
        _ => None,
    }
}

fn bless(repo: &Repo, args: &Args, commit: &str, accepted: bool, ui: &mut Terminal) -> Result<u8> {
    let commit = repo.resolve(commit)?;
    let workloads: Vec<Option<String>> = match args.measuring.workloads.as_slice() {
        [] => vec![None],
        names => names.iter().cloned().map(Some).collect(),
    };
    let before = tracking::all::<Blessing>(repo, "blessing")?.len();
    for workload in workloads {
        let blessing = Blessing {
            schema: Blessing::SCHEMA.into(),
            commit: commit.id.clone(),
            workload,
            accepted,
            number: before + 1,
            reason: plain(&args.reason, 400),
            by: plain(&repo.author_name(), 120),
            finished: now(),
        };
        repo.history()
            .add("blessing", &blessing, blessing.finished)?;
        if args.measuring.json {
            crate::out!("{}", serde_json::to_string(&blessing)?);
        }
    }
    let word = if accepted {
        "accepted"
    } else {
        "not accepted any more"
    };
    ui.say(
        word,
        &format!("{}   {}", short(&commit.id), plain(&commit.summary, 80)),
    );
    Ok(OK)
}
