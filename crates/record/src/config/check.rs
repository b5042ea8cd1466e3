//! Reading `outpace.toml`: every error names file, line, key and, for a misspelt key, the nearest known one.

use std::time::Duration;

use super::{Config, Track, Tunable, WorkloadConfig};

/// What is wrong with an `outpace.toml`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}{}", hint.as_ref().map(|h| format!(". Hint: {h}")).unwrap_or_default())]
pub struct ConfigError {
    /// File and, where known, line and column.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Reads and checks an `outpace.toml`; `file` is the name that messages carry.
///
/// # Errors
/// Not TOML, an unknown key, a wrong type, or an impossible value.
pub fn parse_config(text: &str, file: &str) -> Result<Config, ConfigError> {
    let config: Config = toml::from_str(text).map_err(|error| toml_error(&error, text, file))?;
    validate(&config).map_err(|(key, message)| ConfigError {
        place: match line_of(text, &key) {
            Some(line) => format!("{file}:{line}: {key}"),
            None => format!("{file}: {key}"),
        },
        message,
        hint: None,
    })?;
    Ok(config)
}

/// Reads `90s`, `30m`, `2h`, `1h30m`.
///
/// # Errors
/// Says what was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let complain = || format!("`{text}` is no duration; write it like `90s`, `30m` or `1h30m`");
    let (mut total, mut number) = (0_u64, String::new());
    for c in text.trim().chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86400,
            _ => return Err(complain()),
        };
        let n: u64 = number.parse().map_err(|_| complain())?;
        total = n
            .checked_mul(unit)
            .and_then(|s| total.checked_add(s))
            .ok_or_else(complain)?;
        number.clear();
    }
    if total == 0 || !number.is_empty() {
        return Err(complain());
    }
    Ok(Duration::from_secs(total))
}

fn toml_error(error: &toml::de::Error, text: &str, file: &str) -> ConfigError {
    let place = match error.span() {
        Some(span) => {
            let before = &text[..span.start.min(text.len())];
            let line = before.matches('\n').count() + 1;
            let column = before
                .rsplit('\n')
                .next()
                .unwrap_or_default()
                .chars()
                .count()
                + 1;
            format!("{file}:{line}:{column}")
        }
        None => file.to_owned(),
    };
    let message = error.message().lines().collect::<Vec<_>>().join(" ");
    let hint = nearest_key(&message);
    let message = match message.split_once(", expected") {
        Some((head, _)) if head.starts_with("unknown field") => {
            head.replace("unknown field", "unknown key")
        }
        _ => message.replace("missing field", "missing key"),
    };
    ConfigError {
        place,
        message,
        hint,
    }
}

/// From "unknown field `bulid`, expected one of `track`, `build`" to "did you mean `build`?".
fn nearest_key(message: &str) -> Option<String> {
    let rest = message
        .strip_prefix("unknown field ")
        .or_else(|| message.strip_prefix("unknown variant "))?;
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let wrong = quoted.next()?;
    let known: Vec<&str> = quoted.collect();
    let distance = |known: &&&str| strsim::damerau_levenshtein(wrong, known);
    let best = known.iter().min_by_key(distance)?;
    if distance(&best) <= (wrong.len() / 3).max(2) {
        return Some(format!("did you mean `{best}`?"));
    }
    Some(format!("known here: {}", known.join(", ")))
}

fn line_of(text: &str, key: &str) -> Option<usize> {
    let last = key.rsplit('.').next()?;
    let table = key.strip_suffix(last)?.trim_end_matches('.');
    let from = text.find(&format!("[{table}]")).unwrap_or(0);
    let starts_with_key = |line: &str| {
        line.trim_start()
            .strip_prefix(last)
            .is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let offset = text[..from].matches('\n').count();
    text[from..]
        .lines()
        .position(starts_with_key)
        .map(|n| offset + n + 1)
}

/// Agents that need no command.
pub const OWN_AGENTS: [&str; 2] = ["tune", "replay"];

type Fault = (String, String);

fn validate(config: &Config) -> Result<(), Fault> {
    let fault = |key: &str, message: &str| Err((key.to_owned(), message.to_owned()));
    if config.version != 1 {
        return fault("version", "this outpace reads version 1");
    }
    if config.workload.is_empty() {
        return fault("workload", "at least one workload is needed");
    }
    for (name, workload) in &config.workload {
        valid_name("workload", name)?;
        validate_workload(name, workload)?;
    }
    for (name, agent) in &config.agent {
        valid_name("agent", name)?;
        if OWN_AGENTS.contains(&name.as_str()) {
            return fault(
                &format!("agent.{name}"),
                "outpace has an agent of this name; take another one",
            );
        }
        if agent.command.is_empty() {
            return fault(&format!("agent.{name}.command"), "the command is empty");
        }
    }
    if config.policy.editable.is_empty() {
        return fault(
            "policy.editable",
            "no file may be changed, so no patch can ever pass",
        );
    }
    if config.policy.max_patch_kib == 0 {
        return fault("policy.max_patch_kib", "must be at least 1");
    }
    config.tunable.iter().try_for_each(|tunable| {
        validate_tunable(tunable)?;
        known(
            config,
            &format!("tunable ({} {}).workloads", tunable.file, tunable.name()),
            &tunable.workloads,
        )
    })?;
    validate_gate(config)
}

fn validate_gate(config: &Config) -> Result<(), Fault> {
    let gate = &config.gate;
    let range = |key: &str, value: f64, low: f64, high: f64| {
        if value > low && value < high {
            return Ok(());
        }
        Err((
            format!("gate.{key}"),
            format!("{value} is outside ({low}, {high})"),
        ))
    };
    range("alpha", gate.alpha, 0.0, 0.5)?;
    range("fdr", gate.fdr, 0.0, 0.5)?;
    range("min_speedup", gate.min_speedup, -f64::MIN_POSITIVE, 1.0)?;
    range(
        "min_turn_ms",
        gate.min_turn_ms,
        -f64::MIN_POSITIVE,
        60_000.0,
    )?;
    for (key, value) in [
        ("max_blocks", gate.max_blocks),
        ("campaign_max_blocks", gate.campaign_max_blocks),
        ("pairs", gate.pairs),
    ] {
        if !(1..=10_000).contains(&value) {
            return Err((
                format!("gate.{key}"),
                format!("{value} is outside 1..=10000"),
            ));
        }
    }
    known(config, "gate.workloads", &gate.workloads)
}

/// Whether there are workloads of these names.
fn known(config: &Config, key: &str, names: &[String]) -> Result<(), Fault> {
    let unknown = names
        .iter()
        .find(|name| !config.workload.contains_key(*name));
    unknown.map_or(Ok(()), |name| {
        Err((key.to_owned(), format!("there is no [workload.{name}]")))
    })
}

fn validate_workload(name: &str, workload: &WorkloadConfig) -> Result<(), Fault> {
    let key = |k: &str| format!("workload.{name}.{k}");
    if workload.run.is_empty() {
        return Err((key("run"), "the command is empty".into()));
    }
    if workload.check_steps == 0 {
        return Err((key("check_steps"), "must be at least 1".into()));
    }
    if workload.track == Track::TimeToLoss && workload.evaluate.is_empty() {
        return Err((
            key("evaluate"),
            "the time-to-loss track needs an evaluator".into(),
        ));
    }
    Ok(())
}

fn validate_tunable(tunable: &Tunable) -> Result<(), Fault> {
    let fault = |message: &str| {
        Err((
            format!("tunable ({} {})", tunable.file, tunable.name()),
            message.to_owned(),
        ))
    };
    if tunable.key.is_some() == tunable.constant.is_some() {
        return fault("name either a `key` (TOML) or a `const` (source)");
    }
    if tunable.values.len() < 2 {
        return fault("fewer than two values: nothing to try");
    }
    Ok(())
}

/// Names become parts of paths and of commit trailers.
fn valid_name(table: &str, name: &str) -> Result<(), Fault> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.len() <= 64 && name.chars().all(fine) {
        return Ok(());
    }
    Err((
        format!("{table}.{name}"),
        "a name has 1 to 64 letters, digits, `-` and `_`".into(),
    ))
}
