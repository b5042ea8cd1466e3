//! Arguments, exit codes, and one function a verb. Results go to stdout, talk to stderr.

use crate::config::{Config, ConfigError};
use crate::data::Source;
use crate::drill::{self, Operation};
use crate::trainer::Seeds;
use crate::{evaluate, export, figures, profile, sample, session, threads, train};
use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use std::path::{Path, PathBuf};
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
    /// Writes the initial weights and the batches of a pair of seeds, for programs in other frameworks
    #[command(
        after_help = "Example:\n  outpace-gpt export --config crates/gpt/configs/gpt-micro.toml --steps 20 --out start.safetensors"
    )]
    Export(Export),
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
            let is_usage = error.is::<ConfigError>();
            ExitCode::from(if is_usage { USAGE } else { 1 })
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Train(arguments) => run_train(&arguments),
        Verb::Evaluate(arguments) => run_evaluate(&arguments),
        Verb::Sample(arguments) => run_sample(&arguments),
        Verb::Profile(arguments) => {
            let (config, source, _) = prepare(&arguments.common)?;
            let document = profile::measure(&config, &source, arguments.steps)?;
            print_json(&document)
        }
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
    let (config, source, threads) = prepare(&arguments.common)?;
    if let Some(socket) = std::env::var_os(session::SOCKET_VARIABLE) {
        return session::serve_training(&config, &source, Path::new(&socket));
    }
    let plan = train::Plan {
        steps: arguments.steps,
        seeds: Seeds {
            model_seed: arguments.model_seed,
            data_seed: arguments.data_seed,
        },
        checkpoint: arguments.checkpoint.as_deref(),
        save: arguments.save.as_deref(),
        threads,
    };
    train::by_hand(&config, &source, &plan)
}

fn run_drill(arguments: &DrillArgs) -> Result<()> {
    let config = Config::load(&arguments.common.config)?;
    let threads = threads::settle(arguments.common.threads.unwrap_or(config.run.threads))?;
    if let Some(socket) = std::env::var_os(session::SOCKET_VARIABLE) {
        return session::serve_drill(&config, arguments.operation, Path::new(&socket));
    }
    println!(
        "{}",
        drill::by_hand(&config, arguments.operation, arguments.steps, threads)?
    );
    Ok(())
}

fn run_evaluate(arguments: &Evaluate) -> Result<()> {
    let (config, source, _) = prepare(&arguments.common)?;
    if arguments.tokens == 0 {
        return Err(ConfigError("--tokens 0 must be at least 1".to_owned()).into());
    }
    let plan = evaluate::Plan {
        checkpoint: &arguments.checkpoint,
        data_seed: arguments.data_seed,
        tokens: arguments.tokens,
    };
    print_json(&evaluate::evaluate(&config, &source, &plan)?)
}

fn run_sample(arguments: &Sample) -> Result<()> {
    let (config, source, _) = prepare(&arguments.common)?;
    let plan = sample::Plan {
        checkpoint: &arguments.checkpoint,
        prompt: arguments.prompt.as_bytes(),
        length: arguments.length,
        temperature: arguments.temperature,
        seed: arguments.seed,
    };
    let symbols = sample::sample(&config, &plan)?;
    println!("{}", sample::readable(&symbols, source.is_text()));
    Ok(())
}

/// Config, threads, data, in this order: a mistake in the first costs no time, and settling the threads may start the process again.
fn prepare(common: &Common) -> Result<(Config, Source, usize)> {
    let config = Config::load(&common.config)?;
    let threads = threads::settle(common.threads.unwrap_or(config.run.threads))?;
    let source = Source::open(&config, common.data.as_deref())?;
    Ok((config, source, threads))
}

fn print_json(document: &impl serde::Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(document)?);
    Ok(())
}
