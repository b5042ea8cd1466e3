//! What every verb that measures begins with: repository, configuration, machine, launcher.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use outpace_gate::GateError;
use outpace_process::{
    Context, Launcher, MachineLock, RepositoryLock, Subject, Tier, sweep_leftovers,
};
use outpace_record::{Config, Observer, RequestRule, Timestamp, parse_config};
use outpace_repo::{Commit, Repo, check_globs};
use outpace_text::{counted, plain, short};
use outpace_trial::waiting_event;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::exit::{environment, usage};
use crate::options::Options;
use crate::ui::Terminal;

/// The hidden verb that the launcher starts every program through.
pub(crate) const SUPERVISE: &str = "__supervise";
/// The strongest tier of the sandbox to try.
const SANDBOX_VARIABLE: &str = "OUTPACE_SANDBOX";
/// Name of the configuration file.
pub(crate) const CONFIG: &str = "outpace.toml";

/// Version of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Opens the repository around the working folder.
pub(crate) fn open_repo(options: &Options) -> Result<Repo> {
    Ok(Repo::discover(&options.folder())?)
}

/// The base's `outpace.toml`: always from the commit, never from the working folder.
pub(crate) fn config_of(repo: &Repo, base: &Commit) -> Result<Config> {
    let short = short(&base.id);
    let Some(bytes) = repo.read(&base.tree, CONFIG)? else {
        let in_head = repo.resolve("HEAD").is_ok_and(|head| {
            head.id != base.id
                && repo
                    .read(&head.tree, CONFIG)
                    .is_ok_and(|file| file.is_some())
        });
        let hint = if in_head {
            "HEAD has one: `--config HEAD` takes it"
        } else if repo.root().join(CONFIG).exists() {
            "it is in the working folder but not committed: `git add outpace.toml && git commit`, \
             or take it as it is with `--config outpace.toml`"
        } else {
            "`outpace init` writes one; commit it"
        };
        return Err(usage(format!(
            "commit {short} has no {CONFIG}. Hint: {hint}"
        )));
    };
    let text =
        String::from_utf8(bytes).map_err(|_| usage(format!("{CONFIG} of {short} is not UTF-8")))?;
    let config = checked_config(&text, CONFIG)?;
    let on_disk = std::fs::read_to_string(repo.root().join(CONFIG)).ok();
    if on_disk.is_some_and(|now| now != text) {
        crate::err!("note: {CONFIG} here is another than in {short}, the base; the base's counts");
    }
    Ok(config)
}

/// The configuration that `--config` names, or that of a commit.
pub(crate) fn config_for(repo: &Repo, from: Option<&str>, commit: &Commit) -> Result<Config> {
    match from {
        Some(from) => config_from(repo, from),
        None => config_of(repo, commit),
    }
}

/// A configuration from elsewhere, for commits that have none or another one: a file, or the
/// `outpace.toml` of a revision. A path wins over a revision of the same name.
fn config_from(repo: &Repo, from: &str) -> Result<Config> {
    if std::path::Path::new(from).is_file() {
        let text = std::fs::read_to_string(from).with_context(|| format!("cannot read {from}"))?;
        return checked_config(&text, from);
    }
    match repo.resolve(from) {
        Ok(commit) => config_of(repo, &commit),
        Err(_) => Err(usage(format!(
            "--config {from}: neither a file nor a revision"
        ))),
    }
}

fn checked_config(text: &str, name: &str) -> Result<Config> {
    let config = parse_config(text, name)?;
    let reads = config.workload.values().map(|workload| &workload.reads);
    for patterns in reads.chain([&config.policy.editable]) {
        check_globs(patterns).map_err(|error| usage(error.to_string()))?;
    }
    Ok(config)
}

/// A context that ends with Ctrl-C: the first one stops in good order, the second at once.
pub(crate) fn context(options: &Options) -> Result<Context> {
    sweep_leftovers();
    let cancel = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&cancel))?;
        signal_hook::flag::register(signal, Arc::clone(&cancel))?;
    }
    let own = std::env::current_exe().context("cannot find the program itself")?;
    let supervisor: Vec<OsString> = vec![own.into(), SUPERVISE.into()];
    let launcher = Launcher::new(supervisor, cancel)
        .confining(options.unsafe_no_sandbox)
        .at_most(strongest_tier()?);
    if options.unsafe_no_sandbox {
        crate::err!("warning: no sandbox: programs of a revision run as you, with your files");
    }
    Context::new(launcher).map_err(|error| {
        environment(format!(
            "cannot make a scratch directory: {error}. Hint: set TMPDIR"
        ))
    })
}

/// To compare tiers on one machine: nothing stronger than this is tried.
fn strongest_tier() -> Result<Tier> {
    let Some(word) = std::env::var_os(SANDBOX_VARIABLE) else {
        return Ok(Tier::Bubblewrap);
    };
    word.to_str().and_then(Tier::named).ok_or_else(|| {
        usage(format!(
            "{SANDBOX_VARIABLE} is `{}`. Hint: bubblewrap, landlock or none",
            plain(&word.to_string_lossy(), 80)
        ))
    })
}

/// Waits until no other outpace works in the repository; none does until the lock is dropped.
pub(crate) fn lock(
    repo: &Repo,
    context: &Context,
    observer: &mut dyn Observer,
) -> Result<RepositoryLock> {
    let state_dir = repo.state_dir();
    std::fs::create_dir_all(&state_dir)
        .with_context(|| format!("cannot make {}", state_dir.display()))?;
    let on_wait = &mut |waiting: &_| observer.on(&waiting_event(waiting));
    let cancelled = || context.launcher.cancelled();
    let lock = RepositoryLock::acquire(&state_dir, on_wait, &cancelled).map_err(|error| {
        unlocked(
            "the repository",
            &error,
            "the folder has to be writable for this user",
        )
    })?;
    MachineLock::check().map_err(|error| {
        unlocked(
            "the machine",
            &error,
            "OUTPACE_LOCK_DIR names another folder for the lock",
        )
    })?;
    repo.history().check()?;
    Ok(lock)
}

/// Why there is no lock.
fn unlocked(what: &str, error: &std::io::Error, hint: &str) -> anyhow::Error {
    match error.kind() {
        std::io::ErrorKind::Interrupted => GateError::Interrupted(Vec::new()).into(),
        _ => environment(format!("cannot lock {what}: {error}. Hint: {hint}")),
    }
}

/// The workloads to judge: named ones, or those of `[gate]`, or all.
pub(crate) fn workloads(config: &Config, named: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = named
        .iter()
        .find(|name| !config.workload.contains_key(*name))
    {
        let known: Vec<&str> = config.workload.keys().map(String::as_str).collect();
        return Err(usage(format!(
            "there is no workload `{unknown}` in {CONFIG}. Hint: available: {}",
            known.join(", ")
        )));
    }
    let chosen = if !named.is_empty() {
        named.to_vec()
    } else if !config.gate.workloads.is_empty() {
        config.gate.workloads.clone()
    } else {
        config.workload.keys().cloned().collect()
    };
    let mut chosen: Vec<String> = chosen;
    // Twice the same would be judged twice, and merged with two proofs.
    let mut seen = BTreeSet::new();
    chosen.retain(|name| seen.insert(name.clone()));
    Ok(chosen)
}

/// A command that the user typed, as a subject.
pub(crate) fn typed_command(
    command: &str,
    prepare: Option<&str>,
    timeout: Duration,
    ok_exit_codes: &[i32],
) -> Result<Subject> {
    let cwd = std::env::current_dir().context("cannot find the working directory")?;
    let script = |text: &str| vec!["sh".into(), "-c".into(), text.to_owned()];
    Ok(Subject {
        ok_exit_codes: ok_exit_codes.to_vec(),
        prepare: prepare.map(script).unwrap_or_default(),
        ..Subject::typed(script(command), cwd, timeout)
    })
}

/// Some limits let no candidate win: doubling at best, wealth needs so many blocks.
pub(crate) fn warn_of_few_blocks(rule: &RequestRule, workloads: usize, ui: &mut Terminal) {
    let rule = rule.for_one_of(workloads);
    let need = rule.threshold_value().ln();
    if outpace_stats::log_e_limit(rule.max_blocks) < need {
        let least = (1..).find(|&n| outpace_stats::log_e_limit(n) >= need);
        ui.warn(&format!(
            "max_blocks = {} can never prove a gain at alpha {} (needs at least {})",
            rule.max_blocks,
            rule.alpha,
            least.unwrap_or(usize::MAX)
        ));
    }
}

/// What is left alone although it may be what the user means.
pub(crate) fn warn_of_changes(repo: &Repo, ui: &mut Terminal) -> Result<()> {
    let dirty = repo.dirty()?;
    if let Some(first) = dirty.first() {
        ui.warn(&format!(
            "uncommitted changes in {} are left alone and not measured ({first})",
            counted(dirty.len(), "file")
        ));
    }
    Ok(())
}

/// The present moment.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}
