//! The agent that proposes known patches again, in their order: those of a range of commits, or
//! those in a folder. What was faster on one machine is proven anew on another, in one campaign.

use std::path::Path;

use outpace_record::{Observer, PolicyConfig};
use outpace_repo::{Repo, RepoError, decode_patch};
use outpace_text::plain;

use crate::attempts::may_be_proposed_again;
use outpace_gate::GateError;

use super::agent::{Agent, AgentContext, Proposal};

/// The `replay` agent.
#[derive(Debug, Clone)]
pub struct Replay {
    patches: Vec<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    title: String,
    text: String,
}

impl Replay {
    /// The commits of `A..B` along first parents, oldest first; of each what `policy.editable` lets
    /// an agent change. Commits that change nothing of that are left out.
    ///
    /// # Errors
    /// A revision is unknown, or no commit changes anything that is editable.
    pub fn of_range(repo: &Repo, range: &str, policy: &PolicyConfig) -> Result<Self, GateError> {
        let mut patches = Vec::new();
        for commit in repo.commits(range)? {
            let Some(parent) = commit.parents.first() else {
                continue;
            };
            let parent = repo.resolve(parent)?;
            let tree = repo.with_part(&parent.tree, &commit.tree, &policy.editable)?;
            let patch = repo.patch_between(&parent.tree, &tree)?;
            if !patch.is_empty() {
                patches.push((commit.summary, patch.text));
            }
        }
        Self::of(patches, range)
    }

    /// The files `*.patch` and `*.diff` of a folder, in the order of their names.
    ///
    /// # Errors
    /// The folder cannot be read, a patch is no text, or there is none.
    pub fn of_folder(folder: &Path) -> Result<Self, GateError> {
        let entries = std::fs::read_dir(folder).map_err(GateError::disk(folder))?;
        let paths = entries.map(|entry| entry.map(|e| e.path()));
        let mut paths: Vec<_> = paths
            .collect::<Result<_, _>>()
            .map_err(GateError::disk(folder))?;
        paths.retain(|path| {
            let is_patch = |e: &std::ffi::OsStr| e == "patch" || e == "diff";
            path.is_file() && path.extension().is_some_and(is_patch)
        });
        paths.sort();
        let mut patches = Vec::new();
        for path in paths {
            let bytes = std::fs::read(&path).map_err(GateError::disk(&path))?;
            let text = decode_patch(&bytes).map_err(|error| {
                let path = path.display();
                GateError::Usage(format!(
                    "{path}: {error}. Hint: take it out of the directory"
                ))
            })?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            patches.push((subject(&text).unwrap_or(name.into_owned()), text));
        }
        Self::of(patches, &folder.display().to_string())
    }

    fn of(patches: Vec<(String, String)>, source: &str) -> Result<Self, GateError> {
        if patches.is_empty() {
            return Err(GateError::Usage(format!(
                "{source} holds no patch to propose. Hint: a range of commits that change what policy.editable names, or a folder of *.patch files"
            )));
        }
        let all = patches.len();
        let named = |(n, (summary, text)): (usize, (String, String))| Known {
            title: format!("{}/{all} {}", n + 1, plain(&summary, 80)),
            text,
        };
        Ok(Self {
            patches: patches.into_iter().enumerate().map(named).collect(),
        })
    }
}

/// The subject line of a patch that `git format-patch` wrote.
fn subject(text: &str) -> Option<String> {
    let head = text.lines().take_while(|line| !line.starts_with("diff "));
    let subject = head
        .filter_map(|line| line.strip_prefix("Subject: "))
        .next()?;
    let tagged = subject
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "));
    Some(tagged.map_or(subject, |(_, title)| title).to_owned())
}

impl Agent for Replay {
    fn name(&self) -> &str {
        "replay"
    }

    fn may_fail_in_a_row(&self) -> bool {
        true
    }

    fn propose(
        &mut self,
        context: &AgentContext<'_>,
        _observer: &mut dyn Observer,
    ) -> Result<Proposal, GateError> {
        let done = |known: &&Known| {
            context
                .attempts
                .iter()
                .any(|a| a.title == known.title && !may_be_proposed_again(a))
        };
        let Some(next) = self.patches.iter().find(|known| !done(known)) else {
            return Ok(Proposal::Exhausted {
                reason: format!("all {} patches were proposed", self.patches.len()),
            });
        };
        let title = next.title.clone();
        match context.repo.apply_onto(context.base, &next.text) {
            Ok(tree) => Ok(Proposal::Tree { tree, title }),
            Err(
                error @ (RepoError::DoesNotApply { .. }
                | RepoError::NotAPatch { .. }
                | RepoError::BadPath { .. }),
            ) => Ok(Proposal::Nothing {
                title,
                reason: error.to_string(),
            }),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_found_in_the_head_only() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(subject(text).as_deref(), expect, "{text}");
        };
        check(
            "From 1 Mon\nSubject: [PATCH 2/3] wider tiles\n\ndiff --git a/x b/x\n",
            Some("wider tiles"),
        );
        check("Subject: plain\ndiff --git a/x b/x\n", Some("plain"));
        check("diff --git a/x b/x\n+Subject: not me\n", None);
    }
}
