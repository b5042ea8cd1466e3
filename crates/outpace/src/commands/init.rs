//! `outpace init`: a commented configuration for the repository it finds.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result};

use crate::exit::{OK, usage};
use crate::options::Options;
use crate::setup::{CONFIG, open_repo};
use crate::ui::Terminal;

/// Write a commented outpace.toml for this repository (Cargo, Python, CMake, or bare).
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  outpace init && $EDITOR outpace.toml && git add outpace.toml && git commit -m 'outpace'"
)]
pub(crate) struct Args {}

pub(crate) fn run(options: &Options, _args: &Args) -> Result<u8> {
    let root = match open_repo(options) {
        Ok(repo) => repo.root().to_owned(),
        // `init` is wanted most in a repository without commits. Other errors are returned.
        Err(error) => match error.downcast_ref::<outpace_repo::RepoError>() {
            Some(outpace_repo::RepoError::NoCommits { path }) => path.clone(),
            _ => return Err(error),
        },
    };
    let kind = detect(&root);
    let path = root.join(CONFIG);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => usage(format!(
                "{} is already there. Hint: edit it",
                path.display()
            )),
            _ => anyhow::Error::from(error).context(format!("cannot write {}", path.display())),
        })?;
    file.write_all(template(&kind).as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    let mut ui = Terminal::new(options);
    ui.result(&format!("wrote {}", path.display()));
    ui.say(
        "next",
        "read it, set `run`, commit it, then: outpace doctor",
    );
    Ok(OK)
}

enum Project {
    Cargo { package: String },
    Python { script: String },
    Cmake,
    Bare,
}

fn detect(root: &Path) -> Project {
    if let Ok(manifest) = std::fs::read_to_string(root.join("Cargo.toml")) {
        let package = manifest
            .parse::<toml::Table>()
            .ok()
            .and_then(|table| Some(table.get("package")?.get("name")?.as_str()?.to_owned()));
        return Project::Cargo {
            package: package.unwrap_or_else(|| "my-trainer".into()),
        };
    }
    if root.join("CMakeLists.txt").is_file() {
        return Project::Cmake;
    }
    let scripts = ["train.py", "main.py", "src/train.py"];
    let script = scripts.iter().find(|path| root.join(path).is_file());
    if script.is_some()
        || ["pyproject.toml", "setup.py", "requirements.txt"]
            .iter()
            .any(|f| root.join(f).is_file())
    {
        return Project::Python {
            script: (*script.unwrap_or(&"train.py")).to_owned(),
        };
    }
    Project::Bare
}

fn template(project: &Project) -> String {
    let (workload, editable) = match project {
        Project::Cargo { package } => (
            format!(
                "fetch    = [\"cargo\", \"fetch\", \"--locked\"]                # run on the base, the only command with a network\n\
                 build    = [\"cargo\", \"build\", \"--release\", \"--locked\", \"-p\", \"{package}\"]\n\
                 cache_from = \"target\"                                  # the first build begins with what you have compiled already\n\
                 run      = [\"{{target}}/release/{package}\"]                 # {{target}} is the build's target folder\n"
            ),
            "[\"src/**\"]".to_owned(),
        ),
        // Not `**/*.py`: that would hold setup.py and the tests, which judge.
        Project::Python { script } => {
            let folder = script.rsplit_once('/').map(|(folder, _)| folder);
            let editable = folder.map_or_else(|| format!("[\"{script}\"]"), |f| format!("[\"{f}/**/*.py\"]"));
            (format!("build    = []\nrun      = [\"python3\", \"{script}\"]\n"), editable)
        }
        Project::Cmake => (
            "build    = [\"sh\", \"-c\", \"cmake -S . -B {target} -DCMAKE_BUILD_TYPE=Release && cmake --build {target}\"]\n\
             run      = [\"{target}/train\"]\n"
                .to_owned(),
            "[\"src/**\"]".to_owned(),
        ),
        Project::Bare => (
            "build    = []\nrun      = [\"./train\"]\n".to_owned(),
            "[\"src/**\"]".to_owned(),
        ),
    };
    format!(
        "# What outpace needs to know of this repository. It is read from the base of a comparison, never from the candidate.\n\
         version = 1\n\
         \n\
         [workload.train]\n\
         track    = \"throughput\"              # the same mathematics in less time per token\n\
         {workload}\
         # The program speaks the step protocol over the Unix socket in OUTPACE_SOCKET (JSON lines: hello, start, step, save,\n\
         # stop). If it does not, whole commands are timed instead, and nothing but `verify` checks the results:\n\
         # protocol = \"process\"\n\
         # evaluate = [...]                    # prints {{\"loss\": ..., \"tokens\": ...}}; gets --checkpoint FILE --data-seed N\n\
         # verify   = [\"pytest\", \"-q\"]         # must pass on the candidate\n\
         # reads    = [\"configs/**\"]           # files that the program reads when it runs; default: all\n\
         # timeout  = \"60s\"                    # longest wait for one answer\n\
         # gpu      = \"auto\"                   # where both processes live on GPUs: none, auto, shared, apart, alternating\n\
         \n\
         [policy]\n\
         editable = {editable}                 # what a patch may change: never build scripts, tests or data\n\
         max_patch_kib = 64\n\
         \n\
         [gate]\n\
         alpha = 0.01                          # how often a patch that is not faster may be called faster\n\
         min_speedup = 0.005                   # the gain that must be exceeded\n\
         max_blocks = 100\n\
         \n\
         # Values that `outpace research --agent tune` may try.\n\
         # [[tunable]]\n\
         # file = \"src/kernel.rs\"\n\
         # const = \"TILE\"\n\
         # values = [16, 32, 64]\n\
         \n\
         # An agent is any command; its patch is what it leaves in its worktree.\n\
         # [agent.claude]\n\
         # command = [\"claude\", \"-p\", \"{{prompt}}\", \"--output-format\", \"json\", \"--permission-mode\", \"acceptEdits\"]\n\
         # pass_env = [\"ANTHROPIC_API_KEY\"]\n\
         # timeout = \"20m\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_a_valid_configuration() {
        let projects = [
            Project::Cargo {
                package: "x".into(),
            },
            Project::Python {
                script: "train.py".into(),
            },
            Project::Cmake,
            Project::Bare,
        ];
        for project in projects {
            let text = template(&project);
            outpace_record::parse_config(&text, CONFIG)
                .unwrap_or_else(|error| panic!("{error}\n{text}"));
        }
    }
}
