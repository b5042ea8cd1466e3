//! Arguments, exit codes, and one function a verb. Results go to stdout, talk to stderr.

use crate::config::{Config, ConfigError, Device, Precision};
use crate::data::Source;
use crate::drill::{self, Operation};
use crate::place::Place;
use crate::trainer::Seeds;
use crate::{check, evaluate, export, figures, profile, sample, session, text, threads, train};
#[cfg(feature = "cuda")]
use anyhow::Context as _;
use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit code of a mistake in arguments or config.
const USAGE: u8 = 2;

/// Trains and tries the reference GPT of outpace.
#[derive(Debug, Parser)]
#[command(name = "outpace-gpt", version, about)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Trains a model; under outpace (OUTPACE_SOCKET is set) as the step protocol says
    #[command(
        after_help = "Example:\n  outpace-gpt train --config crates/gpt/configs/gpt-nano.toml --steps 300 --save nano.safetensors"
    )]
    Train(Train),
    /// Prints the loss of a checkpoint on fresh validation text as one line of JSON
    #[command(
        after_help = "Example:\n  outpace-gpt evaluate --config crates/gpt/configs/gpt-nano.toml --checkpoint nano.safetensors --data-seed 5"
    )]
    Evaluate(Evaluate),
    /// Writes validation text for a judge: token ids, unsigned 32-bit little-endian, and a line of
    /// JSON about them
    #[command(
        after_help = "Example:\n  outpace-gpt text --config crates/gpt/configs/gpt-nano.toml --length 64 --passages 32 --data-seed 5 --out text.u32"
    )]
    Text(Text),
    /// Writes what a checkpoint would say
    #[command(
        after_help = "Example:\n  outpace-gpt sample --config crates/gpt/configs/gpt-nano.toml --checkpoint nano.safetensors --prompt 'Once'"
    )]
    Sample(Sample),
    /// Prints where a step's time goes, operation by operation, as JSON
    #[command(
        after_help = "Example:\n  outpace-gpt profile --config crates/gpt/configs/gpt-nano.toml --steps 20"
    )]
    Profile(Profile),
    /// Runs one operation by itself, forward and backward, at the sizes of a config
    #[command(
        after_help = "Example:\n  outpace-gpt drill attention --config crates/gpt/configs/gpt-micro.toml --steps 100"
    )]
    Drill(DrillArgs),
    /// Writes the initial weights and the batches of a pair of seeds, for programs in other
    /// frameworks
    #[command(
        after_help = "Example:\n  outpace-gpt export --config crates/gpt/configs/gpt-micro.toml --steps 20 --out start.safetensors"
    )]
    Export(Export),
    /// Holds every operation, the model's gradients and a short training run on a device against
    /// the CPU, as JSON
    #[command(
        after_help = "Example:\n  outpace-gpt check --config crates/gpt/configs/gpt-micro.toml --device cuda"
    )]
    Check(Common),
    /// Compiles the CUDA kernels ahead, so that no process has to; their sources are kernels/src or
    /// in OUTPACE_KERNELS
    #[command(
        after_help = "Example:\n  outpace-gpt compile --arch sm_90 --out target/release/kernels"
    )]
    Compile(Compile),
    /// Prints the model's size, cost and best possible loss
    #[command(
        after_help = "Example:\n  outpace-gpt info --config crates/gpt/configs/gpt-micro.toml"
    )]
    Info(Common),
}

#[derive(Args, Debug)]
struct Common {
    /// Config file: model, data, optimiser, run
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Text file or folder to use instead of the config's data
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Threads that compute [default: run.threads of the config]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Where to compute [default: run.device of the config]
    #[arg(long, value_enum)]
    device: Option<Device>,
    /// Numbers to multiply in [default: run.precision of the config]
    #[arg(long, value_enum)]
    precision: Option<Precision>,
    /// Folder of CUDA kernels that `compile` has written [default: compile their sources]
    #[arg(long, value_name = "DIR")]
    kernels: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Compile {
    /// Architecture to compile for [default: that of the GPU here]
    #[arg(long, value_name = "sm_NN")]
    arch: Option<String>,
    /// Folder to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Args, Debug)]
struct Train {
    #[command(flatten)]
    common: Common,
    /// Steps to train
    #[arg(long, value_name = "N", default_value_t = 200)]
    steps: u64,
    /// Checkpoint to go on from, with its seeds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model_seed", "data_seed"])]
    checkpoint: Option<PathBuf>,
    /// Checkpoint to write at the end
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Seed of the initial weights
    #[arg(long, value_name = "N", default_value_t = 1)]
    model_seed: u64,
    /// Seed of the training text
    #[arg(long, value_name = "N", default_value_t = 1)]
    data_seed: u64,
}

#[derive(Args, Debug)]
struct Evaluate {
    #[command(flatten)]
    common: Common,
    /// Checkpoint to evaluate
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// Seed of the validation text
    #[arg(long, value_name = "N")]
    data_seed: u64,
    /// Tokens to predict, rounded up to whole batches
    #[arg(long, value_name = "N", default_value_t = 32_768)]
    tokens: usize,
}

#[derive(Args, Debug)]
struct Text {
    /// Config file; its data and its symbols count
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Text file or folder that nobody trains on [default: the config's validation text]
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Tokens of a passage that are to be predicted; it has one more
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    length: u16,
    /// Passages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    passages: u32,
    /// Seed of the text
    #[arg(long, value_name = "N")]
    data_seed: u64,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Args, Debug)]
struct Sample {
    #[command(flatten)]
    common: Common,
    /// Checkpoint that speaks
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// Text to go on from
    #[arg(long, value_name = "TEXT", default_value = "\n")]
    prompt: String,
    /// Symbols to write
    #[arg(long, value_name = "N", default_value_t = 200)]
    length: usize,
    /// 0 takes the likeliest symbol, 1 samples as learnt
    #[arg(long, value_name = "X", default_value_t = 0.8)]
    temperature: f64,
    /// Seed of the choices
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

#[derive(Args, Debug)]
struct Profile {
    #[command(flatten)]
    common: Common,
    /// Steps to measure
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,
}
#[derive(Args, Debug)]
struct DrillArgs {
    /// Operation to run
    #[arg(value_enum)]
    operation: Operation,
    #[command(flatten)]
    common: Common,
    /// Steps to run
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,
}

#[derive(Args, Debug)]
struct Export {
    #[command(flatten)]
    common: Common,
    /// Batches to write
    #[arg(long, value_name = "N", default_value_t = 20)]
    steps: u64,
    /// Seed of the initial weights
    #[arg(long, value_name = "N", default_value_t = 1)]
    model_seed: u64,
    /// Seed of the training text
    #[arg(long, value_name = "N", default_value_t = 1)]
    data_seed: u64,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    match run(Cli::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if format!("{error:#}").contains("CUDA_ERROR_OUT_OF_MEMORY") {
                eprintln!(
                    "Hint: `outpace-gpt info` says what a config needs; data.batch is the first thing to make smaller"
                );
            }
            let is_usage = error.is::<ConfigError>();
            ExitCode::from(if is_usage { USAGE } else { 1 })
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Train(arguments) => run_train(&arguments),
        Verb::Evaluate(arguments) => run_evaluate(&arguments),
        Verb::Text(arguments) => run_text(&arguments),
        Verb::Sample(arguments) => run_sample(&arguments),
        Verb::Profile(arguments) => {
            let ready = prepare(&arguments.common)?;
            let steps = arguments.steps;
            let document = profile::measure(&ready.config, &ready.source, &ready.place, steps)?;
            print_json(&document)
        }
        Verb::Check(common) => run_check(&common),
        Verb::Compile(arguments) => run_compile(&arguments),
        Verb::Drill(arguments) => run_drill(&arguments),
        Verb::Export(arguments) => {
            let config = Config::load(&arguments.common.config)?;
            let source = Source::open(&config, arguments.common.data.as_deref())?;
            let seeds = Seeds {
                model_seed: arguments.model_seed,
                data_seed: arguments.data_seed,
            };
            export::export(&config, &source, seeds, arguments.steps, &arguments.out)
        }
        Verb::Info(common) => {
            let config = Config::load(&common.config)?;
            let source = Source::open(&config, common.data.as_deref())?;
            print!("{}", figures::describe(&config, source.entropy()));
            Ok(())
        }
    }
}

fn run_train(arguments: &Train) -> Result<()> {
    let ready = prepare(&arguments.common)?;
    if outpace_step::is_driven() {
        return session::serve_training(&ready.config, &ready.source, &ready.place);
    }
    let plan = train::Plan {
        steps: arguments.steps,
        seeds: Seeds {
            model_seed: arguments.model_seed,
            data_seed: arguments.data_seed,
        },
        checkpoint: arguments.checkpoint.as_deref(),
        save: arguments.save.as_deref(),
        threads: ready.threads,
    };
    train::by_hand(&ready.config, &ready.source, &ready.place, &plan)
}

fn run_drill(arguments: &DrillArgs) -> Result<()> {
    let config = load(&arguments.common)?;
    let threads = threads::settle(config.run.threads)?;
    let place = Place::open(&config.run, arguments.common.kernels.as_deref())?;
    if outpace_step::is_driven() {
        return session::serve_drill(&config, arguments.operation, &place);
    }
    let (operation, steps) = (arguments.operation, arguments.steps);
    println!(
        "{}",
        drill::by_hand(&config, operation, steps, &place, threads)?
    );
    Ok(())
}

fn run_evaluate(arguments: &Evaluate) -> Result<()> {
    let ready = prepare(&arguments.common)?;
    if arguments.tokens == 0 {
        return Err(ConfigError("--tokens 0 must be at least 1".to_owned()).into());
    }
    let plan = evaluate::Plan {
        checkpoint: &arguments.checkpoint,
        data_seed: arguments.data_seed,
        tokens: arguments.tokens,
    };
    let evaluation = evaluate::evaluate(&ready.config, &ready.source, &ready.place, &plan)?;
    print_json(&evaluation)
}

fn run_text(arguments: &Text) -> Result<()> {
    let config = Config::load(&arguments.config)?;
    let source = Source::open(&config, arguments.data.as_deref())?;
    let plan = text::Plan {
        seed: arguments.data_seed,
        passages: arguments.passages as usize,
        length: arguments.length.into(),
        // A text of its own is not split.
        whole: arguments.data.is_some(),
    };
    print_json(&text::write(&config, &source, &plan, &arguments.out)?)
}

fn run_sample(arguments: &Sample) -> Result<()> {
    let ready = prepare(&arguments.common)?;
    let plan = sample::Plan {
        checkpoint: &arguments.checkpoint,
        prompt: arguments.prompt.as_bytes(),
        length: arguments.length,
        temperature: arguments.temperature,
        seed: arguments.seed,
    };
    let symbols = sample::sample(&ready.config, &ready.place, &plan)?;
    println!("{}", sample::readable(&symbols, ready.source.is_text()));
    Ok(())
}

fn run_check(common: &Common) -> Result<()> {
    let ready = prepare(common)?;
    let report = check::check(&ready.config, &ready.source, &ready.place)?;
    print_json(&report)?;
    let failed: Vec<_> = report.checks.iter().filter(|c| !c.passed).collect();
    for check in &failed {
        eprintln!("{check}");
    }
    if !failed.is_empty() {
        bail!("{} of {} checks failed", failed.len(), report.checks.len());
    }
    Ok(())
}

#[cfg(feature = "cuda")]
fn run_compile(arguments: &Compile) -> Result<()> {
    use outpace_kernels::cuda::{compile, device};
    let architecture = match &arguments.arch {
        Some(architecture) => architecture.clone(),
        None => {
            let hint =
                "no GPU to compile for. Hint: name its architecture, --arch sm_90 for an H100";
            let gpu = candle_core::Device::new_cuda(0).context(hint)?;
            device::about(&gpu)?.architecture
        }
    };
    let operations = compile::compile_all(&architecture, &arguments.out)?;
    println!(
        "{operations} operations for {architecture}: {}",
        arguments.out.display()
    );
    Ok(())
}

#[cfg(not(feature = "cuda"))]
fn run_compile(_: &Compile) -> Result<()> {
    let message = "compile: this outpace-gpt was built without CUDA. \
                   Hint: cargo build --release -p outpace-gpt --features cuda";
    Err(ConfigError(message.to_owned()).into())
}

/// What most verbs begin with.
struct Ready {
    config: Config,
    source: Source,
    place: Place,
    threads: usize,
}

/// Config, threads, data, device, in this order: a mistake in the first costs no time, and settling
/// the threads may start the process again.
fn prepare(common: &Common) -> Result<Ready> {
    let config = load(common)?;
    let threads = threads::settle(config.run.threads)?;
    let source = Source::open(&config, common.data.as_deref())?;
    let place = Place::open(&config.run, common.kernels.as_deref())?;
    Ok(Ready {
        config,
        source,
        place,
        threads,
    })
}

/// The config with what the command line says instead.
fn load(common: &Common) -> Result<Config, ConfigError> {
    let mut config = Config::load(&common.config)?;
    let run = &mut config.run;
    run.threads = common.threads.unwrap_or(run.threads);
    run.device = common.device.unwrap_or(run.device);
    run.precision = common.precision.unwrap_or(run.precision);
    Ok(config)
}

fn print_json(document: &impl serde::Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(document)?);
    Ok(())
}
