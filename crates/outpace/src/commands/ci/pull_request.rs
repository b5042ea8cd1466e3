//! `outpace ci pull-request`: proven merges of a campaign, as one pull request that people merge.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use outpace_github::PullRequest;
use outpace_repo::{Repo, audit};
use outpace_text::counted;

use super::{failed, github};
use crate::exit::{OK, rejected};
use crate::options::Options;
use crate::setup::open_repo;
use crate::ui::Terminal;

/// Audit the merges of a campaign, push them as a branch, and open or update its pull request.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It needs a job with `contents: write` and `pull-requests: write`. The bundle may be hostile: only
commits whose proofs hold are pushed. Without the file there is nothing to do: exit code 0.

Example:
  git bundle create campaign.bundle main..outpace/main
  outpace ci pull-request --bundle campaign.bundle --branch outpace/main --base main")]
pub(crate) struct Args {
    /// Bundle of the campaign's branch, as `git bundle create` makes it.
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// The branch: in the bundle, and on the remote.
    #[arg(long, default_value = "outpace/main", value_name = "BRANCH")]
    branch: String,
    /// What it is to be merged into.
    #[arg(long, default_value = "main", value_name = "BRANCH")]
    base: String,
    /// Remote that the branch is pushed to.
    #[arg(long, default_value = "origin", value_name = "REMOTE")]
    remote: String,
    /// Folder that the proofs of the branch are copied to, to be attested.
    #[arg(long, value_name = "DIR")]
    proofs: Option<PathBuf>,
    /// Markdown for the text of the pull request.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let repo = open_repo(options)?;
    let mut ui = Terminal::new(options);
    if !args.bundle.is_file() {
        ui.say("campaign", "there is no bundle: nothing was merged");
        return Ok(OK);
    }
    // Everything that may be missing is looked at before anything is pushed.
    let body = match &args.body {
        Some(path) => std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?,
        None => "`outpace audit` recomputes every proof in it.".to_owned(),
    };
    let github = github()?;
    let head = repo.resolve("HEAD")?;
    let arrived = repo.fetch_bundle(&args.bundle, &args.branch)?;
    let n_merges = audited(&repo, &head.id, &arrived.id)?;
    if let Some(folder) = &args.proofs {
        copy_proofs(&repo, &head.id, &arrived.id, folder)?;
    }
    repo.push_commit(&args.remote, &arrived.id, &args.branch)?;
    let title = format!("outpace: {} proven faster", counted(n_merges, "change"));
    let wanted = PullRequest {
        head: &args.branch,
        base: &args.base,
        title: &title,
        body: &body,
    };
    let (placed, number) = github.pull_request(&wanted).map_err(failed)?;
    ui.say("pull request", &format!("{number} {}", placed.as_str()));
    Ok(OK)
}

/// Every commit of the branch must be a merge whose proof holds.
fn audited(repo: &Repo, base: &str, arrived: &str) -> Result<usize> {
    let range = format!("{base}..{arrived}");
    let audited = audit(repo, Some(&range))?;
    let findings: Vec<&str> = audited
        .iter()
        .flat_map(|commit| &commit.findings)
        .map(String::as_str)
        .collect();
    if !findings.is_empty() {
        return Err(rejected(format!(
            "the campaign's proofs do not hold:\n{}",
            findings.join("\n")
        )));
    }
    let commits = repo.commits(&range)?;
    let unproven = commits
        .iter()
        .find(|commit| !audited.iter().any(|a| a.commit == commit.id));
    match unproven {
        Some(commit) => Err(rejected(format!(
            "commit {} of the campaign has no proof",
            commit.id
        ))),
        None if commits.is_empty() => Err(rejected(
            "the campaign's branch has no commit that HEAD lacks",
        )),
        None => Ok(commits.len()),
    }
}

/// The proofs that the branch adds, byte by byte.
fn copy_proofs(repo: &Repo, base: &str, arrived: &str, folder: &Path) -> Result<()> {
    let cannot = || format!("cannot write {}", folder.display());
    std::fs::create_dir_all(folder).with_context(cannot)?;
    let globs = ["baselines/proofs/*.json".to_owned()];
    let before = repo.list(base, &globs)?;
    for path in repo.list(arrived, &globs)? {
        let name = path.rsplit('/').next().unwrap_or(&path);
        if let (false, Some(bytes)) = (before.contains(&path), repo.read(arrived, &path)?) {
            std::fs::write(folder.join(name), bytes).with_context(cannot)?;
        }
    }
    Ok(())
}
