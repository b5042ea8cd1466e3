//! What would fail later, looked at before anything is measured: the clone, the sources, data,
//! programs, and the disk.

use std::ffi::OsStr;

use outpace_gate::data_fault;
use outpace_process::{MachineLock, is_missing, scratch_faults};
use outpace_record::{Config, WorkloadConfig};
use outpace_repo::{Commit, Repo};
use outpace_text::counted;

/// Most files that are named.
const MOST_NAMED: usize = 5;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// With these no measurement comes to its end. A line each.
    pub(super) fatal: Vec<String>,
    /// These hurt some verbs, or some programs.
    pub(super) others: Vec<String>,
}

impl Faults {
    /// All of them, the fatal ones first.
    pub(super) fn lines(&self) -> Vec<String> {
        self.fatal.iter().chain(&self.others).cloned().collect()
    }
}

/// Looks at everything that needs no measurement. `measured` is the workload that will be measured.
pub(super) fn look(
    repo: &Repo,
    config: &Config,
    commit: &Commit,
    measured: Option<&str>,
) -> Faults {
    let mut others = Vec::new();
    if repo.is_shallow() {
        others.push(
            "this clone is shallow: `gate HEAD` needs the parent of HEAD, `bench A..B` and `audit` \
             all commits between. `git fetch --unshallow`, in GitHub Actions `fetch-depth: 0`"
                .into(),
        );
    }
    others.extend(sources(repo, config, commit));
    let mut fatal = Vec::new();
    for (name, workload) in &config.workload {
        let named = |fault: String| format!("{name}: {fault}");
        let (missing, maybe) = of_commands(repo, commit, workload);
        others.extend(maybe.into_iter().map(named));
        let found = [
            data_fault(workload, repo.root()),
            no_folder(repo, commit, workload),
        ];
        let found = found.into_iter().flatten().chain(missing).map(named);
        match measured.is_none_or(|measured| measured == name) {
            true => fatal.extend(found),
            false => others.extend(found),
        }
    }
    match scratch_faults() {
        Ok(faults) => others.extend(faults),
        Err(fault) => fatal.push(fault),
    }
    fatal.extend(locks(repo));
    fatal.dedup();
    Faults { fatal, others }
}

/// Builds, records and locks are written beside the repository.
fn locks(repo: &Repo) -> Vec<String> {
    let state = repo.state_dir();
    let written = tempfile::Builder::new().tempfile_in(&state).map(drop);
    let written = written.map_err(|error| format!("cannot write to {}: {error}", state.display()));
    let locked = MachineLock::check().map_err(|error| {
        format!(
            "cannot lock the machine: {error}. OUTPACE_LOCK_DIR names another folder for the lock"
        )
    });
    [written, locked]
        .into_iter()
        .filter_map(Result::err)
        .collect()
}

/// Tracked files that programs will not see.
fn sources(repo: &Repo, config: &Config, commit: &Commit) -> Vec<String> {
    let mut left_out = match repo.left_out(&commit.tree) {
        Ok(left_out) => left_out,
        Err(error) => return vec![error.to_string()],
    };
    // A link whose place data takes is no fault.
    let data = || config.workload.values().flat_map(|workload| &workload.data);
    left_out.retain(|file| !data().any(|name| name.trim_end_matches('/') == file.path));
    let more = left_out.len().saturating_sub(MOST_NAMED);
    let mut lines: Vec<String> = left_out.iter().map(ToString::to_string).collect();
    lines.truncate(MOST_NAMED);
    if more > 0 {
        lines.push(format!(
            "and {} more that cannot be laid",
            counted(more, "file")
        ));
    }
    lines
}

/// `cwd` names nothing that a program could start in. Data may lie in it, or a link be it.
fn no_folder(repo: &Repo, commit: &Commit, workload: &WorkloadConfig) -> Option<String> {
    let cwd = plain_path(&workload.cwd, "");
    if cwd.is_empty() {
        return None;
    }
    let below = format!("{cwd}/");
    let holds = |paths: &[String]| {
        paths
            .iter()
            .any(|path| format!("{path}/").starts_with(&below))
    };
    let files = repo.list(&commit.tree, &["**".to_owned()]);
    let is_there = holds(&workload.data) || files.is_ok_and(|files| holds(&files));
    (!is_there).then(|| format!("`cwd` names `{cwd}`, which is no folder of the commit"))
}

/// Programs that are not on the machine and files that git does not hold; and files of which it is
/// not known whether they are read or written.
fn of_commands(
    repo: &Repo,
    commit: &Commit,
    workload: &WorkloadConfig,
) -> (Vec<String>, Vec<String>) {
    let commands = [
        ("fetch", &workload.fetch),
        ("build", &workload.build),
        ("run", &workload.run),
        ("evaluate", &workload.evaluate),
        ("text", &workload.text),
        ("verify", &workload.verify),
    ];
    let root = repo.root().join(&workload.cwd);
    let path = workload.env.get("PATH").map(OsStr::new);
    let (mut faults, mut maybe) = (Vec::new(), Vec::new());
    for (key, command) in commands {
        let Some(program) = command.first() else {
            continue;
        };
        if !program.contains('/') && is_missing(program, &root, path) {
            faults.push(format!("`{key}` starts `{program}`, which is not in PATH. Install it, or name it by its path"));
        }
        for (n, word) in command.iter().enumerate() {
            let Some(fault) = not_held(repo, commit, workload, key, word) else {
                continue;
            };
            // A program has to be there. Where there is a build, others may be an output of it, or
            // of a run of the user's own.
            match n == 0 || workload.build.is_empty() {
                true => faults.push(fault),
                false if ["fetch", "build"].contains(&key) => {}
                false => maybe.push(fault),
            }
        }
    }
    (faults, maybe)
}

/// A file of the checkout that an exported tree would lack.
fn not_held(
    repo: &Repo,
    commit: &Commit,
    workload: &WorkloadConfig,
    key: &str,
    word: &str,
) -> Option<String> {
    if !is_plain_path(word) {
        return None;
    }
    let word = plain_path(&workload.cwd, word);
    let is_data = workload
        .data
        .iter()
        .any(|entry| word.starts_with(entry.trim_end_matches('/')));
    let is_file = repo.root().join(&word).is_file();
    let is_tracked = repo
        .read(&commit.tree, &word)
        .is_ok_and(|file| file.is_some());
    let is_ignored = repo.ignores(&word);
    (is_file && !is_data && !is_tracked).then(|| match is_ignored {
        true => format!(
            "`{key}` names `{word}`, which git ignores: `data = [\"{word}\"]` gives it to both sides; \
             what a build makes belongs below `{{target}}`"
        ),
        false => format!(
            "`{key}` names `{word}`, which is not committed: `git add {word}` and commit it"
        ),
    })
}

/// A path below the root, without `.` and `..`.
fn plain_path(cwd: &str, word: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in cwd.split('/').chain(word.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn is_plain_path(word: &str) -> bool {
    !word.starts_with(['-', '/', '{', '~']) && !word.contains([' ', '{', '\n'])
}
