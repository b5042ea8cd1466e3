//! `outpace compare`: one trial between two revisions or two commands; nothing is merged.

use anyhow::Result;
use clap::builder::RangedU64ValueParser;
use outpace_record::{Document, GpuMode, Kind, Verdict};
use outpace_research::{
    Answer, Commands, Question, RepoSources, ResearchError, compare_commands, gate,
};
use outpace_stats::Rule;

use crate::exit::{INTERRUPTED, usage};
use crate::options::{Measuring, Options};
use crate::screen::Screen;
use crate::setting::{
    VERSION, bench, config_of, context, lock, open_repo, surroundings, typed_command,
    warn_of_few_blocks, workloads,
};

/// Compare two revisions, or two commands without git: one trial, no merge.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  outpace compare main my-branch
  outpace compare HEAD HEAD --aa --json
  outpace compare --base-cmd 'python3 train.py' --candidate-cmd './train'

Exit codes: 0 faster, 1 not_proven or same, 2 usage, 3 slower, 4 rejected, 5 environment, 130 interrupted.")]
pub(crate) struct Args {
    /// The revision that stands.
    #[arg(required_unless_present = "base_cmd")]
    base: Option<String>,
    /// The one that wants to replace it.
    #[arg(required_unless_present = "base_cmd")]
    candidate: Option<String>,
    /// Command of the base, run by `sh -c` in this folder; it speaks the step protocol.
    #[arg(long, value_name = "CMD", requires = "candidate_cmd", conflicts_with_all = ["base", "candidate"])]
    base_cmd: Option<String>,
    /// Command of the candidate.
    #[arg(long, value_name = "CMD", requires = "base_cmd")]
    candidate_cmd: Option<String>,
    /// The commands are whole runs to be timed from start to end; they do not speak the step protocol.
    #[arg(long, requires = "base_cmd")]
    whole_commands: bool,
    /// Where the two commands live on GPUs: none, auto, shared, apart or alternating (the key `gpu` of a workload).
    #[arg(long, value_name = "MODE", requires = "base_cmd", default_value = "auto", value_parser = gpu_mode, hide_default_value = true)]
    gpu: GpuMode,
    /// Time equal artefacts too.
    #[arg(long)]
    aa: bool,
    /// Most blocks.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    max_blocks: Option<usize>,
    #[command(flatten)]
    measuring: Measuring,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let mut screen = Screen::new(options);
    let outcome = match (&args.base_cmd, &args.candidate_cmd) {
        (Some(base), Some(candidate)) => commands(args, [base, candidate], &mut screen),
        _ => revisions(options, args, &mut screen),
    };
    match outcome {
        Ok((answer, repo)) => finish(
            args,
            &answer.verdicts,
            answer.kind,
            repo.as_ref(),
            &mut screen,
        ),
        // What was measured until Ctrl-C is kept and shown.
        Err(error) => match error.downcast::<ResearchError>() {
            Ok(ResearchError::Interrupted(partial)) if !partial.is_empty() => {
                let repo = open_repo(options).ok().filter(|_| args.base_cmd.is_none());
                finish(args, &partial, Kind::NotProven, repo.as_ref(), &mut screen)?;
                Ok(INTERRUPTED)
            }
            Ok(other) => Err(other.into()),
            Err(other) => Err(other),
        },
    }
}

type Outcome = (Answer, Option<outpace_repo::Repo>);

fn revisions(options: &Options, args: &Args, screen: &mut Screen) -> Result<Outcome> {
    let repo = open_repo(options)?;
    let (base, candidate) = (
        args.base.as_deref().unwrap_or("HEAD"),
        args.candidate.as_deref().unwrap_or("HEAD"),
    );
    let (base, candidate) = (repo.resolve(base)?, repo.resolve(candidate)?);
    let config = config_of(&repo, &base)?;
    let names = workloads(&config, &args.measuring.workloads)?;
    let (context, _cancel) = context()?;
    let patch = repo.patch_between(&base.tree, &candidate.tree)?;
    for (label, commit) in [("base", &base), ("candidate", &candidate)] {
        screen.revision(label, commit);
    }
    warn_of_few_blocks(&rule(args, &config.gate), screen);
    let question = Question {
        title: outpace_record::plain(&candidate.summary, 100),
        tree: candidate.tree.clone(),
        candidate: Some(candidate.id.clone()),
        base,
        patch,
        agent: None,
        workloads: names,
        rule: rule(args, &config.gate),
        seed: args.measuring.seed(),
        aa: args.aa,
    };
    let sources = RepoSources(&repo);
    let answer = {
        let _lock = lock(&repo, &context, screen)?;
        let mut bench = bench(&repo, &config, &context, &sources);
        gate(&mut bench, &question, screen)?
    };
    Ok((answer, Some(repo)))
}

fn rule(args: &Args, gate: &outpace_record::GateConfig) -> Rule {
    Rule {
        min_speedup: gate.min_speedup,
        alpha: gate.alpha,
        threshold: None,
        screen: false,
        max_blocks: args.max_blocks.unwrap_or(gate.max_blocks),
        sum_threshold: None,
    }
    .of_programs()
}

fn gpu_mode(text: &str) -> Result<GpuMode, String> {
    let known = GpuMode::ALL.iter().find(|mode| mode.as_str() == text);
    known.copied().ok_or_else(|| {
        let words = GpuMode::ALL.map(GpuMode::as_str).join(", ");
        format!("known here: {words}")
    })
}

fn commands(args: &Args, commands: [&String; 2], screen: &mut Screen) -> Result<Outcome> {
    if !args.measuring.workloads.is_empty() {
        return Err(usage(
            "--workload names one of a repository's outpace.toml; --base-cmd and --candidate-cmd need none",
        ));
    }
    let (context, _cancel) = context()?;
    let subjects = [
        typed_command(commands[0], None)?,
        typed_command(commands[1], None)?,
    ];
    let gate = outpace_record::GateConfig::default();
    let (machine, tier) = surroundings();
    let typed = Commands {
        subjects: [&subjects[0], &subjects[1]],
        texts: [commands[0], commands[1]],
        whole: args.whole_commands,
        gpu: args.gpu,
    };
    let (seed, surroundings) = (args.measuring.seed(), (&machine, tier, VERSION));
    let verdict = compare_commands(
        &context,
        &typed,
        &rule(args, &gate),
        &gate,
        seed,
        surroundings,
        screen,
    )?;
    let answer = Answer {
        kind: verdict.verdict,
        reason: verdict.reason.clone(),
        verdicts: vec![verdict],
        timed: true,
        build_s: 0.0,
        check_s: 0.0,
    };
    Ok((answer, None))
}

/// Shows verdicts, appends them to the history where there is one, and gives the exit code.
fn finish(
    args: &Args,
    verdicts: &[Verdict],
    kind: Kind,
    repo: Option<&outpace_repo::Repo>,
    screen: &mut Screen,
) -> Result<u8> {
    if let Some(repo) = repo {
        record(repo, verdicts)?;
    }
    print(args.measuring.json, verdicts, screen)?;
    Ok(kind.exit_code())
}

/// Appends verdicts to the history.
pub(crate) fn record(repo: &outpace_repo::Repo, verdicts: &[Verdict]) -> Result<Vec<String>> {
    let texts: Vec<(String, String)> = verdicts
        .iter()
        .map(|v| (v.finished.date(), v.to_json()))
        .collect();
    let records: Vec<(&str, &str, &str)> = texts
        .iter()
        .map(|(date, json)| ("verdict", &**date, &**json))
        .collect();
    Ok(repo.history().append(&records)?)
}

/// One JSON document a verdict, or a line a verdict.
pub(crate) fn print(json: bool, verdicts: &[Verdict], screen: &mut Screen) -> Result<()> {
    screen.clear();
    for verdict in verdicts {
        if json {
            crate::out!("{}", serde_json::to_string(verdict)?);
        } else {
            screen.verdict(verdict);
        }
    }
    Ok(())
}
