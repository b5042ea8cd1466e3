//! `outpace gate`: policy, build, correctness, trial, and the merge if it is wanted and proven.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use outpace_gate::{
    GateError, GateOutcome, Harness, Judge, Landing, Next, land, machine_of, next_test,
};
use outpace_record::{Event, GateRequest, Kind, Observer, Verdict};
use outpace_repo::Repo;
use outpace_report::shell_word;
use outpace_text::short;

use crate::exit::{self, INTERRUPTED, environment, usage};
use crate::options::Options;
use crate::proposal::{Asked, Input, Source, ask, into_branch, source};
use crate::report_data;
use crate::setup::{VERSION, context, lock, open_repo, warn_of_changes, warn_of_few_blocks};
use crate::ui::Terminal;
use crate::verdicts::{print, record};

/// Judge a patch or revision: policy, build, correctness, trial; merge it if asked and proven.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  outpace gate --patch faster.patch --merge
  git diff | outpace gate -
  outpace gate my-branch --base main --json
  outpace gate HEAD --base origin/main --require not-slower --summary summary.md

Without REV or --patch it judges HEAD against its parent. Uncommitted changes are judged with
`git diff | outpace gate -`.

Exit codes: 0 faster (or not_slower, where that was required), 1 not_proven or same, 2 usage,
3 slower, 4 rejected, 5 environment, 130 interrupted.")]
pub(crate) struct Args {
    #[command(flatten)]
    input: Input,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let input = &args.input;
    input.check()?;
    let summary = input.summary.as_deref().map(summary_file).transpose()?;
    let repo = open_repo(options)?;
    let mut ui = Terminal::new(options).for_json(input.measuring.json);
    let into = into_branch(&repo, input)?;
    let source = source(input)?;
    if matches!(source, Source::Revision(_)) {
        warn_of_changes(&repo, &mut ui)?;
    }
    let context = context(options)?;
    let _lock = lock(&repo, &context, &mut ui)?;
    let asked = ask(&repo, input, source, into.as_deref())?;
    introduce(&asked, &mut ui);
    warn_of_other_classes(&repo, &asked, &mut ui);
    let request = asked.request;
    let mut harness = Harness::new(&repo, &asked.config, &context, VERSION);
    let judged = match asked.fault {
        Some(fault) => Judged::of(harness.refuse(&request, &fault)?),
        None => {
            warn_of_few_blocks(&request.rule, request.workloads.len(), &mut ui);
            let into = into.as_deref();
            let fdr = asked.config.gate.fdr;
            judge_and_land(&mut harness, &repo, request, into, fdr, &mut ui)
        }
    };
    print(input.measuring.json, &judged.verdicts, &mut ui)?;
    if let Some(file) = summary {
        summarize(&repo, file, &judged.verdicts, &mut ui);
    }
    conclude(&repo, judged, into.as_deref(), &mut ui)
}

/// What is judged against what.
fn introduce(asked: &Asked, ui: &mut Terminal) {
    ui.revision("base", &asked.base);
    for path in &asked.untracked {
        ui.warn(&format!(
            "{path} is untracked and not in this patch. Hint: `git add -N {path}`, if it belongs \
             to it"
        ));
    }
    ui.say(
        "candidate",
        &format!("{}   {}", asked.request.title, asked.size),
    );
}

/// Baselines of other machine classes say nothing of this one.
fn warn_of_other_classes(repo: &Repo, asked: &Asked, ui: &mut Terminal) {
    let class = machine_of(&asked.config).class();
    // One that cannot be read is named by the judge.
    let all = report_data::baselines(repo, &asked.base.tree).unwrap_or_default();
    for name in &asked.request.workloads {
        let of_workload = all.iter().filter(|baseline| baseline.workload == *name);
        let classes: Vec<&str> = of_workload.map(|b| &*b.machine_class).collect();
        if !classes.is_empty() && !classes.contains(&&*class) {
            let others = classes.join(", ");
            ui.say(
                "baseline",
                &format!("{name}: none for {class} (the repository has {others}): the loss budget starts anew"),
            );
        }
    }
}

/// Says what became of it, and gives the exit code.
fn conclude(repo: &Repo, judged: Judged, into: Option<&str>, ui: &mut Terminal) -> Result<u8> {
    if let (Some(commit), Some(into)) = (&judged.merged, into) {
        let id = short(commit);
        ui.say(
            "merged",
            &format!("{id}   into {into}, proof in baselines/proofs/"),
        );
        ui.say("to merge:", &to_merge(repo, commit, into)?);
    }
    match judged.error {
        None => Ok(exit::of_kind(judged.kind)),
        Some(error) if exit::code_of(&error) == INTERRUPTED && !judged.verdicts.is_empty() => {
            Ok(INTERRUPTED)
        }
        Some(error) => Err(error),
    }
}

/// Opens the file of `--summary` before anything is measured.
fn summary_file(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|error| usage(format!("cannot write {}: {error}", path.display())))
}

/// Appends the verdicts as Markdown: a job's summary may hold more than ours. The exit code is the
/// verdict's, whatever becomes of the file.
fn summarize(repo: &Repo, mut file: File, verdicts: &[Verdict], ui: &mut Terminal) {
    let data = report_data::of_verdicts(repo, verdicts.to_vec());
    if let Err(error) = file.write_all(outpace_report::markdown(&data).as_bytes()) {
        ui.warn(&format!("the summary is not written: {error}"));
    }
}

/// What came out of it, shown whatever follows.
struct Judged {
    kind: Kind,
    verdicts: Vec<Verdict>,
    merged: Option<String>,
    error: Option<anyhow::Error>,
}

impl Judged {
    fn of(outcome: GateOutcome) -> Self {
        Self {
            kind: outcome.kind,
            verdicts: outcome.verdicts,
            merged: None,
            error: None,
        }
    }

    fn failed(verdicts: Vec<Verdict>, error: anyhow::Error) -> Self {
        Self {
            error: Some(error),
            ..Self::of(GateOutcome::of(verdicts))
        }
    }
}

/// Judges a request; if it is proven and a merge is wanted, merges it, or judges it again because
/// the branch moved. A proven verdict is never lost, whatever becomes of the merge.
fn judge_and_land(
    judge: &mut dyn Judge,
    repo: &Repo,
    mut request: GateRequest,
    into: Option<&str>,
    fdr: f64,
    ui: &mut Terminal,
) -> Judged {
    for moves in 0.. {
        if let Some(into) = into
            && let Err(error) = take_index(repo, &mut request, into, fdr, ui)
        {
            return Judged::failed(Vec::new(), error.into());
        }
        let observer: &mut dyn Observer = ui;
        let outcome = match judge.judge(&request, observer) {
            Ok(outcome) => outcome,
            Err(error) => return ended(repo, error),
        };
        if let Err(error) = record(repo, &outcome.verdicts) {
            return Judged::failed(outcome.verdicts, error);
        }
        let Some(into) = into.filter(|_| outcome.kind == Kind::Faster) else {
            return Judged::of(outcome);
        };
        let (now, next) = match land(repo, &request, &outcome, into, moves) {
            Ok(Landing::Merged(commit)) => {
                return Judged {
                    merged: Some(commit),
                    ..Judged::of(outcome)
                };
            }
            Ok(Landing::Moved { now, next }) => (now, next),
            Err(error) => return Judged::failed(outcome.verdicts, error.into()),
        };
        observer.on(&Event::BranchMoved {
            branch: into.to_owned(),
            now: now.id,
        });
        match next {
            Next::Measure(again) => request = *again,
            next => {
                return Judged::failed(outcome.verdicts, not_merged(&next, into));
            }
        }
    }
    unreachable!("a patch is given up after some moves")
}

/// A merge is judged with a share of the error budget of its branch, which all gates and campaigns
/// use up together.
fn take_index(
    repo: &Repo,
    request: &mut GateRequest,
    into: &str,
    fdr: f64,
    ui: &mut Terminal,
) -> Result<(), GateError> {
    let test = next_test(repo, into, fdr, None, (0, 0))?;
    let threshold = test.threshold().max(1.0 / request.rule.alpha);
    ui.say(
        "budget",
        &format!(
            "number {} that is timed for {into}, {} proven before: needs an e-value of {threshold:.0}",
            test.index, test.discoveries
        ),
    );
    request.rule.threshold = Some(threshold);
    request.test = Some(test);
    Ok(())
}

/// What was settled before an error is kept and shown.
fn ended(repo: &Repo, error: GateError) -> Judged {
    let verdicts = match &error {
        GateError::Interrupted(verdicts) | GateError::NoVerdict { verdicts, .. } => {
            verdicts.clone()
        }
        _ => Vec::new(),
    };
    match record(repo, &verdicts) {
        Ok(_) => Judged::failed(verdicts, error.into()),
        Err(unkept) => Judged::failed(verdicts, unkept),
    }
}

/// Why a proof did not become a merge, and what to do.
fn not_merged(next: &Next, into: &str) -> anyhow::Error {
    let hint = match next {
        Next::DoesNotApply(_) => {
            "\nHint: bring the patch up to date with the branch and gate it again"
        }
        Next::GivenUp => {
            "\nHint: run the same command again when nothing else commits to the branch"
        }
        Next::Measure(_) | Next::RulesChanged => "",
    };
    environment(format!("not merged into {into}: {}{hint}", next.reason()))
}

/// How the user's own branch gets what was merged.
fn to_merge(repo: &Repo, merged: &str, into: &str) -> Result<String> {
    let into = shell_word(into);
    let head = repo.resolve("HEAD")?;
    Ok(if repo.is_ancestor(&head.id, merged)? {
        format!(
            "{}git merge --ff-only {into}",
            out_of_the_way(repo, &head.tree, merged)?
        )
    } else {
        // HEAD holds the patch as a commit of its own, without the proof; a rebase leaves that one
        // out.
        format!("git rebase {into}")
    })
}

/// The patch may be the user's own uncommitted change, which is in the way of its merge. A new file
/// is put aside only where the index holds it.
fn out_of_the_way(repo: &Repo, head: &str, merged: &str) -> Result<String> {
    let merged = repo.resolve(merged)?.tree;
    let changed = repo.dirty()?;
    let mut new = String::new();
    for path in &changed {
        if repo.read(head, path)?.is_none() && repo.read(&merged, path)?.is_some() {
            // `:/` is the root of the repository, wherever in it the user stands.
            write!(new, " {}", shell_word(&format!(":/{path}")))?;
        }
    }
    Ok(match (new.is_empty(), changed.is_empty()) {
        (false, _) => format!("git add --{new} && git stash && "),
        (true, false) => "git stash && ".to_owned(),
        (true, true) => String::new(),
    })
}
