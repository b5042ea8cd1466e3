//! `outpace compare`: one trial between two revisions or two commands; nothing is merged.

use std::time::Duration;

use anyhow::Result;
use clap::builder::RangedU64ValueParser;
use outpace_gate::{
    Commands, GateError, GateOutcome, Harness, Judge, Surroundings, compare_commands,
};
use outpace_record::{
    Document, GateConfig, GateRequest, GpuMode, RequestRule, SandboxTier, parse_duration,
};
use outpace_repo::Repo;
use outpace_text::plain;
use outpace_trial::machine;

use crate::exit::{self, INTERRUPTED, usage};
use crate::options::{Measuring, Options};
use crate::setup::{
    VERSION, config_for, context, lock, open_repo, typed_command, warn_of_few_blocks, workloads,
};
use crate::ui::Terminal;
use crate::verdicts::{print, record};

/// Compare two revisions, or two commands without git: one trial, no merge.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  outpace compare main my-branch
  outpace compare HEAD HEAD --aa --json
  outpace compare --base-cmd 'python3 train.py' --candidate-cmd './train'
  outpace compare --whole-commands --base-cmd 'gzip -9 -c f' --candidate-cmd 'gzip -1 -c f'
  outpace compare --whole-commands --prepare 'make clean' --base-cmd make --candidate-cmd 'make -j'

Exit codes: 0 faster, 1 not_proven or same, 2 usage, 3 slower, 4 rejected, 5 environment,
130 interrupted.")]
pub(crate) struct Args {
    /// The revision that stands.
    #[arg(required_unless_present = "base_cmd")]
    base: Option<String>,
    /// The one that wants to replace it.
    #[arg(required_unless_present = "base_cmd")]
    candidate: Option<String>,
    /// Command of the base, run by `sh -c` in this folder; it speaks the step protocol.
    #[arg(
        long,
        value_name = "CMD",
        requires = "candidate_cmd",
        conflicts_with_all = ["base", "candidate"]
    )]
    base_cmd: Option<String>,
    /// Command of the candidate.
    #[arg(long, value_name = "CMD", requires = "base_cmd")]
    candidate_cmd: Option<String>,
    /// The commands are whole runs to be timed from start to end; they do not speak the step
    /// protocol.
    #[arg(long, requires = "base_cmd")]
    whole_commands: bool,
    /// Longest time for one whole command, or for one answer of a program.
    #[arg(long, value_name = "TIME", requires = "base_cmd", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Exit codes of whole commands that mean success.
    #[arg(
        long,
        value_name = "CODES",
        requires = "whole_commands",
        value_delimiter = ',',
        default_values_t = [0]
    )]
    ok_exit_codes: Vec<i32>,
    /// Where the two commands live on GPUs: none, auto, shared, apart or alternating (the key `gpu`
    /// of a workload).
    #[arg(
        long,
        value_name = "MODE",
        requires = "base_cmd",
        default_value = "auto",
        value_parser = gpu_mode,
        hide_default_value = true
    )]
    gpu: GpuMode,
    /// Command that is run before each run of either side and not timed: a cold cache, a fresh
    /// database.
    #[arg(long, value_name = "CMD", requires = "whole_commands")]
    prepare: Option<String>,
    /// The same before runs of the base only.
    #[arg(
        long,
        value_name = "CMD",
        requires = "whole_commands",
        conflicts_with = "prepare"
    )]
    base_prepare: Option<String>,
    /// The same before runs of the candidate only.
    #[arg(
        long,
        value_name = "CMD",
        requires = "whole_commands",
        conflicts_with = "prepare"
    )]
    candidate_prepare: Option<String>,
    /// Configuration from elsewhere, for revisions that have none or another one: a file, or the
    /// outpace.toml of a revision.
    #[arg(long, value_name = "REV|FILE", conflicts_with = "base_cmd")]
    config: Option<String>,
    /// Time equal artefacts too.
    #[arg(long)]
    aa: bool,
    /// Most blocks.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    max_blocks: Option<usize>,
    #[command(flatten)]
    measuring: Measuring,
}

/// Longest time for one command or answer, as for a workload that says nothing else.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let mut ui = Terminal::new(options).for_json(args.measuring.json);
    let (judged, repo) = match (&args.base_cmd, &args.candidate_cmd) {
        (Some(base), Some(candidate)) => {
            (commands(options, args, [base, candidate], &mut ui)?, None)
        }
        _ => {
            let repo = open_repo(options)?;
            (revisions(options, &repo, args, &mut ui)?, Some(repo))
        }
    };
    let (verdicts, code) = match judged {
        Ok(outcome) => (outcome.verdicts, exit::of_kind(outcome.kind)),
        // What was measured until Ctrl-C is kept and shown.
        Err(GateError::Interrupted(partial)) if !partial.is_empty() => (partial, INTERRUPTED),
        Err(error) => return Err(error.into()),
    };
    // What was measured is shown even where it cannot be kept.
    print(args.measuring.json, &verdicts, &mut ui)?;
    if let Some(repo) = &repo {
        record(repo, &verdicts)?;
    }
    Ok(code)
}

type Judged = Result<GateOutcome, GateError>;

fn revisions(options: &Options, repo: &Repo, args: &Args, ui: &mut Terminal) -> Result<Judged> {
    let rev = |rev: &Option<String>| repo.resolve(rev.as_deref().unwrap_or("HEAD"));
    let (base, candidate) = (rev(&args.base)?, rev(&args.candidate)?);
    let config = config_for(repo, args.config.as_deref(), &base)?;
    let names = workloads(&config, &args.measuring.workloads)?;
    let context = context(options)?;
    for (label, commit) in [("base", &base), ("candidate", &candidate)] {
        ui.revision(label, commit);
    }
    let rule = rule(args, &config.gate);
    warn_of_few_blocks(&rule, names.len(), ui);
    let request = GateRequest {
        schema: GateRequest::SCHEMA.into(),
        patch: repo.patch_between(&base.tree, &candidate.tree)?.text,
        base: base.id,
        tree: candidate.tree,
        candidate: Some(candidate.id),
        title: plain(&candidate.summary, 100),
        agent: None,
        workloads: names,
        rule,
        test: None,
        seed: args.measuring.seed(),
        // Both revisions stand already, and nothing is merged.
        policy: false,
        aa: args.aa,
    };
    let _lock = lock(repo, &context, ui)?;
    let mut harness = Harness::new(repo, &config, &context, VERSION);
    Ok(harness.judge(&request, ui))
}

fn rule(args: &Args, gate: &GateConfig) -> RequestRule {
    RequestRule {
        min_speedup: gate.min_speedup,
        alpha: gate.alpha,
        threshold: None,
        screen: false,
        max_blocks: args.max_blocks.unwrap_or(gate.max_blocks),
        margin: None,
    }
}

fn gpu_mode(text: &str) -> Result<GpuMode, String> {
    let known = GpuMode::ALL.iter().find(|mode| mode.as_str() == text);
    known.copied().ok_or_else(|| {
        let words = GpuMode::ALL.map(GpuMode::as_str).join(", ");
        format!("available: {words}")
    })
}

fn commands(
    options: &Options,
    args: &Args,
    texts: [&String; 2],
    ui: &mut Terminal,
) -> Result<Judged> {
    if !args.measuring.workloads.is_empty() {
        return Err(usage(
            "--workload names one of a repository's outpace.toml; --base-cmd and --candidate-cmd \
             need none",
        ));
    }
    let context = context(options)?;
    let timeout = args.timeout.unwrap_or(TIMEOUT);
    let subject = |text, own: &Option<String>| {
        let prepare = own.as_deref().or(args.prepare.as_deref());
        typed_command(text, prepare, timeout, &args.ok_exit_codes)
    };
    let subjects = [
        subject(texts[0], &args.base_prepare)?,
        subject(texts[1], &args.candidate_prepare)?,
    ];
    let gate = GateConfig::default();
    let rule = rule(args, &gate);
    warn_of_few_blocks(&rule, 1, ui);
    let machine = machine();
    let surroundings = Surroundings {
        machine: &machine,
        // The user vouches for commands that they type.
        sandbox_tier: SandboxTier::None,
        version: VERSION,
    };
    let typed = Commands {
        subjects: [&subjects[0], &subjects[1]],
        texts: [texts[0], texts[1]],
        whole: args.whole_commands,
        gpu: args.gpu,
    };
    let (rule, seed) = (rule.for_one_of(1), args.measuring.seed());
    let verdict = compare_commands(&context, &typed, &rule, &gate, seed, surroundings, ui);
    Ok(verdict.map(|verdict| GateOutcome::of(vec![verdict])))
}
