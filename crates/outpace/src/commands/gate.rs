//! `outpace gate`: policy, build, correctness, trial, and the merge if it is wanted and proven.

use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use outpace_record::{Config, Kind, Verdict};
use outpace_repo::{Commit, MergeError, Patch, Repo, RepoError, check_policy};
use outpace_research::{
    Answer, Question, RepoSources, ResearchError, gate, merge_proven, refusal, same_rules,
};
use outpace_stats::Rule;

use crate::commands::compare::{print, record};
use crate::commands::research::{default_branch, standing};
use crate::exit::{INTERRUPTED, environment, usage};
use crate::options::{Measuring, Options};
use crate::screen::Screen;
use crate::setting::{
    bench, config_of, context, lock, open_repo, short, warn_of_few_blocks, workloads,
};

/// Largest patch that is read at all.
const MOST_BYTES: u64 = 8 << 20;
/// How often a proven patch is measured again because the branch moved meanwhile.
const MOVES: usize = 3;

/// Judge a patch or revision: policy, build, correctness, trial; merge it if asked and proven.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  outpace gate --patch faster.patch --merge
  git diff | outpace gate -
  outpace gate my-branch --base main --json

Without REV or --patch it judges HEAD against its parent. Uncommitted changes are judged with
`git diff | outpace gate -`.

Exit codes: 0 faster, 1 not_proven or same, 2 usage, 3 slower, 4 rejected, 5 environment, 130 interrupted.")]
pub(crate) struct Args {
    /// Revision to judge, or `-` for a patch on standard input.
    #[arg(conflicts_with = "patch")]
    rev: Option<String>,
    /// Patch to judge, as `git diff` writes it, against the base.
    #[arg(long, value_name = "FILE")]
    patch: Option<PathBuf>,
    /// What it is compared with. Default: the parent of REV; for a patch the branch to merge into, or HEAD.
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Merge it if it is proven faster.
    #[arg(long)]
    merge: bool,
    /// Branch to merge into. Default: outpace/BRANCH, beside the branch that is checked out.
    #[arg(long, value_name = "BRANCH", requires = "merge")]
    into: Option<String>,
    /// One line that names the patch.
    #[arg(long)]
    title: Option<String>,
    #[command(flatten)]
    measuring: Measuring,
}

struct Candidate {
    base: Commit,
    tree: String,
    commit: Option<String>,
    title: String,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let repo = open_repo(options)?;
    let mut screen = Screen::new(options).for_json(args.measuring.json);
    let into = match (&args.into, args.merge) {
        (Some(into), _) => Some(into.clone()),
        (None, true) => Some(default_branch(&repo)?),
        (None, false) => None,
    };
    if let Some(into) = &into {
        repo.check_mergeable(into)?;
    }
    let proposal = patch_text(args)?;
    let mut text = proposal.text;
    if text.is_none() {
        warn_of_changes(&repo, &mut screen)?;
    }
    let (context, _cancel) = context()?;
    let _lock = lock(&repo, &context, &mut screen)?;
    let mut base = base_of(&repo, args, text.is_some())?;
    let mut fault = proposal.fault;
    if let Some(into) = &into {
        // A revision is merged as the patch that it is: the branch may hold merges that the revision does not know.
        if text.is_none() {
            let patch = revision_patch(&repo, args, &base, into)?;
            let binary = patch.files.iter().find(|file| file.binary);
            fault = binary.map(|file| format!("`{}` is no UTF-8 text", file.path));
            text = Some(patch.text);
        }
        base = standing(&repo, into, args.into.is_none(), beginning(&repo, base)?)?;
    }
    let config = config_of(&repo, &base)?;
    let names = workloads(&config, &args.measuring.workloads)?;
    screen.revision("base", &base);
    let sources = RepoSources(&repo);
    let mut bench = bench(&repo, &config, &context, &sources);
    if let Some(fault) = fault {
        return refused(&fault, &bench, args, &base, &names, &mut screen);
    }
    let mut last = Vec::new();
    for _ in 0..MOVES {
        let candidate = match candidate(&repo, args, base.clone(), text.as_deref()) {
            Ok(candidate) => candidate,
            Err(error) => return does_not_apply(error, &bench, args, &base, &names, &mut screen),
        };
        let patch = repo.patch_between(&base.tree, &candidate.tree)?;
        let question = question(args, &config, candidate, patch, &names);
        let answer = answer(&mut bench, &question, &mut screen)?;
        let answer = match answer {
            Ok(answer) => answer,
            Err(partial) => {
                print(args.measuring.json, &partial, &mut screen)?;
                record(&repo, &partial)?;
                return Ok(INTERRUPTED);
            }
        };
        if let Err(error) = record(&repo, &answer.verdicts) {
            // What was measured is shown even where it cannot be kept.
            print(args.measuring.json, &answer.verdicts, &mut screen)?;
            return Err(error);
        }
        let Some(into) = into.as_deref().filter(|_| answer.kind == Kind::Faster) else {
            print(args.measuring.json, &answer.verdicts, &mut screen)?;
            return Ok(answer.kind.exit_code());
        };
        match merge_proven(&bench, &question, &answer, into) {
            Ok(merged) => {
                print(args.measuring.json, &answer.verdicts, &mut screen)?;
                screen.say(
                    "merged",
                    &format!(
                        "{}   into {into}, proof in baselines/proofs/",
                        short(&merged.commit)
                    ),
                );
                screen.say("take over", &take_over(&repo, &merged.commit, into)?);
                return Ok(answer.kind.exit_code());
            }
            Err(ResearchError::Merge(MergeError::Moved { now: Some(now), .. })) => {
                screen.warn(&format!(
                    "{into} moved to {} meanwhile: measuring again",
                    short(&now)
                ));
                last = answer.verdicts;
                let before = std::mem::replace(&mut base, repo.resolve(&now)?);
                if let Err(error) = same_rules(&repo, &before, &base) {
                    print(args.measuring.json, &last, &mut screen)?;
                    return Err(error.into());
                }
            }
            Err(error) => {
                // What was proven is shown whatever becomes of the merge.
                print(args.measuring.json, &answer.verdicts, &mut screen)?;
                return Err(error.into());
            }
        }
    }
    print(args.measuring.json, &last, &mut screen)?;
    Err(environment(format!(
        "proven, but not merged: {} moved {MOVES} times while the patch was measured. Hint: run the same command again when nobody else commits to that branch",
        into.as_deref().unwrap_or("the branch")
    )))
}

/// Ctrl-C gives back what was measured so far.
type Measured = Result<Answer, Vec<Verdict>>;

fn answer(
    bench: &mut outpace_research::Bench<'_>,
    question: &Question,
    screen: &mut Screen,
) -> Result<Measured> {
    warn_of_few_blocks(&question.rule, screen);
    let stat = &question.patch;
    let files = if stat.files.len() == 1 {
        "1 file".to_owned()
    } else {
        format!("{} files", stat.files.len())
    };
    let size = format!("{files}, +{} -{}", stat.added, stat.removed);
    if let Err(violation) = check_policy(&question.patch, &bench.config.policy) {
        screen.say(
            "candidate",
            &format!("{}   {size}   policy: refused", question.title),
        );
        return Ok(Ok(refusal(bench, question, &violation.to_string())));
    }
    screen.say(
        "candidate",
        &format!("{}   {size}   policy ok", question.title),
    );
    match gate(bench, question, screen) {
        Ok(answer) => Ok(Ok(answer)),
        Err(ResearchError::Interrupted(partial)) if !partial.is_empty() => Ok(Err(partial)),
        Err(error) => Err(error.into()),
    }
}

fn does_not_apply(
    error: anyhow::Error,
    bench: &outpace_research::Bench<'_>,
    args: &Args,
    base: &Commit,
    names: &[String],
    screen: &mut Screen,
) -> Result<u8> {
    let is_patch = error.downcast_ref::<RepoError>().is_some_and(|e| {
        matches!(
            e,
            RepoError::DoesNotApply { .. }
                | RepoError::NotAPatch { .. }
                | RepoError::BadPath { .. }
        )
    });
    if !is_patch {
        return Err(error);
    }
    refused(&format!("{error:#}"), bench, args, base, names, screen)
}

/// The verdict on a patch that cannot be read or does not apply.
fn refused(
    reason: &str,
    bench: &outpace_research::Bench<'_>,
    args: &Args,
    base: &Commit,
    names: &[String],
    screen: &mut Screen,
) -> Result<u8> {
    let candidate = Candidate {
        base: base.clone(),
        tree: base.tree.clone(),
        commit: None,
        title: title_of(args, "patch"),
    };
    let question = question(args, bench.config, candidate, Patch::default(), names);
    let answer = refusal(bench, &question, reason);
    print(args.measuring.json, &answer.verdicts, screen)?;
    record(bench.repo, &answer.verdicts)?;
    Ok(answer.kind.exit_code())
}

fn question(
    args: &Args,
    config: &Config,
    candidate: Candidate,
    patch: Patch,
    names: &[String],
) -> Question {
    let gate = &config.gate;
    Question {
        base: candidate.base,
        tree: candidate.tree,
        candidate: candidate.commit,
        patch,
        title: candidate.title,
        agent: None,
        workloads: names.to_vec(),
        rule: Rule {
            min_speedup: gate.min_speedup,
            alpha: gate.alpha,
            threshold: None,
            screen: false,
            max_blocks: gate.max_blocks,
            sum_threshold: None,
        },
        seed: args.measuring.seed(),
        aa: false,
    }
}

/// A patch as it was handed in. Where it cannot be one, `text` is empty and `fault` says why.
#[derive(Default)]
struct Proposal {
    text: Option<String>,
    fault: Option<String>,
}

impl Proposal {
    fn faulty(fault: String) -> Self {
        Self {
            text: Some(String::new()),
            fault: Some(fault),
        }
    }
}

fn patch_text(args: &Args) -> Result<Proposal> {
    let mut bytes = Vec::new();
    match (&args.patch, args.rev.as_deref()) {
        (Some(path), _) if path.is_dir() => {
            return Err(usage(format!(
                "{} is a folder. Hint: `outpace research --agent replay --patches` proposes all patches of a folder",
                path.display()
            )));
        }
        (Some(path), _) if path.as_os_str() != "-" => {
            let file = std::fs::File::open(path)
                .map_err(|e| usage(format!("cannot read {}: {e}", path.display())))?;
            file.take(MOST_BYTES + 1)
                .read_to_end(&mut bytes)
                .with_context(|| format!("cannot read {}", path.display()))?;
        }
        (Some(_), _) | (None, Some("-")) => {
            std::io::stdin()
                .take(MOST_BYTES + 1)
                .read_to_end(&mut bytes)
                .context("cannot read standard input")?;
        }
        (None, _) => return Ok(Proposal::default()),
    }
    if bytes.len() as u64 > MOST_BYTES {
        let limit = MOST_BYTES >> 20;
        return Ok(Proposal::faulty(format!(
            "the patch has more than {limit} MiB"
        )));
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => Proposal {
            text: Some(text),
            fault: None,
        },
        Err(_) => Proposal::faulty("the patch is not UTF-8 text".to_owned()),
    })
}

/// What the patch is relative to: the named base, the parent of the revision, or HEAD for a patch.
fn base_of(repo: &Repo, args: &Args, is_patch: bool) -> Result<Commit> {
    if let Some(base) = &args.base {
        return Ok(repo.resolve(base)?);
    }
    if is_patch {
        return Ok(repo.resolve("HEAD")?);
    }
    let rev = args.rev.as_deref().unwrap_or("HEAD");
    let commit = repo.resolve(rev)?;
    match commit.parents.first() {
        Some(parent) => Ok(repo.resolve(parent)?),
        None => Err(usage(format!(
            "{rev} has no parent to compare with. Hint: name a base with --base"
        ))),
    }
}

/// What the revision changes, if the branch does not hold it already.
fn revision_patch(repo: &Repo, args: &Args, base: &Commit, into: &str) -> Result<Patch> {
    let rev = args.rev.as_deref().unwrap_or("HEAD");
    let commit = repo.resolve(rev)?;
    if let Some(tip) = repo.branch_tip(into)?
        && repo.is_ancestor(&commit.id, &tip)?
    {
        return Err(usage(format!(
            "branch {into} holds {rev} already. Hint: `outpace gate` without --merge judges it where it stands"
        )));
    }
    Ok(repo.patch_between(&base.tree, &commit.tree)?)
}

/// Where a new branch begins: where the patch was made, or at HEAD if that is code that the user's branch does not have: commits on the
/// way to a revision are not proven with it.
fn beginning(repo: &Repo, base: Commit) -> Result<Commit> {
    let head = repo.resolve("HEAD")?;
    Ok(if repo.is_ancestor(&base.id, &head.id)? {
        base
    } else {
        head
    })
}

/// How the user's own branch gets what was merged.
fn take_over(repo: &Repo, merged: &str, into: &str) -> Result<String> {
    let head = repo.resolve("HEAD")?;
    Ok(if repo.is_ancestor(&head.id, merged)? {
        format!("git merge --ff-only {into}")
    } else {
        // HEAD holds the patch as a commit of its own, without the proof; a rebase leaves that one out.
        format!("git rebase {into}")
    })
}

fn candidate(repo: &Repo, args: &Args, base: Commit, text: Option<&str>) -> Result<Candidate> {
    let commit = || repo.resolve(args.rev.as_deref().unwrap_or("HEAD"));
    if let Some(text) = text {
        let is_rev = args.patch.is_none() && args.rev.as_deref() != Some("-");
        let summary = if is_rev {
            Some(commit()?.summary)
        } else {
            None
        };
        let name = args
            .patch
            .as_ref()
            .and_then(|p| p.file_name())
            .map(|n| n.to_string_lossy().into_owned());
        let title = title_of(
            args,
            &summary
                .or(name)
                .unwrap_or_else(|| "patch from standard input".into()),
        );
        return Ok(Candidate {
            tree: repo.apply_onto(&base, text)?,
            base,
            commit: None,
            title,
        });
    }
    let commit = commit()?;
    let title = title_of(args, &commit.summary);
    Ok(Candidate {
        base,
        tree: commit.tree,
        commit: Some(commit.id),
        title,
    })
}

fn title_of(args: &Args, otherwise: &str) -> String {
    outpace_record::plain(args.title.as_deref().unwrap_or(otherwise), 100)
}

pub(crate) fn warn_of_changes(repo: &Repo, screen: &mut Screen) -> Result<()> {
    let dirty = repo.dirty()?;
    if !dirty.is_empty() {
        let files = if dirty.len() == 1 {
            "1 file".to_owned()
        } else {
            format!("{} files", dirty.len())
        };
        screen.warn(&format!(
            "uncommitted changes in {files} are left alone and not measured ({})",
            dirty[0]
        ));
    }
    Ok(())
}
