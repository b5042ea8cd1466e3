//! `outpace bench`: measures a revision and appends the run to the history.

use anyhow::Result;
use outpace_gate::Harness;
use outpace_record::{Baseline, Document, Run, Timestamp};
use outpace_repo::{Commit, Repo};
use outpace_report::format::{count, gain};
use outpace_text::{plain, short};

use crate::exit::{OK, usage};
use crate::options::{Measuring, Options};
use crate::screen::Terminal;
use crate::setup::{VERSION, config_of, context, lock, now, open_repo, workloads};

/// Measure a revision, append the run to the history, compare it with its baseline.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  outpace bench\n  outpace bench v1.2 -w gpt-nano --processes 9 --json"
)]
pub(crate) struct Args {
    /// Revision to measure.
    #[arg(default_value = "HEAD")]
    rev: String,
    #[command(flatten)]
    measuring: Measuring,
    /// Fresh processes to measure: single processes differ by luck.
    #[arg(long, default_value_t = 5, value_name = "N")]
    processes: usize,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    if args.processes == 0 {
        return Err(usage("--processes must be at least 1"));
    }
    let repo = open_repo(options)?;
    let commit = repo.resolve(&args.rev)?;
    let config = config_of(&repo, &commit)?;
    let context = context()?;
    let mut ui = Terminal::new(options).for_json(args.measuring.json);
    let _lock = lock(&repo, &context, &mut ui)?;
    let mut harness = Harness::new(&repo, &config, &context, VERSION);
    for name in workloads(&config, &args.measuring.workloads)? {
        let run = measure(&mut harness, args, &commit, &name, &mut ui)?;
        ui.clear();
        let json = run.to_json();
        if args.measuring.json {
            crate::out!("{}", serde_json::from_str::<serde_json::Value>(&json)?);
        } else {
            show(&repo, &commit, &run, &mut ui)?;
        }
        // After it was shown: what was measured is not lost where it cannot be kept.
        let ids = repo
            .history()
            .append(&[("run", &run.finished.date(), &json)])?;
        ui.say("recorded", &format!("{} in the history", short(&ids[0])));
    }
    Ok(OK)
}

fn measure(
    harness: &mut Harness<'_>,
    args: &Args,
    commit: &Commit,
    name: &str,
    ui: &mut Terminal,
) -> Result<Run> {
    let (started, seed) = (now(), args.measuring.seed());
    let (measured, artefact) = harness.measure_run(name, commit, args.processes, seed, ui)?;
    Ok(Run {
        schema: Run::SCHEMA.into(),
        workload: name.to_owned(),
        commit: commit.id.clone(),
        summary: plain(&commit.summary, 120),
        committed: Some(Timestamp::from_unix_seconds(commit.time_unix)),
        steps_per_turn: measured.plan.steps_per_turn,
        step_time_s: measured.step_time_s,
        tokens_per_s: measured.tokens_per_s(),
        process_sd: measured.process_sd,
        ready_s: measured.ready_s,
        peak_mib: measured.peak_mib,
        loss: measured.loss,
        turns_s: measured.turns_s,
        artefact,
        machine_class: harness.machine.class(),
        machine: harness.machine.clone(),
        sandbox_tier: harness.sandbox_tier,
        seed,
        outpace_version: VERSION.into(),
        started,
        finished: now(),
    })
}

fn show(repo: &Repo, commit: &Commit, run: &Run, ui: &mut Terminal) -> Result<()> {
    let tokens = run
        .tokens_per_s
        .map(|t| format!("{} tokens/s   ", count(t)))
        .unwrap_or_default();
    let (name, ms, sd) = (&run.workload, run.step_time_s * 1e3, run.process_sd * 100.0);
    let processes = run.turns_s.len();
    ui.result(&format!(
        "{name:<10} {tokens}{ms:.2} ms a step   {sd:.1} % between {processes} processes   {:.0} MiB", run.peak_mib
    ));
    let path = Baseline::path(&run.machine_class, &run.workload);
    let Some(bytes) = repo.read(&commit.tree, &path)? else {
        ui.say("baseline", "none for this machine class");
        return Ok(());
    };
    let baseline = Baseline::from_json(&String::from_utf8_lossy(&bytes))?;
    if let Some(tokens) = run.tokens_per_s {
        let change = tokens / baseline.tokens_per_s - 1.0;
        let accepted = count(baseline.tokens_per_s);
        ui.say(
            "baseline",
            &format!(
                "{accepted} tokens/s; now {} (a trend, not evidence)",
                gain(change)
            ),
        );
    }
    Ok(())
}
