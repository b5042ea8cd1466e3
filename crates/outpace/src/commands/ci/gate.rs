//! `outpace ci gate`: judges what the event is about, and leaves the result for another job.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use outpace_github::Event;
use outpace_record::{CiResult, Document, Verdict};
use outpace_repo::Repo;

use crate::exit::{ENVIRONMENT, NOT_PROVEN, OK, usage};
use crate::options::Options;
use crate::setup::{CONFIG, open_repo};
use crate::ui::Terminal;

/// Judge the checked out commit of a pull request, merge group or push against its base.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It needs no token. Exit codes: 0 unless proven slower (3), refused (4), or not measurable (5).")]
pub(crate) struct Args {
    /// Folder that the result is left in.
    #[arg(long, default_value = "outpace-result", value_name = "DIR")]
    out: PathBuf,
    /// What a change has to show: `faster` or `not-slower`.
    #[arg(long, default_value = "not-slower", value_name = "WHAT")]
    require: String,
    /// The share by which it may be slower.
    #[arg(long, value_name = "SHARE")]
    margin: Option<f64>,
    /// Hold the change against `policy.editable`. Default: people review what a pull request
    /// touches.
    #[arg(long)]
    policy: bool,
    /// Workload to use; can be given several times.
    #[arg(short, long = "workload", value_name = "NAME")]
    workloads: Vec<String>,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let event = Event::from_env().map_err(super::failed)?;
    let mut ui = Terminal::new(options);
    let repo = open_repo(options)?;
    let merges = repo.resolve("HEAD")?.parents.len() > 1;
    let base = event.base(merges).map_err(super::failed)?;
    ui.say("event", &format!("{}: HEAD against {base}", event.name));
    // Before hours of measuring: can the result be written at all?
    write(&args.out, &result_of(args, ENVIRONMENT, Vec::new()))?;
    let (code, verdicts) = match has_config(&repo, &base)? {
        true => judge(args, &base)?,
        false => {
            ui.say(
                "result",
                "the base has no outpace.toml yet: there is nothing to judge it by",
            );
            (OK, Vec::new())
        }
    };
    write(&args.out, &result_of(args, code, verdicts))?;
    ui.say(
        "result",
        &args.out.join("result.json").display().to_string(),
    );
    Ok(match code {
        NOT_PROVEN => OK,
        code => code,
    })
}

fn result_of(args: &Args, exit_code: u8, verdicts: Vec<Verdict>) -> CiResult {
    CiResult {
        schema: CiResult::SCHEMA.into(),
        exit_code,
        required: args.require.clone(),
        verdicts,
    }
}

/// Whether the base says how it is measured. The change that brings outpace.toml cannot be judged.
fn has_config(repo: &Repo, base: &str) -> Result<bool> {
    let base = repo
        .resolve(base)
        .map_err(|error| match repo.is_shallow() {
            true => usage(format!(
                "{base} is not in this shallow clone. Hint: `fetch-depth: 2` in the checkout step"
            )),
            false => error.into(),
        })?;
    Ok(repo.read(&base.tree, CONFIG)?.is_some())
}

/// Runs the same command that a user would; its progress goes to the job's log.
fn judge(args: &Args, base: &str) -> Result<(u8, Vec<Verdict>)> {
    let own = std::env::current_exe().context("cannot find the program itself")?;
    let mut gate = Command::new(own);
    gate.args([
        "gate",
        "HEAD",
        "--base",
        base,
        "--json",
        "--require",
        &args.require,
    ]);
    if let Some(margin) = args.margin {
        gate.args(["--margin", &margin.to_string()]);
    }
    if !args.policy {
        gate.arg("--any-path");
    }
    for name in &args.workloads {
        gate.args(["--workload", name]);
    }
    if let Some(summary) = std::env::var_os("GITHUB_STEP_SUMMARY") {
        gate.arg("--summary").arg(summary);
    }
    let gate = gate.stderr(Stdio::inherit()).output();
    let output = gate.context("cannot start the gate")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let verdicts = text
        .lines()
        .filter_map(|line| Verdict::from_json(line).ok());
    let code = output
        .status
        .code()
        .and_then(|code| u8::try_from(code).ok());
    Ok((code.unwrap_or(ENVIRONMENT), verdicts.collect()))
}

fn write(folder: &Path, result: &CiResult) -> Result<()> {
    let cannot = || format!("cannot write {}", folder.display());
    std::fs::create_dir_all(folder).with_context(cannot)?;
    std::fs::write(folder.join("result.json"), result.to_json()).with_context(cannot)
}
