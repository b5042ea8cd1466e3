//! What a person hands to a gate - a patch, a revision, a request - becomes one request, once.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use outpace_gate::{default_branch, sync_default_branch};
use outpace_record::{Config, Document, GateRequest, RequestRule};
use outpace_repo::{Commit, Patch, Repo, RepoError, decode_patch};
use outpace_text::plain;

use crate::exit::usage;
use crate::options::Measuring;
use crate::setup::{config_for, config_of, workloads};

/// Largest patch that is read at all.
const MOST_BYTES: u64 = 8 << 20;
/// Longest title.
const TITLE_CHARS: usize = 100;

/// What a gate is given on its command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Input {
    /// Revision to judge, or `-` for a patch on standard input.
    #[arg(conflicts_with = "patch")]
    rev: Option<String>,
    /// Patch to judge, as `git diff` writes it, against the base.
    #[arg(long, value_name = "FILE")]
    patch: Option<PathBuf>,
    /// Request to judge (`outpace schema request`): base, patch, workloads, rule and seed in a
    /// file.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["rev", "patch", "base", "title", "workloads", "seed"]
    )]
    request: Option<PathBuf>,
    /// What it is compared with. Default: the parent of REV; for a patch the branch to merge into,
    /// or HEAD.
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Merge it if it is proven faster.
    #[arg(long)]
    merge: bool,
    /// What it has to show: `faster`, or, for a change that is not about speed, `not-slower`.
    #[arg(
        long,
        value_enum,
        default_value = "faster",
        value_name = "WHAT",
        conflicts_with = "request"
    )]
    require: Require,
    /// With `--require not-slower`: the share by which it may be slower.
    /// Default: 0.01.
    #[arg(long, value_name = "SHARE", value_parser = margin)]
    margin: Option<f64>,
    /// Append the verdicts as Markdown to this file, such as "$GITHUB_STEP_SUMMARY".
    #[arg(long, value_name = "FILE")]
    pub(crate) summary: Option<PathBuf>,
    /// Configuration from elsewhere, for a base that has none or another one: a file, or the
    /// outpace.toml of a revision.
    #[arg(long, value_name = "REV|FILE", conflicts_with_all = ["request", "merge"])]
    config: Option<String>,
    /// Do not hold the patch against `policy.editable`: for a pull request that people review.
    #[arg(long, conflicts_with_all = ["request", "merge"])]
    any_path: bool,
    /// Branch to merge into. Default: outpace/BRANCH, beside the branch that is checked out.
    #[arg(long, value_name = "BRANCH", requires = "merge")]
    into: Option<String>,
    /// One line that names the patch.
    #[arg(long)]
    title: Option<String>,
    #[command(flatten)]
    pub(crate) measuring: Measuring,
}

/// What a candidate has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Require {
    Faster,
    NotSlower,
}

fn margin(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "a share like 0.01".to_owned())?;
    match share > 0.0 && share < 1.0 {
        true => Ok(share),
        false => Err("must be above 0 and below 1; 0.01 is 1 %".into()),
    }
}

impl Input {
    /// The share by which a candidate may be slower, where that is enough.
    fn margin(&self) -> Option<f64> {
        (self.require == Require::NotSlower).then_some(self.margin.unwrap_or(0.01))
    }

    /// Options that do not go together in a way that only their values show.
    pub(crate) fn check(&self) -> Result<()> {
        match (self.require, self.merge, self.margin) {
            (Require::NotSlower, true, _) => Err(usage(
                "--merge merges what is proven faster. Hint: leave --merge away; exit code 0 says \
                 that it is not slower",
            )),
            (Require::Faster, _, Some(_)) => Err(usage(
                "--margin is the share by which a change may be slower. Hint: it goes with \
                 `--require not-slower`",
            )),
            _ => Ok(()),
        }
    }
}

/// What was handed in.
pub(crate) enum Source {
    /// A revision, by name.
    Revision(String),
    /// A patch as text, and what it is called.
    Patch { text: String, name: String },
    /// It cannot be a patch; why.
    Unreadable { fault: String, name: String },
    /// A request document.
    Request(Box<GateRequest>),
}

/// A request, and what it was made from.
pub(crate) struct Asked {
    pub(crate) base: Commit,
    pub(crate) config: Config,
    pub(crate) request: GateRequest,
    /// How many files and lines the patch has.
    pub(crate) size: String,
    /// Why there is nothing to judge: the patch cannot be read or does not apply.
    pub(crate) fault: Option<String>,
    /// Files that the patch may lack: `git diff` leaves out what is not tracked.
    pub(crate) untracked: Vec<String>,
}

/// The branch to merge into, if a merge is wanted.
pub(crate) fn into_branch(repo: &Repo, input: &Input) -> Result<Option<String>> {
    let into = match (&input.into, input.merge) {
        (Some(into), _) => into.clone(),
        (None, true) => default_branch(repo)?,
        (None, false) => return Ok(None),
    };
    repo.check_mergeable(&into)?;
    repo.check_signing()?;
    Ok(Some(into))
}

/// Reads what was handed in.
pub(crate) fn source(input: &Input) -> Result<Source> {
    if let Some(path) = &input.request {
        let text = std::fs::read_to_string(path)
            .map_err(|e| usage(format!("cannot read {}: {e}", path.display())))?;
        let request = GateRequest::from_json(&text)
            .map_err(|e| usage(format!("{} is not a request: {e}", path.display())))?;
        return Ok(Source::Request(Box::new(request)));
    }
    let rev = input.rev.as_deref().unwrap_or("HEAD");
    let (bytes, name) = match &input.patch {
        Some(path) if path.as_os_str() != "-" => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            (file(path)?, name.into_owned())
        }
        None if rev != "-" => return revision(rev),
        _ => {
            let bytes = most(std::io::stdin()).context("cannot read standard input")?;
            (bytes, "patch from standard input".to_owned())
        }
    };
    if bytes.trim_ascii().is_empty() {
        return Err(usage(format!(
            "{name} is empty. Hint: `git diff` leaves out what is staged, and new files; `git add -N \
             FILE`, then `git diff HEAD | outpace gate -`"
        )));
    }
    Ok(patch(bytes, name))
}

fn revision(rev: &str) -> Result<Source> {
    match rev.split_once("..") {
        None => Ok(Source::Revision(rev.to_owned())),
        Some((from, to)) => {
            let to = Some(to.trim_start_matches('.')).filter(|to| !to.is_empty());
            Err(usage(format!(
                "{rev} is a range, and a gate judges one revision against one base. \
                 Hint: `outpace gate {} --base {}`",
                to.unwrap_or("HEAD"),
                if from.is_empty() { "HEAD" } else { from }
            )))
        }
    }
}

fn file(path: &Path) -> Result<Vec<u8>> {
    if path.is_dir() {
        return Err(usage(format!(
            "{} is a directory. Hint: `outpace research --agent replay --patches` proposes all \
             patches of a directory",
            path.display()
        )));
    }
    let file =
        File::open(path).map_err(|e| usage(format!("cannot read {}: {e}", path.display())))?;
    most(file).with_context(|| format!("cannot read {}", path.display()))
}

fn most(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn patch(bytes: Vec<u8>, name: String) -> Source {
    if bytes.len() as u64 > MOST_BYTES {
        let fault = format!("the patch has more than {} MiB", MOST_BYTES >> 20);
        return Source::Unreadable { fault, name };
    }
    match decode_patch(&bytes) {
        Ok(text) => Source::Patch { text, name },
        Err(error) => Source::Unreadable {
            fault: error.to_string(),
            name,
        },
    }
}

/// The request for what was handed in. The caller holds the repository's lock: a default branch
/// that lies behind is moved.
pub(crate) fn ask(repo: &Repo, input: &Input, source: Source, into: Option<&str>) -> Result<Asked> {
    match source {
        Source::Request(request) => of_request(repo, *request),
        Source::Revision(rev) => of_revision(repo, input, &rev, into),
        Source::Patch { text, name } => {
            let base = patch_base(repo, input)?;
            let base = start_of(repo, input, base, into)?;
            let mut asked = of_patch(repo, input, base, &text, &name)?;
            asked.untracked = repo.untracked(&asked.config.policy.editable)?;
            asked.untracked.retain(|path| !text.contains(path));
            Ok(asked)
        }
        Source::Unreadable { fault, name } => {
            let base = patch_base(repo, input)?;
            let base = start_of(repo, input, base, into)?;
            Draft::new(repo, input, base, &name)?.unusable(fault)
        }
    }
}

fn of_request(repo: &Repo, request: GateRequest) -> Result<Asked> {
    if request.workloads.is_empty() {
        return Err(usage("the request names no workload"));
    }
    let base = repo.resolve(&request.base)?;
    let config = config_of(repo, &base)?;
    workloads(&config, &request.workloads)?;
    Ok(Asked {
        base,
        config,
        request,
        size: "a request".into(),
        fault: None,
        untracked: Vec::new(),
    })
}

fn of_revision(repo: &Repo, input: &Input, rev: &str, into: Option<&str>) -> Result<Asked> {
    let commit = repo.resolve(rev)?;
    let base = match (&input.base, commit.parents.first()) {
        (Some(base), _) => repo.resolve(base)?,
        (None, Some(parent)) => repo.resolve(parent)?,
        (None, None) => return Err(no_parent(repo, rev)),
    };
    let Some(into) = into else {
        let patch = repo.patch_between(&base.tree, &commit.tree)?;
        let mut asked = Draft::new(repo, input, base, &commit.summary)?.of_tree(commit.tree, patch);
        asked.request.candidate = Some(commit.id);
        return Ok(asked);
    };
    // A revision is merged as the patch that it is: the branch may hold merges that the revision
    // does not know.
    let patch = revision_patch(repo, rev, &commit, &base, into)?;
    let start = start_of(repo, input, base, Some(into))?;
    if let Some(binary) = patch.files.iter().find(|file| file.binary) {
        let fault = format!("`{}` is not valid UTF-8", binary.path);
        return Draft::new(repo, input, start, &commit.summary)?.unusable(fault);
    }
    of_patch(repo, input, start, &patch.text, &commit.summary)
}

fn of_patch(repo: &Repo, input: &Input, base: Commit, text: &str, name: &str) -> Result<Asked> {
    let draft = Draft::new(repo, input, base, name)?;
    match repo.apply_onto(&draft.base, text) {
        Ok(tree) => {
            let patch = repo.patch_between(&draft.base.tree, &tree)?;
            Ok(draft.of_tree(tree, patch))
        }
        Err(
            error @ (RepoError::DoesNotApply { .. }
            | RepoError::NotAPatch { .. }
            | RepoError::BadPath { .. }),
        ) => draft.unusable(error.to_string()),
        Err(error) => Err(error.into()),
    }
}

/// A request whose base and rules are known.
struct Draft {
    base: Commit,
    config: Config,
    request: GateRequest,
}

impl Draft {
    fn new(repo: &Repo, input: &Input, base: Commit, name: &str) -> Result<Self> {
        let config = config_for(repo, input.config.as_deref(), &base)?;
        let gate = &config.gate;
        let request = GateRequest {
            schema: GateRequest::SCHEMA.into(),
            base: base.id.clone(),
            tree: base.tree.clone(),
            candidate: None,
            patch: String::new(),
            title: plain(input.title.as_deref().unwrap_or(name), TITLE_CHARS),
            agent: None,
            workloads: workloads(&config, &input.measuring.workloads)?,
            rule: RequestRule {
                min_speedup: gate.min_speedup,
                alpha: gate.alpha,
                threshold: None,
                screen: false,
                max_blocks: gate.max_blocks,
                margin: input.margin(),
            },
            test: None,
            seed: input.measuring.seed(),
            policy: !input.any_path,
            aa: false,
        };
        Ok(Self {
            base,
            config,
            request,
        })
    }

    fn of_tree(mut self, tree: String, patch: Patch) -> Asked {
        let files = outpace_text::counted(patch.files.len(), "file");
        let size = format!("{files}, +{} -{}", patch.added, patch.removed);
        self.request.tree = tree;
        self.request.patch = patch.text;
        self.asked(size, None)
    }

    fn unusable(self, fault: String) -> Result<Asked> {
        Ok(self.asked("not usable".into(), Some(fault)))
    }

    fn asked(self, size: String, fault: Option<String>) -> Asked {
        Asked {
            base: self.base,
            config: self.config,
            request: self.request,
            size,
            fault,
            untracked: Vec::new(),
        }
    }
}

/// What a patch is relative to.
fn patch_base(repo: &Repo, input: &Input) -> Result<Commit> {
    Ok(repo.resolve(input.base.as_deref().unwrap_or("HEAD"))?)
}

/// What is measured against: the tip of the branch to merge into, or what the patch was made from.
fn start_of(repo: &Repo, input: &Input, made_from: Commit, into: Option<&str>) -> Result<Commit> {
    let Some(into) = into else {
        return Ok(made_from);
    };
    let start = beginning(repo, made_from)?;
    // Only the default branch catches up; a branch that the user named is moved by proven merges
    // alone.
    Ok(match &input.into {
        None => sync_default_branch(repo, into, start)?,
        Some(_) => outpace_gate::current_base(repo, into, &start.id)?,
    })
}

/// Where a new branch begins: where the patch was made, or at HEAD if that is code that the user's
/// branch does not have: commits on the way to a revision are not proven with it.
fn beginning(repo: &Repo, base: Commit) -> Result<Commit> {
    let head = repo.resolve("HEAD")?;
    Ok(if repo.is_ancestor(&base.id, &head.id)? {
        base
    } else {
        head
    })
}

fn no_parent(repo: &Repo, rev: &str) -> anyhow::Error {
    usage(if repo.is_shallow() {
        format!(
            "{rev} has no parent in this shallow clone. Hint: `git fetch --deepen 1`, in GitHub \
             Actions `fetch-depth: 2`; or name a base with --base"
        )
    } else {
        format!("{rev} has no parent to compare with. Hint: name a base with --base")
    })
}

/// What the revision changes, if the branch does not hold it already.
fn revision_patch(
    repo: &Repo,
    rev: &str,
    commit: &Commit,
    base: &Commit,
    into: &str,
) -> Result<Patch> {
    if let Some(tip) = repo.branch_tip(into)?
        && repo.is_ancestor(&commit.id, &tip)?
    {
        return Err(usage(format!(
            "branch {into} holds {rev} already. Hint: `outpace gate` without --merge judges it \
             where it stands"
        )));
    }
    Ok(repo.patch_between(&base.tree, &commit.tree)?)
}
