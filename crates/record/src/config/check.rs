//! Values of `outpace.toml` that no program could work with.

use std::path::{Component, Path, PathBuf};

use super::range::number;
use super::{Config, Protocol, Track, Tunable, WorkloadConfig};
use crate::suggestion;

/// One step from a table or an array to what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A key of a table.
    Key(String),
    /// An element of an array.
    Index(usize),
}

/// Agents that need no command.
pub const OWN_AGENTS: [&str; 2] = ["tune", "replay"];

/// A value that is impossible, and its place.
pub(super) struct Fault {
    /// The key as messages show it.
    pub(super) key: String,
    /// The keys that lead to it, and the index in an array.
    pub(super) path: Vec<Step>,
    /// What is wrong with it.
    pub(super) message: String,
}

impl Fault {
    fn new(keys: &[&str], message: impl Into<String>) -> Self {
        Self {
            key: keys.join("."),
            path: keys.iter().map(|key| Step::Key((*key).into())).collect(),
            message: message.into(),
        }
    }

    /// Of the `[[tunable]]` with this index.
    fn of_tunable(index: usize, tunable: &Tunable, key: &[&str], message: String) -> Self {
        let name = format!("tunable ({} {})", tunable.file, tunable.name());
        let keys = key.iter().map(|key| Step::Key((*key).into()));
        let head = [Step::Key("tunable".into()), Step::Index(index)];
        Self {
            key: [&[name.as_str()], key].concat().join("."),
            path: head.into_iter().chain(keys).collect(),
            message,
        }
    }
}

pub(super) fn validate(config: &Config) -> Result<(), Fault> {
    let fault = |keys: &[&str], message: &str| Err(Fault::new(keys, message));
    if config.version != 1 {
        return fault(&["version"], "this outpace reads version 1");
    }
    if config.workload.is_empty() {
        return fault(&["workload"], "at least one workload is needed");
    }
    for (name, workload) in &config.workload {
        valid_name("workload", name)?;
        validate_workload(name, workload)?;
    }
    for (name, agent) in &config.agent {
        valid_name("agent", name)?;
        if OWN_AGENTS.contains(&name.as_str()) {
            let message = "outpace has an agent of this name; take another one";
            return fault(&["agent", name], message);
        }
        if agent.command.is_empty() {
            return fault(&["agent", name, "command"], "the command is empty");
        }
        let in_home = |path: &&String| !path.starts_with("~/");
        let paths = agent.config.iter().filter(in_home).map(Path::new);
        if let Some(path) = not_absolute(paths) {
            let message = format!("`{path}` must begin with `/` or `~/`");
            return fault(&["agent", name, "config"], &message);
        }
    }
    if config.policy.editable.is_empty() {
        let message = "no file may be changed, so no patch can ever pass";
        return fault(&["policy", "editable"], message);
    }
    if config.policy.max_patch_kib == 0 {
        return fault(&["policy", "max_patch_kib"], "must be at least 1");
    }
    for (index, tunable) in config.tunable.iter().enumerate() {
        validate_tunable(index, tunable, config)?;
    }
    for (key, paths) in [
        ("read", &config.sandbox.read),
        ("write", &config.sandbox.write),
    ] {
        if let Some(path) = not_absolute(paths.iter().map(PathBuf::as_path)) {
            let message = format!("`{path}` must be an absolute path");
            return fault(&["sandbox", key], &message);
        }
    }
    if let Some(class) = &config.machine.class {
        valid_name("machine", class).map_err(|f| Fault::new(&["machine", "class"], &f.message))?;
    }
    validate_gate(config)
}

/// The first path that begins nowhere: programs run in folders that the file does not know.
fn not_absolute<'a>(mut paths: impl Iterator<Item = &'a Path>) -> Option<String> {
    let path = paths.find(|path| !path.is_absolute())?;
    Some(path.display().to_string())
}

fn validate_gate(config: &Config) -> Result<(), Fault> {
    let gate = &config.gate;
    let fault = |key: &str, message: String| Err(Fault::new(&["gate", key], message));
    // At least 0: the smallest number below it is the open end.
    const BELOW_0: f64 = -f64::MIN_POSITIVE;
    for (key, value, low, high) in [
        ("alpha", gate.alpha, 0.0, 0.5),
        ("fdr", gate.fdr, 0.0, 0.5),
        ("min_speedup", gate.min_speedup, BELOW_0, 1.0),
        ("min_turn_ms", gate.min_turn_ms, BELOW_0, 60_000.0),
        ("max_seconds", gate.max_seconds, 0.0, 1e9),
    ] {
        if !(value > low && value < high) {
            let above = if low < 0.0 { "at least" } else { "above" };
            return fault(
                key,
                format!("{value} must be {above} {} and below {high}", low.max(0.0)),
            );
        }
    }
    for (key, value) in [
        ("max_blocks", gate.max_blocks),
        ("campaign_max_blocks", gate.campaign_max_blocks),
        ("pairs", gate.pairs),
    ] {
        if !(1..=10_000).contains(&value) {
            return fault(key, format!("{value} must be from 1 to 10000"));
        }
    }
    match unknown_workload(config, &gate.workloads) {
        Some(message) => fault("workloads", message),
        None => Ok(()),
    }
}

/// The first of these names that is not a workload's.
fn unknown_workload(config: &Config, names: &[String]) -> Option<String> {
    let unknown = names
        .iter()
        .find(|name| !config.workload.contains_key(*name))?;
    let known: Vec<&String> = config.workload.keys().collect();
    let hint = suggestion(unknown, &known);
    Some(format!("there is no [workload.{unknown}]. Hint: {hint}"))
}

fn validate_workload(name: &str, workload: &WorkloadConfig) -> Result<(), Fault> {
    let fault = |key: &str, message: &str| Err(Fault::new(&["workload", name, key], message));
    if workload.run.is_empty() {
        return fault("run", "the command is empty");
    }
    if workload.check_steps == 0 {
        return fault("check_steps", "must be at least 1");
    }
    if workload.steps_per_run == 0 {
        return fault("steps_per_run", "must be at least 1");
    }
    if workload.threads == Some(0) {
        return fault("threads", "must be at least 1");
    }
    let parts = Path::new(&workload.cwd).components();
    if parts
        .into_iter()
        .any(|part| !matches!(part, Component::Normal(_) | Component::CurDir))
    {
        return fault(
            "cwd",
            "must be a folder below the repository's root, as in `train`",
        );
    }
    for path in &workload.data {
        if let Some(message) = bad_data(path) {
            return fault("data", &message);
        }
    }
    match workload.track {
        Track::TimeToLoss => validate_target(workload)
            .map_err(|(key, message)| Fault::new(&["workload", name, key], message)),
        Track::Throughput => Ok(()),
    }
}

/// Each has a text of its own, which is drawn ahead.
const MOST_EVALUATIONS: u64 = 1000;
/// Of an evaluation.
const MOST_TOKENS: u64 = 1 << 18;

/// What the time-to-loss track needs; the key that is at fault, and why.
fn validate_target(workload: &WorkloadConfig) -> Result<(), (&'static str, &'static str)> {
    if workload.protocol == Protocol::Process {
        return Err(("protocol", "the time-to-loss track needs the step protocol"));
    }
    if workload.text.is_empty() {
        return Err((
            "text",
            "the time-to-loss track needs a command that draws validation text",
        ));
    }
    match workload.target_loss {
        None => {
            return Err((
                "target_loss",
                "the time-to-loss track needs the loss to reach",
            ));
        }
        Some(loss) if !(loss.is_finite() && loss > 0.0) => {
            return Err(("target_loss", "must be a number above 0"));
        }
        Some(_) => {}
    }
    let every = workload.evaluate_every.unwrap_or(1);
    match workload.max_steps {
        None => {
            return Err((
                "max_steps",
                "the time-to-loss track needs the steps after which a run is over",
            ));
        }
        Some(0) => return Err(("max_steps", "must be at least 1")),
        Some(steps) if every == 0 || every > steps => {
            return Err(("evaluate_every", "must be 1 to `max_steps`"));
        }
        Some(steps)
            if workload
                .evaluate_every
                .is_some_and(|n| steps / n > MOST_EVALUATIONS) =>
        {
            return Err(("evaluate_every", "more than 1000 evaluations of a run"));
        }
        Some(_) => {}
    }
    if !(1..=MOST_TOKENS).contains(&workload.evaluate_tokens) {
        return Err(("evaluate_tokens", "must be 1 to 262144"));
    }
    Ok(())
}

fn bad_data(path: &str) -> Option<String> {
    let rest = path.strip_prefix("~/").unwrap_or(path);
    if rest.trim_matches('/').is_empty() || path == "~" {
        return Some(format!(
            "`{path}` names no file or folder below the checkout or `~/`"
        ));
    }
    if path.contains('*') {
        return Some(format!(
            "`{path}`: globs are not read here; name the folder"
        ));
    }
    let odd = rest
        .split('/')
        .any(|part| matches!(part, "." | ".." | ".git"));
    odd.then(|| format!("`{path}` must not have a `.`, `..` or `.git` component"))
}

fn validate_tunable(index: usize, tunable: &Tunable, config: &Config) -> Result<(), Fault> {
    let fault =
        |key: &[&str], message: String| Err(Fault::of_tunable(index, tunable, key, message));
    if tunable.key.is_some() == tunable.constant.is_some() {
        return fault(
            &[],
            "name either a `key` (TOML) or a `const` (source)".into(),
        );
    }
    let ends = [&tunable.from, &tunable.to];
    if ends.iter().any(|end| end.is_some()) {
        if let Err((key, message)) = validate_range(tunable) {
            return fault(&[key], message.into());
        }
    } else if tunable.log {
        return fault(
            &["log"],
            "is of a range: `from` and `to` are missing".into(),
        );
    } else if tunable.values.len() < 2 {
        return fault(&["values"], "fewer than two values: nothing to try".into());
    }
    match unknown_workload(config, &tunable.workloads) {
        Some(message) => fault(&["workloads"], message),
        None => Ok(()),
    }
}

/// The key that is at fault, and why.
fn validate_range(tunable: &Tunable) -> Result<(), (&'static str, &'static str)> {
    if !tunable.values.is_empty() {
        return Err(("values", "either values or a range: `from` and `to`"));
    }
    let (Some(from), Some(to)) = (&tunable.from, &tunable.to) else {
        return Err(("to", "a range has both `from` and `to`"));
    };
    let [Some(low), Some(high)] = [from, to].map(number) else {
        return Err(("from", "the ends of a range are numbers"));
    };
    if low >= high {
        return Err(("to", "must be above `from`"));
    }
    if tunable.log && low <= 0.0 {
        return Err(("from", "must be above 0 on a logarithmic scale"));
    }
    Ok(())
}

/// Names become parts of paths and of commit trailers.
fn valid_name(table: &str, name: &str) -> Result<(), Fault> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.len() <= 64 && name.chars().all(fine) {
        return Ok(());
    }
    let message = "a name has 1 to 64 letters, digits, `-` and `_`";
    Err(Fault::new(&[table, name], message))
}
