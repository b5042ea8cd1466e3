//! `outpace doctor`: what this machine is, what would fail later, how noisy it is, and what can be
//! proven on it in how long.

mod preflight;
mod seeds;

use anyhow::Result;
use outpace_gate::{GateError, Harness};
use outpace_process::{Context, Probed, Sandbox};
use outpace_record::{Config, Doctor, Document, Forecast, Machine, SeedNoise};
use outpace_repo::{Commit, Repo};
use outpace_report::format::{duration, gain};
use outpace_stats::Rule;
use outpace_trial::{GpuNow, Noise, Peaks, gpus_now, machine, measure_peaks, sandbox_tier};

use crate::exit::{ENVIRONMENT, OK, usage, whole};
use crate::options::{Measuring, Options};
use crate::setup::{CONFIG, VERSION, config_for, context, lock, open_repo, workloads};
use crate::ui::Terminal;

/// Gains that a forecast is given for.
const GAINS: [f64; 5] = [0.005, 0.01, 0.02, 0.03, 0.05];
/// Further ones on a noisy machine, until one can be proven.
const LARGE_GAINS: [f64; 7] = [0.08, 0.12, 0.2, 0.3, 0.5, 1.0, 2.0];
/// A machine with more running processes than this beside us is not idle.
const IDLE_LOAD: f64 = 0.5;
/// Above this the noise is called high.
const HIGH_NOISE: f64 = 0.03;
/// And CPU time of a waiting side beyond this share of the other's turns.
const SPINS: f64 = 0.1;

/// Show machine class, noise (A/A), what effect can be proven in how long, and advice.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  outpace doctor\n  outpace doctor --blocks 30 --json

Exit codes: 0 done, 5 a check found what every measurement would end with."
)]
pub(crate) struct Args {
    #[command(flatten)]
    measuring: Measuring,
    /// Blocks of the A/A measurement.
    #[arg(long, default_value_t = 20, value_name = "N")]
    blocks: usize,
    /// Revision to measure with.
    #[arg(long, default_value = "HEAD", value_name = "REV")]
    rev: String,
    /// Configuration from elsewhere: a file, or the outpace.toml of a revision.
    #[arg(long, value_name = "REV|FILE")]
    config: Option<String>,
    /// Look at the machine, the sandbox and the repository; no measurement.
    #[arg(long)]
    no_measure: bool,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    if args.blocks < 2 && !args.no_measure {
        return Err(usage("a spread needs at least 2 blocks"));
    }
    let mut ui = Terminal::new(options).for_json(args.measuring.json);
    let (machine, context) = (machine(), context(options)?);
    let (sandbox, tried) = (context.launcher.sandbox(), context.launcher.try_tiers());
    let (gpus, fault) = gpus_now();
    if !args.measuring.json {
        show_machine(&mut ui, &machine, sandbox, &tried, &gpus);
    }
    let mut advice = advice(&machine);
    advice.extend(gpus.iter().flat_map(gpu_advice));
    advice.extend(fault.map(|fault| format!("no GPU can be measured: {fault}")));
    let repo = open_repo(options);
    let place = look(repo.as_ref(), args, &mut ui, &mut advice)?;
    let stopped = place.as_ref().is_some_and(|place| place.stops);
    let measured = match args.no_measure || stopped {
        true => None,
        false => Some(measure(place, args, &context, &mut ui, &mut advice)?),
    };
    let noise = measured.as_ref().and_then(|m| m.noise.as_ref());
    let peaks = measured.as_ref().map(|m| m.peaks);
    let aa = noise.map(|noise| &noise.aa);
    let doctor = Doctor {
        schema: Doctor::SCHEMA.into(),
        machine_class: machine.class(),
        machine,
        sandbox_tier: sandbox_tier(sandbox),
        sandbox: tried.iter().map(Probed::to_string).collect(),
        gpus: gpus.into_iter().map(|gpu| gpu.conditions).collect(),
        workload: noise.map(|noise| noise.workload.clone()),
        aa_sd: aa.map(|n| n.sd),
        aa_blocks: aa.map_or(0, |n| n.log_ratios.len()),
        aa_log_ratios: aa.map(|n| n.log_ratios.clone()).unwrap_or_default(),
        peak_flops_per_s: peaks.map(|p| p.flops_per_s),
        copy_bytes_per_s: peaks.map(|p| p.copy_bytes_per_s),
        aa_placement: aa.and_then(|n| n.placement.clone()),
        aa_conditions: aa.and_then(|n| n.conditions.clone()),
        block_s: aa.map(|n| n.block_s),
        overhead: aa.map(|n| n.overhead),
        seeds: noise.and_then(|noise| noise.seeds),
        forecast: noise.map_or_else(Vec::new, |noise| noise.forecast.clone()),
        advice,
        outpace_version: VERSION.into(),
    };
    if args.measuring.json {
        crate::out!("{}", doctor.to_json().trim_end());
    } else {
        let most = noise.map_or(0, |noise| noise.most);
        show(&mut ui, &doctor, most);
    }
    Ok(if stopped { ENVIRONMENT } else { OK })
}

/// What was measured: the peaks of the machine, and a workload's noise.
struct Measured {
    peaks: Peaks,
    noise: Option<Noisy>,
}

/// The noise of a workload, and what can be proven beside it.
struct Noisy {
    workload: String,
    aa: Noise,
    seeds: Option<SeedNoise>,
    forecast: Vec<Forecast>,
    /// Blocks or seeds that a gate takes at most.
    most: usize,
}

/// A revision of a repository, and the configuration that it is measured with.
struct Place<'a> {
    repo: &'a Repo,
    commit: Commit,
    config: Config,
    workload: Option<String>,
    /// A check found what ends every measurement.
    stops: bool,
}

/// What would fail later is told before minutes of measuring.
fn look<'a>(
    repo: Result<&'a Repo, &anyhow::Error>,
    args: &Args,
    ui: &mut Terminal,
    advice: &mut Vec<String>,
) -> Result<Option<Place<'a>>> {
    let nothing = match args.no_measure {
        true => "no repository checked",
        false => "no noise measured",
    };
    let repo = match repo {
        Ok(repo) => repo,
        Err(error) => {
            advice.push(format!("{nothing}: {}", whole(error)));
            return Ok(None);
        }
    };
    let commit = repo.resolve(&args.rev)?;
    if args.config.is_none() && repo.read(&commit.tree, CONFIG)?.is_none() {
        let hint = match repo.root().join(CONFIG).exists() {
            true => {
                "outpace.toml is not committed yet. Hint: `git add outpace.toml && git commit`, or \
                 `outpace doctor --config outpace.toml`"
            }
            false => "there is no outpace.toml. Hint: `outpace init`",
        };
        advice.push(format!("{nothing}: {hint}"));
        return Ok(None);
    }
    let config = config_for(repo, args.config.as_deref(), &commit)?;
    let workload = measured_workload(args, &config)?;
    let is_named = args.measuring.workloads.len() == 1;
    let only = workload.as_deref().filter(|_| is_named || !args.no_measure);
    let found = preflight::look(repo, &config, &commit, only);
    let (faults, stops) = (found.lines(), !found.fatal.is_empty());
    if args.measuring.json {
        advice.extend(faults);
    } else if faults.is_empty() {
        ui.result("check      clone, sources, data, programs and disk are in order");
    } else {
        for fault in &faults {
            ui.result(&format!("check      {fault}"));
        }
    }
    if stops && !args.no_measure {
        advice.push("nothing was measured: mend first what `check` found".into());
    }
    Ok(Some(Place {
        repo,
        commit,
        config,
        workload,
        stops,
    }))
}

/// The one that is measured, or looked at alone.
fn measured_workload(args: &Args, config: &Config) -> Result<Option<String>> {
    if args.measuring.workloads.len() > 1 && !args.no_measure {
        return Err(usage(
            "doctor measures one workload. Hint: run it once for each",
        ));
    }
    Ok(workloads(config, &args.measuring.workloads)?
        .into_iter()
        .next())
}

fn measure(
    place: Option<Place<'_>>,
    args: &Args,
    context: &Context,
    ui: &mut Terminal,
    advice: &mut Vec<String>,
) -> Result<Measured> {
    let noise = match place {
        Some(place) => measure_noise(&place, args, context, ui, advice)?,
        None => None,
    };
    let peaks = measure_peaks(context, ui).map_err(|error| match error.is_cancelled() {
        true => GateError::Interrupted(Vec::new()),
        false => GateError::Environment(error.to_string()),
    })?;
    Ok(Measured { peaks, noise })
}

fn measure_noise(
    place: &Place<'_>,
    args: &Args,
    context: &Context,
    ui: &mut Terminal,
    advice: &mut Vec<String>,
) -> Result<Option<Noisy>> {
    let Place {
        repo,
        commit,
        config,
        workload: Some(name),
        ..
    } = place
    else {
        return Ok(None);
    };
    let _lock = lock(repo, context, ui)?;
    let mut harness = Harness::new(repo, config, context, VERSION);
    let seed = args.measuring.seed();
    let noise = harness.measure_noise(name, commit, args.blocks, seed, ui)?;
    ui.clear();
    if noise.sd > HIGH_NOISE {
        advice.push(
            "the noise is high: close other programs, pin threads, keep the allocator's pages \
             (docs/noise.md)"
                .into(),
        );
    }
    advice.extend(spinning(name, &noise));
    let timeout_s = config.workload[name].timeout.as_secs_f64();
    if noise.ready_s > timeout_s / 2.0 {
        advice.push(format!(
            "{name} takes up to {:.0} s to start, and its `timeout` is {timeout_s:.0} s: a slow \
             start would end a gate. Set `timeout` to several times that",
            noise.ready_s
        ));
    }
    let gate = &config.gate;
    let rule = Rule {
        min_speedup: gate.min_speedup,
        alpha: gate.alpha,
        max_blocks: gate.max_blocks,
        ..Rule::default()
    };
    let runs = harness.measure_seeds(name, commit, seeds::SEEDS, seed, ui)?;
    ui.clear();
    let seeds = runs.as_ref().map(seeds::noise);
    advice.extend(seeds.and_then(|seeds| seeds::advice(name, &seeds)));
    let forecast = match (&runs, &seeds) {
        (Some(runs), Some(seeds)) => seeds::forecast(seeds, runs.parallel, &rule),
        _ => forecast(&noise, &rule),
    };
    Ok(Some(Noisy {
        workload: name.clone(),
        aa: noise,
        seeds,
        forecast,
        most: gate.max_blocks,
    }))
}

/// A side that works while it waits slows the one that is timed.
fn spinning(name: &str, noise: &Noise) -> Option<String> {
    let share = noise.waiting_share().filter(|share| *share > SPINS)?;
    Some(format!(
        "{name} uses CPU for {:.0} % of the other side's turns while it waits: threads that spin, or \
         that prefetch. Where they are OpenMP's or MKL's, set `env = {{ OMP_WAIT_POLICY = \
         \"PASSIVE\", KMP_BLOCKTIME = \"0\" }}`, or fewer `threads` than there are cores \
         (docs/noise.md)",
        share * 100.0
    ))
}

fn show_machine(
    ui: &mut Terminal,
    machine: &Machine,
    sandbox: &Sandbox,
    tried: &[Probed],
    gpus: &[GpuNow],
) {
    let (what, class) = (machine.describe(), machine.class());
    ui.result(&format!("machine    {what}   class {class}"));
    ui.result(&format!("sandbox    {}", sandbox.tier.as_str()));
    for probed in tried {
        ui.result(&format!("           {probed}"));
    }
    for gpu in gpus {
        ui.result(&format!("gpu        {}", gpu_line(gpu)));
    }
}

fn forecast(noise: &Noise, rule: &Rule) -> Vec<Forecast> {
    let of = |speedup: f64| {
        let (blocks, seconds) = noise.forecast(speedup, rule);
        Forecast {
            speedup,
            blocks,
            seconds,
        }
    };
    let mut forecast: Vec<Forecast> = GAINS.iter().map(|gain| of(*gain)).collect();
    for gain in LARGE_GAINS {
        if forecast.iter().any(|forecast| forecast.blocks.is_some()) {
            break;
        }
        forecast.push(of(gain));
    }
    forecast
}

/// `most` is the number of blocks that a gate takes at most.
fn show(ui: &mut Terminal, doctor: &Doctor, most: usize) {
    if let (Some(flops), Some(bytes)) = (doctor.peak_flops_per_s, doctor.copy_bytes_per_s) {
        ui.result(&format!(
            "peak       {:.0} GFLOP/s of f32 multiply-adds, {:.0} GB/s of copies in memory, on all cores",
            flops / 1e9,
            bytes / 1e9
        ));
    }
    if let (Some(name), Some(sd)) = (&doctor.workload, doctor.aa_sd) {
        let (block, overhead) = (
            doctor.block_s.unwrap_or(0.0),
            doctor.overhead.unwrap_or(0.0) * 100.0,
        );
        let blocks = doctor.aa_blocks;
        ui.result(&format!(
            "noise      {name}: {:.2} % a block (standard deviation of {blocks} blocks of the base against itself)",
            sd * 100.0
        ));
        ui.result(&format!(
            "block      {block:.1} s, {overhead:.0} % of it around the turns that count: starting, warming up"
        ));
    }
    for line in [&doctor.aa_placement, &doctor.aa_conditions]
        .into_iter()
        .flatten()
    {
        ui.result(&format!("gpu        {line}"));
    }
    if let Some(seeds) = &doctor.seeds {
        for line in seeds::lines(seeds, &doctor.forecast, most) {
            ui.result(&line);
        }
    }
    let of_blocks = doctor.forecast.iter().filter(|_| doctor.seeds.is_none());
    for forecast in of_blocks {
        let needs = match (forecast.blocks, forecast.seconds) {
            (Some(1), Some(s)) => format!("about 1 block ({})", duration(s)),
            (Some(n), Some(s)) => format!("about {n} blocks ({})", duration(s)),
            _ => format!("more blocks than a gate takes (`max_blocks` = {most})"),
        };
        ui.result(&format!("{:<10} needs {needs}", gain(forecast.speedup)));
    }
    for line in &doctor.advice {
        ui.result(&format!("advice     {line}"));
    }
}

/// Name, clock, temperature, power and memory of a GPU, as far as its driver tells.
fn gpu_line(gpu: &GpuNow) -> String {
    let now = &gpu.conditions;
    let of = |most: Option<f64>, unit: &str| {
        most.map_or(String::new(), |m| format!(" of {m:.0}")) + " " + unit
    };
    let mut parts = vec![gpu.name.clone()];
    if let Some([mhz, ..]) = now.sm_mhz {
        parts.push(format!("{mhz:.0}{}", of(gpu.highest_sm_mhz, "MHz")));
    }
    if let Some([celsius, ..]) = now.temperature_c {
        parts.push(format!("{celsius:.0} °C"));
    }
    if let Some([watts, ..]) = now.power_w {
        parts.push(format!("{watts:.0}{}", of(gpu.power_limit_w, "W")));
    }
    if let Some([mib, ..]) = now.memory_mib {
        parts.push(format!("{mib:.0}{} in use", of(gpu.memory_mib, "MiB")));
    }
    if let Some(held) = &now.throttled {
        let words: Vec<&str> = held.keys().map(String::as_str).collect();
        parts.push(match words.is_empty() {
            true => "not throttled".into(),
            false => format!("throttled: {}", words.join(", ")),
        });
    }
    parts.join("   ")
}

fn gpu_advice(gpu: &GpuNow) -> Vec<String> {
    let mut advice = Vec::new();
    if gpu.users > 0 {
        advice.push(format!(
            "{} is in use by {} other program(s): `nvidia-smi` says which; nothing else may run on it while it is measured",
            gpu.name, gpu.users
        ));
    }
    if gpu.shared {
        advice.push(format!(
            "{} is shared by MPS: other programs can slow it unseen. `echo quit | nvidia-cuda-mps-control` ends it",
            gpu.name
        ));
    }
    advice
}

fn advice(machine: &Machine) -> Vec<String> {
    let mut advice = Vec::new();
    if machine
        .governor
        .as_deref()
        .is_some_and(|g| g != "performance")
    {
        advice.push(
            "the CPU's frequency is scaled: `cpupower frequency-set -g performance`".to_owned(),
        );
    }
    if machine.huge_pages.as_deref() == Some("never") {
        advice.push("transparent huge pages are off: `echo madvise > /sys/kernel/mm/transparent_hugepage/enabled`".to_owned());
    }
    let load = std::fs::read_to_string("/proc/loadavg").ok();
    let load = load
        .and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok())
        .unwrap_or(0.0);
    if load > IDLE_LOAD {
        advice.push(format!(
            "the machine is not idle (load {load:.1}): timings are noisier than they need to be"
        ));
    }
    advice
}

#[cfg(test)]
mod tests {
    use outpace_record::Block;
    use outpace_stats::Schedule;

    use super::*;

    #[test]
    fn a_noisy_machine_is_told_what_it_can_prove() {
        let noise = |sd: f64| Noise {
            blocks: [sd, -sd]
                .map(|x: f64| Block {
                    pairs: vec![[x.exp(), 1.0]; 40],
                    ..Block::default()
                })
                .to_vec(),
            log_ratios: vec![0.0, sd],
            schedule: Schedule::constant(40),
            sd,
            block_s: 1.0,
            ready_s: 0.0,
            overhead: 0.0,
            placement: None,
            conditions: None,
        };
        let of = |sd: f64| forecast(&noise(sd), &Rule::default());
        assert_eq!(of(0.001).len(), GAINS.len());
        let noisy = of(0.3);
        let last = noisy.last().unwrap();
        assert!(last.blocks.is_some() && last.speedup > 0.05, "{last:?}");
        assert!(
            noisy[..noisy.len() - 1].iter().all(|f| f.blocks.is_none()),
            "{noisy:?}"
        );
    }
}
