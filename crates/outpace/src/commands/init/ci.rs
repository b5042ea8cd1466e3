//! `outpace init --ci github`: workflows that use `outpace ci`, in the user's repository.

use std::path::Path;

use anyhow::{Context as _, Result};
use outpace_repo::work_tree;
use outpace_text::is_hex_id;

use crate::exit::{OK, usage};
use crate::options::Options;
use crate::setup::CONFIG;
use crate::ui::Terminal;

/// The workflows by their file names.
pub(super) const WORKFLOWS: [(&str, &str); 4] = [
    (
        "outpace.yml",
        include_str!("../../../templates/github/pull-request.yml"),
    ),
    (
        "outpace-publish.yml",
        include_str!("../../../templates/github/publish.yml"),
    ),
    (
        "outpace-nightly.yml",
        include_str!("../../../templates/github/nightly.yml"),
    ),
    (
        "outpace-research.yml",
        include_str!("../../../templates/github/research.yml"),
    ),
];
const FOLDER: &str = ".github/workflows";
const LABELS: &str = ".github/actionlint.yaml";
/// Labels that GitHub's own runners have.
const HOSTED: [&str; 3] = ["ubuntu-", "windows-", "macos-"];
/// The action where no other one is named. A tag can be moved, so the user is told to pin it.
const ACTION: &str = concat!("outpace-dev/outpace@v", env!("CARGO_PKG_VERSION"));

pub(super) fn run(options: &Options, runner: &str, action: Option<&str>) -> Result<u8> {
    let labels = labels(runner)?;
    let reference = action.unwrap_or(ACTION);
    check_action(reference)?;
    let tree = work_tree(&options.folder())?;
    let mut files: Vec<(String, String)> = WORKFLOWS
        .iter()
        .map(|(name, text)| {
            (
                format!("{FOLDER}/{name}"),
                rendered(text, &labels, reference),
            )
        })
        .collect();
    let own = linter_labels(&labels);
    let has_own = own.is_some() && tree.root.join(LABELS).exists();
    files.extend(
        own.filter(|_| !has_own)
            .map(|text| (LABELS.to_owned(), text)),
    );
    // All or nothing: nobody's workflow is overwritten.
    if let Some((path, _)) = files.iter().find(|(path, _)| tree.root.join(path).exists()) {
        return Err(usage(format!(
            "{path} is already there. Hint: delete or rename it first"
        )));
    }
    let mut ui = Terminal::new(options);
    for (path, text) in &files {
        write(&tree.root.join(path), text)?;
        ui.result(&format!("wrote {path}"));
    }
    if has_own {
        let names = labels.join(", ");
        ui.say(
            "missing",
            &format!("{LABELS} is yours: add the labels {names} to it"),
        );
    }
    advise(&tree.root, &labels, action, &mut ui);
    Ok(OK)
}

/// What only a person can do.
fn advise(root: &Path, labels: &[String], action: Option<&str>, ui: &mut Terminal) {
    if action.is_none_or(|action| !is_pinned(action)) {
        ui.say(
            "missing",
            &format!(
                "`{}` can be moved: `--action OWNER/NAME@COMMIT` pins it",
                action.unwrap_or(ACTION)
            ),
        );
    }
    if !root.join(CONFIG).exists() {
        ui.say("missing", "outpace.toml: `outpace init` writes one");
    }
    if labels.iter().all(|label| is_hosted(label)) {
        ui.say("note", "GitHub's own runners are noisy and have no GPU: `--runner self-hosted,gpu` names yours");
    }
    ui.say("next", "Settings, Environments: `outpace-forks` and `outpace-research` with required reviewers; then commit .github");
}

pub(super) fn rendered(text: &str, labels: &[String], action: &str) -> String {
    let runner = match labels {
        [only] => only.clone(),
        labels => format!("[{}]", labels.join(", ")),
    };
    text.replace("@RUNNER@", &runner)
        .replace("@ACTION@", action)
}

/// A label is a word, so that it can be nothing else in YAML.
fn labels(runner: &str) -> Result<Vec<String>> {
    let labels: Vec<String> = runner
        .split(',')
        .map(|label| label.trim().to_owned())
        .collect();
    let is_word = |label: &String| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    match labels.iter().find(|label| !is_word(label)) {
        Some(label) => Err(usage(format!(
            "--runner: `{label}` is no label. Hint: letters, digits, `-`, `_` and `.`, such as self-hosted,gpu"
        ))),
        None => Ok(labels),
    }
}

fn check_action(action: &str) -> Result<()> {
    let is_word = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
    };
    match action.split_once('@') {
        Some((name, "COMMIT" | "commit")) => Err(usage(format!(
            "--action: COMMIT stands for the id of one. Hint: `git ls-remote \
             https://github.com/{name} HEAD` shows the newest",
        ))),
        Some((name, version)) if name.contains('/') && is_word(name) && is_word(version) => Ok(()),
        _ => Err(usage(format!(
            "--action: `{action}` is not OWNER/NAME@COMMIT"
        ))),
    }
}

fn is_pinned(action: &str) -> bool {
    let commit = action.split_once('@').map_or("", |(_, commit)| commit);
    is_hex_id(commit, 40)
}

fn is_hosted(label: &str) -> bool {
    HOSTED.iter().any(|prefix| label.starts_with(prefix))
}

/// The labels that a linter cannot know.
fn linter_labels(labels: &[String]) -> Option<String> {
    let own: Vec<&String> = labels
        .iter()
        .filter(|label| !is_hosted(label) && *label != "self-hosted")
        .collect();
    if own.is_empty() {
        return None;
    }
    let lines: String = own.iter().map(|label| format!("    - {label}\n")).collect();
    Some(format!(
        "self-hosted-runner:\n  # The runners that measure.\n  labels:\n{lines}"
    ))
}

fn write(path: &Path, text: &str) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(cannot)?;
    }
    std::fs::write(path, text).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This repository uses its own workflows, so that they are as good as what users get.
    #[test]
    fn the_workflows_of_this_repository_are_the_templates() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let labels = labels("self-hosted,gpu").unwrap();
        for (name, template) in WORKFLOWS {
            let path = root.join(FOLDER).join(name);
            let text = std::fs::read_to_string(&path).unwrap();
            let uses = text
                .lines()
                .find_map(|line| line.split("uses: outpace-dev/outpace@").nth(1));
            let action = format!("outpace-dev/outpace@{}", uses.unwrap_or_default());
            assert!(is_pinned(&action), "{name}: {action}");
            assert_eq!(text, rendered(template, &labels, &action), "{name}");
        }
        let known = std::fs::read_to_string(root.join(LABELS)).unwrap();
        assert_eq!(Some(known), linter_labels(&labels));
    }

    #[test]
    fn every_action_of_a_template_is_pinned_by_a_commit() {
        for (name, template) in WORKFLOWS {
            let uses = template
                .lines()
                .filter_map(|line| line.trim().strip_prefix("- uses: "));
            let steps = template
                .lines()
                .filter_map(|line| line.trim().strip_prefix("uses: "));
            for action in uses.chain(steps) {
                let reference = action.split(' ').next().unwrap_or_default();
                assert!(
                    reference == "@ACTION@" || is_pinned(reference),
                    "{name}: {action}"
                );
            }
        }
    }

    #[test]
    fn labels_and_actions_are_words() {
        assert_eq!(labels("self-hosted, gpu").unwrap(), ["self-hosted", "gpu"]);
        for bad in ["", "a,", "a: b", "x]\nrun"] {
            assert!(labels(bad).is_err(), "{bad}");
        }
        assert!(check_action("o/n@v1").is_ok());
        for bad in ["o/n", "n@v1", "o/n@", "o/n@a b", "o/n@COMMIT"] {
            assert!(check_action(bad).is_err(), "{bad}");
        }
        assert_eq!(linter_labels(&["ubuntu-latest".to_owned()]), None);
    }
}
