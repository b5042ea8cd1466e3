//! `outpace init`: a configuration that works for the repository it finds, or a line for each thing
//! that is missing.

mod cargo;
mod ci;
mod kinds;
mod look;
mod make;
mod project;
mod python;
mod template;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result};
use outpace_repo::work_tree;
use outpace_report::shell_word;

use crate::exit::{OK, usage};
use crate::options::Options;
use crate::setup::CONFIG;
use crate::ui::Terminal;
use look::Checkout;
use project::Project;

/// Write an outpace.toml for this repository (Cargo, Python, CMake, Make, or bare).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  outpace init && git add outpace.toml && git commit -m outpace && outpace doctor
  outpace init --ci github --runner self-hosted,gpu")]
pub(crate) struct Args {
    /// Write the workflows of a CI service: pull requests, nightly, research.
    #[arg(long, value_enum, value_name = "SERVICE")]
    ci: Option<Service>,
    /// With `--ci`: labels of the runner that measures, separated by commas.
    #[arg(
        long,
        requires = "ci",
        value_name = "LABELS",
        default_value = "ubuntu-latest"
    )]
    runner: String,
    /// With `--ci`: the action that installs outpace, pinned by a commit.
    #[arg(long, requires = "ci", value_name = "OWNER/NAME@COMMIT")]
    action: Option<String>,
}

/// Where workflows run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Service {
    Github,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    if args.ci.is_some() {
        return ci::run(options, &args.runner, args.action.as_deref());
    }
    let checkout = Checkout::new(work_tree(&options.folder())?);
    let path = checkout.tree.root.join(CONFIG);
    let project = kinds::of(&checkout);
    write_new(&path, &template::text(&project))?;
    let mut ui = Terminal::new(options);
    ui.result(&format!("wrote {}", path.display()));
    for line in &project.found {
        ui.say("found", line);
    }
    for line in &project.missing {
        ui.say("missing", line);
    }
    if !project.speaks {
        ui.say(
            "note",
            "whole commands are timed (protocol = \"process\"): `run` should take seconds",
        );
    }
    let (named, others) = uncommitted(&checkout, &project);
    let add = format!("git add outpace.toml{named} && git commit -m outpace && outpace doctor");
    if let Some(first) = others.first() {
        ui.say(
            "note",
            &format!(
                "{} not committed, and seen by no program until then ({first})",
                match others.len() {
                    1 => "another file is".to_owned(),
                    n => format!("{n} more files are"),
                }
            ),
        );
    }
    let is_root = std::fs::canonicalize(options.folder()).ok()
        == std::fs::canonicalize(&checkout.tree.root).ok();
    if !is_root {
        ui.say(
            "note",
            "programs start in the repository's root; `cwd = \"FOLDER\"` in the workload starts them \
             elsewhere",
        );
    }
    let first = match (project.needs_edit, is_root) {
        (true, _) => "edit outpace.toml, then: ".to_owned(),
        (false, true) => String::new(),
        (false, false) => format!("cd {} && ", checkout.tree.root.display()),
    };
    ui.say("next", &format!("{first}{add}"));
    Ok(OK)
}

/// Files that git does not have yet: those that the commands name, as words for `git add`, and the
/// others.
fn uncommitted(checkout: &Checkout, project: &Project) -> (String, Vec<String>) {
    let commands = [&project.fetch, &project.build, &project.run];
    let words: Vec<&str> = commands
        .into_iter()
        .flatten()
        .map(|word| word.trim_start_matches("./"))
        .collect();
    let untracked = checkout
        .tree
        .untracked
        .iter()
        .filter(|path| *path != CONFIG);
    let (named, others): (Vec<_>, Vec<_>) = untracked
        .cloned()
        .partition(|path| words.contains(&&**path));
    let named = named.iter().map(|path| format!(" {}", shell_word(path)));
    (named.collect(), others)
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let opened = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = match opened {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let path = path.display();
            return Err(usage(format!("{path} is already there. Hint: edit it")));
        }
        opened => opened.with_context(cannot)?,
    };
    file.write_all(text.as_bytes()).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use outpace_repo::WorkTree;

    use super::*;

    /// A checkout with these files; those in `ignored` git ignores.
    fn checkout(dir: &Path, files: &[(&str, &str)], ignored: &[&str]) -> Checkout {
        for (path, text) in files {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let is_ignored = |path: &str| ignored.iter().any(|glob| path.starts_with(glob));
        let mut tracked: Vec<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
        tracked.retain(|path| !is_ignored(path));
        tracked.sort();
        Checkout::new(WorkTree {
            root: dir.to_owned(),
            files: tracked.clone(),
            untracked: tracked,
            ignored: ignored.iter().map(|path| (*path).to_owned()).collect(),
        })
    }

    #[test]
    fn each_kind_gets_a_configuration_that_reads() {
        let train = "import torch\nopen('data/train.bin')\nloss.backward()\n";
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a str, &'a str);
        let cases: [Case<'_>; 10] = [
            (
                &[
                    ("Cargo.toml", "[package]\nname = \"t\"\n"),
                    ("Cargo.lock", ""),
                    ("src/main.rs", ""),
                ],
                &[],
                "{target}/release/t",
                "src/**/*.rs",
            ),
            (
                &[
                    ("uv.lock", ""),
                    ("pyproject.toml", ""),
                    ("train.py", train),
                    ("data/train.bin", "x"),
                    (".venv/bin/python", ""),
                ],
                &["data/", ".venv/"],
                ".venv/bin/python train.py",
                "train.py",
            ),
            (
                &[("go_train.py", train), ("model.py", "")],
                &[],
                "python3 go_train.py",
                "go_train.py",
            ),
            (
                &[
                    ("CMakeLists.txt", "add_executable(gpt src/gpt.cpp)"),
                    ("src/gpt.cpp", ""),
                ],
                &[],
                "{target}/bin/gpt",
                "src/**/*.cpp",
            ),
            (
                &[
                    ("Makefile", "train: train.c\n\tcc train.c\n"),
                    ("train.c", ""),
                ],
                &[],
                "{target}/train",
                "*.c",
            ),
            (
                &[
                    ("Makefile", "train_gpt2: train_gpt2.c\n\tcc train_gpt2.c\n"),
                    ("train_gpt2.c", ""),
                    ("kernels.cu", ""),
                    ("requirements.txt", ""),
                    ("train_gpt2.py", train),
                ],
                &[],
                "{target}/train_gpt2",
                "*.c",
            ),
            (
                &[
                    ("requirements.txt", ""),
                    ("gpt/__init__.py", ""),
                    ("gpt/train.py", "from .model import Model\nglob('*.bin')\n"),
                    ("gpt/model.py", ""),
                    ("a.bin", "x"),
                ],
                &["a.bin"],
                "python3 -m gpt.train",
                "gpt/**/*.py",
            ),
            (
                &[("gpt/__main__.py", train), ("data/train.bin", "")],
                &[],
                "python3 -m gpt",
                "gpt/**/*.py",
            ),
            (&[("notes.txt", "")], &[], "./train", "src/**"),
            (
                &[("odd\"name/train.py", "")],
                &[],
                "python3 odd\"name/train.py",
                "odd\"name/**/*.py",
            ),
        ];
        for (files, ignored, run, editable) in cases {
            let dir = tempfile::tempdir().unwrap();
            let project = kinds::of(&checkout(dir.path(), files, ignored));
            let text = template::text(&project);
            let config = outpace_record::parse_config(&text, CONFIG)
                .unwrap_or_else(|error| panic!("{error}\n{text}"));
            let workload = &config.workload["train"];
            assert_eq!(workload.run.join(" "), run, "{text}");
            assert_eq!(config.policy.editable[0], editable, "{text}");
            let data: Vec<&str> = ignored.iter().copied().rev().collect();
            assert_eq!(workload.data, data, "{text}");
        }
    }

    #[test]
    fn data_that_is_not_there_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let train = "open('data/train.bin')\nopen('data/val.bin')\nopen('out/ckpt.pt', 'w')\n";
        let files = [("train.py", train), ("data/val.bin", "x")];
        let project = kinds::of(&checkout(dir.path(), &files, &[]));
        let missing = project.missing.join("\n");
        assert!(missing.contains("train.py names data/train.bin, which is not here"));
        assert!(
            !missing.contains("val.bin") && !missing.contains("ckpt"),
            "{missing}"
        );
    }

    #[test]
    fn the_next_step_adds_what_the_commands_name() {
        let dir = tempfile::tempdir().unwrap();
        let files = [("train me.py", "import torch\n"), ("model.py", "")];
        let checkout = checkout(dir.path(), &files, &[]);
        let project = kinds::of(&checkout);
        let (named, others) = uncommitted(&checkout, &project);
        assert_eq!(
            (&*named, others),
            (" 'train me.py'", vec!["model.py".to_owned()])
        );
    }
}
