//! `outpace bench`: measures a revision and appends the run to the history.

use anyhow::Result;
use outpace_record::{Baseline, Document, Run, Timestamp};
use outpace_repo::{Commit, Repo};
use outpace_report::format::{count, gain};
use outpace_research::{Bench, RepoSources, ResearchError};
use outpace_trial::{
    Event, Lock, Measured, Observer, PeerError, Side, arena, measure_run, pairs_of,
};

use crate::exit::{OK, environment, usage};
use crate::options::{Measuring, Options};
use crate::screen::Screen;
use crate::setting::{VERSION, bench, config_of, context, lock, now, open_repo, short, workloads};

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
    let (context, _cancel) = context()?;
    let sources = RepoSources(&repo);
    let mut screen = Screen::new(options);
    let _lock = lock(&repo, &context, &mut screen)?;
    let mut bench = bench(&repo, &config, &context, &sources);
    for name in workloads(&config, &args.measuring.workloads)? {
        let run = measure(&mut bench, args, &commit, &name, &mut screen)?;
        let json = run.to_json();
        let ids = repo
            .history()
            .append(&[("run", &run.finished.date(), &json)])?;
        if args.measuring.json {
            crate::out!("{}", serde_json::from_str::<serde_json::Value>(&json)?);
            continue;
        }
        show(&repo, &commit, &run, &mut screen)?;
        screen.say("recorded", &format!("{} in the history", short(&ids[0])));
    }
    Ok(OK)
}

fn measure(
    bench: &mut Bench<'_>,
    args: &Args,
    commit: &Commit,
    name: &str,
    screen: &mut Screen,
) -> Result<Run> {
    let config = &bench.config.workload[name];
    screen.on(&Event::Building { side: Side::Base });
    let built = bench
        .builder
        .base(name, config, &commit.tree)
        .map_err(|error| match error.is_cancelled() {
            true => ResearchError::Interrupted(Vec::new()).into(),
            false => environment(format!("{} does not build: {error}", short(&commit.id))),
        })?;
    let launcher = &bench.context.launcher;
    let _lock = Lock::machine(screen, &|| launcher.cancelled())?;
    let mut arena = arena(bench.context, config.protocol, config.gpu, [&built.run; 2])
        .map_err(|error| failed(name, &error))?;
    let pairs = pairs_of(config.protocol, bench.config.gate.pairs);
    let (started, seed, all) = (now(), args.measuring.seed(), args.processes);
    let min_turn_s = bench.config.gate.min_turn_ms * 1e-3;
    let measured = measure_run(&mut *arena, all, pairs, min_turn_s, seed, |n, step_s| {
        screen.live(&format!(
            "{name:<10} process {n} of {all}: {:.2} ms a step",
            step_s * 1e3
        ));
    });
    screen.clear();
    let measured = measured.map_err(|error| failed(name, &error))?;
    Ok(document(
        bench,
        commit,
        name,
        &measured,
        &built.identity,
        started,
        seed,
    ))
}

fn failed(name: &str, error: &PeerError) -> anyhow::Error {
    if error.is_cancelled() {
        return ResearchError::Interrupted(Vec::new()).into();
    }
    environment(format!("{name}: {error}"))
}

fn document(
    bench: &Bench<'_>,
    commit: &Commit,
    name: &str,
    measured: &Measured,
    artefact: &str,
    started: Timestamp,
    seed: u64,
) -> Run {
    Run {
        schema: Run::SCHEMA.into(),
        workload: name.to_owned(),
        commit: commit.id.clone(),
        summary: outpace_record::plain(&commit.summary, 120),
        committed: Some(Timestamp::from_unix_seconds(commit.time_unix)),
        turns_s: measured.turns_s.clone(),
        steps_per_turn: measured.plan.steps_per_turn,
        step_time_s: measured.step_time_s,
        tokens_per_s: measured.tokens_per_s(),
        process_sd: measured.process_sd,
        ready_s: measured.ready_s,
        peak_mib: measured.peak_mib,
        loss: measured.loss,
        artefact: artefact.to_owned(),
        machine_class: bench.machine.class(),
        machine: bench.machine.clone(),
        sandbox_tier: bench.sandbox_tier,
        seed,
        outpace_version: VERSION.into(),
        started,
        finished: now(),
    }
}

fn show(repo: &Repo, commit: &Commit, run: &Run, screen: &mut Screen) -> Result<()> {
    let tokens = run
        .tokens_per_s
        .map(|t| format!("{} tokens/s   ", count(t)))
        .unwrap_or_default();
    let (name, ms, sd) = (&run.workload, run.step_time_s * 1e3, run.process_sd * 100.0);
    let processes = run.turns_s.len();
    screen.result(&format!(
        "{name:<10} {tokens}{ms:.2} ms a step   {sd:.1} % between {processes} processes   {:.0} MiB", run.peak_mib
    ));
    let path = Baseline::path(&run.machine_class, &run.workload);
    let Some(bytes) = repo.read(&commit.tree, &path)? else {
        screen.say("baseline", "none for this machine class");
        return Ok(());
    };
    let baseline = Baseline::from_json(&String::from_utf8_lossy(&bytes))?;
    if let Some(tokens) = run.tokens_per_s {
        let change = tokens / baseline.tokens_per_s - 1.0;
        let accepted = count(baseline.tokens_per_s);
        screen.say(
            "baseline",
            &format!(
                "{accepted} tokens/s; now {} (a trend, not evidence)",
                gain(change)
            ),
        );
    }
    Ok(())
}
