//! Any command as an agent: it works in a worktree of its own, and its patch is the diff that it
//! leaves there.
//!
//! What it prints and how it exits is kept in a log and believed in nothing: command lines of
//! agents differ, and some exit with 0 after refusing to work.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use outpace_process::{Context, LaunchError, LaunchSpec, Limits, MachineUse, Reach, open_written};
use outpace_record::{AgentConfig, Observer};
use outpace_repo::RepoError;
use outpace_text::plain;
use outpace_trial::lock_machine;

use outpace_gate::GateError;

use super::agent::{Agent, AgentContext, Proposal};
use super::briefing;

/// The most that is kept of each stream of an agent.
const LOG_BYTES: u64 = 16 << 20;
/// Variables that agents' command lines commonly need to find their own settings; no repository
/// credentials are among them.
const PASSED: [&str; 6] = [
    "HOME",
    "USER",
    "SHELL",
    "TERM",
    "XDG_CONFIG_HOME",
    "SSL_CERT_FILE",
];

/// Below the home directory, where known command lines keep their settings.
const SETTINGS: [(&str, &[&str]); 4] = [
    (
        "claude",
        &[".claude", ".claude.json", ".config/claude", ".cache/claude"],
    ),
    ("codex", &[".codex"]),
    ("gemini", &[".gemini"]),
    (
        "aider",
        &[".aider", ".aider.conf.yml", ".aider.model.settings.yml"],
    ),
];

/// An agent from `[agent.NAME]`.
pub struct CommandAgent<'a> {
    name: String,
    config: AgentConfig,
    context: &'a Context,
}

impl<'a> CommandAgent<'a> {
    /// `name` is its name in `outpace.toml`.
    pub fn new(name: &str, config: &AgentConfig, context: &'a Context) -> Self {
        Self {
            name: name.to_owned(),
            config: config.clone(),
            context,
        }
    }
}

impl Agent for CommandAgent<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn wants_profile(&self) -> bool {
        true
    }

    fn propose(
        &mut self,
        context: &AgentContext<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Proposal, GateError> {
        let number = context.attempts.last().map_or(0, |a| a.number) + 1;
        let scratch = self
            .context
            .fresh_scratch()
            .map_err(GateError::disk(&std::env::temp_dir()))?;
        let worktree = scratch.path().join("worktree");
        context
            .repo
            .scratch_worktree(&context.base.tree, &worktree, "base")?;
        let (context_file, prompt_file, title_file) = (
            scratch.path().join("context.md"),
            scratch.path().join("prompt.md"),
            scratch.path().join("title.txt"),
        );
        let prompt = briefing::prompt(
            context,
            &context_file.to_string_lossy(),
            &title_file.to_string_lossy(),
        );
        fs::write(&context_file, briefing::context(context))
            .map_err(GateError::disk(&context_file))?;
        fs::write(&prompt_file, &prompt).map_err(GateError::disk(&prompt_file))?;
        fs::write(&title_file, "").map_err(GateError::disk(&title_file))?;
        let places = [
            ("{prompt_file}", &prompt_file),
            ("{context}", &context_file),
            ("{title_file}", &title_file),
        ];
        let fill = |arg: &String| {
            let filled = places.iter().fold(arg.clone(), |text, (name, path)| {
                text.replace(name, &path.to_string_lossy())
            });
            // Last, so that nothing inside the prompt is taken for a placeholder.
            filled.replace("{prompt}", &prompt)
        };
        let spec = LaunchSpec {
            command: self.config.command.iter().map(fill).collect(),
            cwd: worktree.clone(),
            scratch: scratch.path().join("own"),
            env: self.environment(&prompt_file, &context_file, &title_file),
            inherit_env: false,
            limits: Limits::default(),
            home_links: Vec::new(),
            reach: Some(Reach {
                // The folder around the worktree is not its own: it could put a link there.
                read: vec![context_file.clone(), prompt_file.clone()],
                write: own_settings(&self.config)
                    .chain([worktree.clone(), title_file.clone()])
                    .collect(),
                network: self.config.network,
            }),
        };
        let log = context.logs.join(format!("{number:05}-agent.log"));
        let ended = self.run(&spec, &log, observer)?;
        let left = context.repo.tree_from_dir(&context.base.tree, &worktree);
        let title = title_in(&title_file);
        drop(scratch);
        proposal(context, left, title, &ended)
    }
}

impl CommandAgent<'_> {
    fn environment(
        &self,
        prompt: &Path,
        context: &Path,
        title: &Path,
    ) -> BTreeMap<String, OsString> {
        let named = PASSED
            .iter()
            .map(|name| (*name).to_owned())
            .chain(self.config.pass_env.iter().cloned());
        let mut env: BTreeMap<String, OsString> = named
            .filter_map(|name| std::env::var_os(&name).map(|value| (name, value)))
            .collect();
        env.insert("OUTPACE_PROMPT_FILE".into(), prompt.into());
        env.insert("OUTPACE_CONTEXT".into(), context.into());
        env.insert("OUTPACE_TITLE_FILE".into(), title.into());
        env
    }

    /// How it ended, in words; its output goes to the log that is kept.
    fn run(
        &self,
        spec: &LaunchSpec,
        log: &Path,
        observer: &mut dyn Observer,
    ) -> Result<String, GateError> {
        let machine = match lock_machine(self.context, MachineUse::Work, observer) {
            Err(error) if error.is_cancelled() => return Err(GateError::Interrupted(Vec::new())),
            locked => locked.map_err(|error| GateError::Environment(error.to_string()))?,
        };
        let outcome = self.context.launcher.run(spec, self.config.timeout);
        drop(machine);
        let output = ["stdout", "stderr"]
            .map(|name| head(&spec.scratch.join(name), LOG_BYTES).unwrap_or_default());
        fs::write(log, output.concat()).map_err(GateError::disk(log))?;
        match outcome {
            Ok(finished) => Ok(format!(
                "the command ended with exit code {}; log: {}",
                finished.code,
                log.display()
            )),
            Err(error @ LaunchError::System { .. }) => {
                Err(GateError::Environment(error.to_string()))
            }
            Err(LaunchError::Cancelled) => Err(GateError::Interrupted(Vec::new())),
            Err(error @ LaunchError::Timeout { .. }) => Ok(error.to_string()),
            Err(error @ LaunchError::Start { .. }) => Err(GateError::Usage(format!(
                "agent `{}`: {error}. Hint: is the command in [agent.{}] installed and in PATH?",
                self.name, self.name
            ))),
        }
    }
}

/// Files and folders with its settings: those that it names, or those of its command line.
fn own_settings(config: &AgentConfig) -> impl Iterator<Item = PathBuf> {
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    let program = config.command.first().map_or("", |program| program);
    let program = Path::new(program).file_name().unwrap_or_default();
    let known = SETTINGS.iter().filter(|(name, _)| program == *name);
    let known = known.flat_map(|(_, paths)| paths.iter().map(|path| format!("~/{path}")));
    let named = match config.config.is_empty() {
        true => known.collect(),
        false => config.config.clone(),
    };
    named
        .into_iter()
        .map(move |path| match path.strip_prefix("~/") {
            Some(below) => home.join(below),
            None => path.into(),
        })
}

/// What an agent that ended so has proposed: the difference that it left in its worktree.
fn proposal(
    context: &AgentContext<'_>,
    left: Result<String, RepoError>,
    title: String,
    ended: &str,
) -> Result<Proposal, GateError> {
    let tree = match left {
        Ok(tree) => tree,
        // What an agent leaves behind is its own fault, and no end to the campaign.
        Err(
            error @ (RepoError::TooLarge { .. } | RepoError::BadPath { .. } | RepoError::Io { .. }),
        ) => {
            return Ok(Proposal::Nothing {
                title: named(title, "unusable worktree"),
                reason: error.to_string(),
            });
        }
        Err(error) => return Err(error.into()),
    };
    let changed = context.repo.patch_between(&context.base.tree, &tree)?;
    if changed.is_empty() {
        return Ok(Proposal::Nothing {
            title: named(title, "no patch"),
            reason: format!("left no change: {ended}"),
        });
    }
    let files: Vec<&str> = changed
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    let stat = format!(
        "{} +{} -{}",
        files.join(" "),
        changed.added,
        changed.removed
    );
    Ok(Proposal::Tree {
        tree,
        title: named(title, &stat),
    })
}

/// What the agent wrote there, if it is a file: a link or a pipe could keep us reading for ever.
fn title_in(path: &Path) -> String {
    head(path, 4096)
        .map(|bytes| plain(&String::from_utf8_lossy(&bytes), 100))
        .unwrap_or_default()
}

/// The beginning of a regular file.
fn head(path: &Path, most: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = open_written(path)?;
    file.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn named(title: String, otherwise: &str) -> String {
    if title.is_empty() {
        plain(otherwise, 100)
    } else {
        title
    }
}
