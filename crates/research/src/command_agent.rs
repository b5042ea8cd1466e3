//! Any command as an agent: it works in a worktree of its own, and its patch is the diff that it leaves there.
//!
//! What it prints and how it exits is kept in a log and believed in nothing: command lines of agents differ, and some exit
//! with 0 after refusing to work.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::Path;

use outpace_record::{AgentConfig, plain};
use outpace_repo::RepoError;
use outpace_trial::{Context, LaunchError, LaunchSpec, Limits, open_written};

use crate::error::disk;
use crate::{Agent, Idea, ResearchError, View, briefing};

/// The most that is kept of each stream of an agent.
const LOG_BYTES: u64 = 16 << 20;
/// Variables that agents' command lines commonly need to find their own settings; no repository credentials are among them.
const PASSED: [&str; 6] = [
    "HOME",
    "USER",
    "SHELL",
    "TERM",
    "XDG_CONFIG_HOME",
    "SSL_CERT_FILE",
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

    fn propose(&mut self, view: &View<'_>) -> Result<Idea, ResearchError> {
        let number = view.attempts.last().map_or(0, |a| a.number) + 1;
        let scratch = self
            .context
            .fresh_scratch()
            .map_err(disk(&std::env::temp_dir()))?;
        let worktree = scratch.path().join("worktree");
        view.repo
            .scratch_worktree(&view.base.tree, &worktree, "base")?;
        let (context_file, prompt_file, title_file) = (
            scratch.path().join("context.md"),
            scratch.path().join("prompt.md"),
            scratch.path().join("title.txt"),
        );
        let prompt = briefing::prompt(
            view,
            &context_file.to_string_lossy(),
            &title_file.to_string_lossy(),
        );
        fs::write(&context_file, briefing::context(view)).map_err(disk(&context_file))?;
        fs::write(&prompt_file, &prompt).map_err(disk(&prompt_file))?;
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
        };
        let ended = self.run(&spec, &view.logs.join(format!("{number:05}-agent.log")))?;
        let left = view.repo.tree_from_dir(&view.base.tree, &worktree);
        let title = title_in(&title_file);
        drop(scratch);
        let tree = match left {
            Ok(tree) => tree,
            // What an agent leaves behind is its own fault, and no end to the campaign.
            Err(
                error @ (RepoError::TooLarge { .. }
                | RepoError::BadPath { .. }
                | RepoError::Io { .. }),
            ) => {
                return Ok(Idea::Nothing {
                    title: named(title, "unusable worktree"),
                    reason: error.to_string(),
                });
            }
            Err(error) => return Err(error.into()),
        };
        let changed = view.repo.patch_between(&view.base.tree, &tree)?;
        if changed.is_empty() {
            return Ok(Idea::Nothing {
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
        Ok(Idea::Tree {
            tree,
            title: named(title, &stat),
        })
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
    fn run(&self, spec: &LaunchSpec, log: &Path) -> Result<String, ResearchError> {
        let outcome = self.context.launcher.run(spec, self.config.timeout);
        let output = ["stdout", "stderr"]
            .map(|name| head(&spec.scratch.join(name), LOG_BYTES).unwrap_or_default());
        fs::write(log, output.concat()).map_err(disk(log))?;
        match outcome {
            Ok(finished) => Ok(format!(
                "the command ended with exit code {}; log: {}",
                finished.code,
                log.display()
            )),
            Err(error @ LaunchError::System { .. }) => {
                Err(ResearchError::Environment(error.to_string()))
            }
            Err(LaunchError::Cancelled) => Err(ResearchError::Interrupted(Vec::new())),
            Err(error @ LaunchError::Timeout { .. }) => Ok(error.to_string()),
            Err(error @ LaunchError::Start { .. }) => Err(ResearchError::Usage(format!(
                "agent `{}`: {error}. Hint: is the command in [agent.{}] installed and in PATH?",
                self.name, self.name
            ))),
        }
    }
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
