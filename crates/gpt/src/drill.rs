//! One operation by itself as a workload: forward and backward at the sizes of a config, so that a patch to one kernel is tried in
//! seconds. Its "loss" is the mean of what it puts out, its checkpoint holds the last output and all gradients.

use crate::checkpoint::to_bytes;
use crate::config::Config;
use crate::peaks;
use crate::random::{Domain, Stream, nudge};
use crate::session::{Run, Start};
use crate::trainer::Seeds;
use anyhow::{Context as _, Result};
use candle_core::{DType, Device, Tensor};
use clap::ValueEnum;
use outpace_kernels::adamw::{self, Moments, Rule};
use outpace_kernels::attention::attention;
use outpace_kernels::cross_entropy::cross_entropy;
use outpace_kernels::embedding::embedding;
use outpace_kernels::linear::linear;
use outpace_kernels::profile;
use outpace_kernels::relu_squared::relu_squared;
use outpace_kernels::rms_norm::rms_norm;
use outpace_kernels::rotary::{Shape, Table};
use outpace_kernels::tape::Tape;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::path::Path;
use std::time::Instant;

/// Steps go round so many sets of inputs.
const SETS: u64 = 4;
/// A prime: the row that a step changes, and the rows whose mean is its loss, wander over all of them.
const STRIDE: u64 = 7919;

/// No operation has more inputs.
const MOST_INPUTS: u64 = 2;

/// What can be drilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Operation {
    /// The optimiser's update of the MLP's first matrix.
    Adamw,
    /// Causal attention of all tokens, with its rotary embedding.
    Attention,
    /// The loss of all tokens.
    CrossEntropy,
    /// The token embedding.
    Embedding,
    /// The MLP's first product.
    Linear,
    /// The MLP's activation.
    ReluSquared,
    /// The norm of all tokens.
    RmsNorm,
}

impl Operation {
    /// Every operation.
    #[must_use]
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// As it is typed: `cross-entropy`.
    #[must_use]
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

const BY_HAND: Start = Start::fresh(Seeds {
    model_seed: 1,
    data_seed: 1,
});

/// An operation with its inputs.
pub struct Drill<'a> {
    config: &'a Config,
    operation: Operation,
    sets: Vec<Set>,
    rotary: Table,
    step: u64,
    /// Output and gradients of the last step.
    last: Vec<(String, Tensor)>,
}

struct Set {
    variables: Vec<Tensor>,
    symbols: Tensor,
    moments: Moments,
    /// Gradient of the output; drawn, because one of ones would have shortcuts. None for the optimiser, which has no output.
    slopes: Option<Tensor>,
}

impl<'a> Drill<'a> {
    /// Inputs drawn from the seeds.
    ///
    /// # Errors
    /// Only what candle reports.
    pub fn new(config: &'a Config, operation: Operation, start: &Start) -> Result<Self> {
        let sets = (0..SETS).map(|set| Set::draw(config, operation, start, set));
        let mut drill = Self {
            config,
            operation,
            sets: sets.collect::<Result<_>>()?,
            rotary: Table::new(shape(config), config.model.rotary_base, DType::F32)?,
            step: 0,
            last: Vec::new(),
        };
        if operation != Operation::Adamw {
            for set in 0..drill.sets.len() {
                let slopes = drill.slopes(start.seeds.data_seed, set)?;
                drill.sets[set].slopes = Some(slopes);
            }
        }
        Ok(drill)
    }

    fn slopes(&self, seed: u64, set: usize) -> Result<Tensor> {
        let output = self.output(&Tape::off(), &self.sets[set])?;
        let mut stream = Stream::new(Domain::Drill, seed, MOST_INPUTS * SETS + set as u64);
        let values: Vec<f64> = (0..output.elem_count()).map(|_| stream.normal()).collect();
        let slopes = Tensor::from_vec(values, output.shape(), &Device::Cpu)?;
        Ok(slopes.to_dtype(output.dtype())?)
    }

    /// Another row of the first input takes the values of the one behind it, so that no answer can be kept for the next time.
    fn move_on(&self, set: usize) -> Result<()> {
        let x = &self.sets[set].variables[0];
        let rows = x.dim(0)? as u64;
        let row = self.step * STRIDE % rows;
        let next = x.narrow(0, ((row + 1) % rows) as usize, 1)?.copy()?;
        x.slice_set(&next, 0, row as usize)?;
        Ok(())
    }

    fn output(&self, tape: &Tape, set: &Set) -> candle_core::Result<Tensor> {
        let x = &set.variables[0];
        match self.operation {
            Operation::Adamw => unreachable!("it updates in place"),
            Operation::Attention => attention(tape, x, &self.rotary),
            Operation::CrossEntropy => cross_entropy(tape, x, &set.symbols),
            Operation::Embedding => embedding(tape, x, &set.symbols),
            Operation::Linear => linear(tape, x, &set.variables[1]),
            Operation::ReluSquared => relu_squared(tape, x),
            Operation::RmsNorm => {
                rms_norm(tape, x, &set.variables[1], self.config.model.norm_epsilon)
            }
        }
    }

    fn update(&mut self, set: usize) -> Result<Tensor> {
        let rule = Rule {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.95,
            epsilon: 1e-8,
            weight_decay: 0.1,
            step: self.step,
        };
        let Set {
            variables, moments, ..
        } = &mut self.sets[set];
        adamw::update(&variables[0], &variables[1], moments, rule)?;
        Ok(variables[0].clone())
    }
}

/// Floating-point operations and bytes of one step, as the operation counts them.
///
/// # Errors
/// Only what candle reports.
pub fn cost(config: &Config, operation: Operation) -> Result<(f64, f64)> {
    let mut drill = Drill::new(config, operation, &BY_HAND)?;
    profile::enable(true);
    profile::take();
    drill.step()?;
    profile::enable(false);
    let totals = profile::take().into_values();
    Ok(totals.fold((0.0, 0.0), |(f, b), t| (f + t.flops, b + t.bytes)))
}

/// Runs `steps` steps after a warm-up and says how fast each part was, and how fast it could have been.
///
/// # Errors
/// Only what candle reports.
pub fn by_hand(
    config: &Config,
    operation: Operation,
    steps: u64,
    threads: usize,
) -> Result<String> {
    let mut drill = Drill::new(config, operation, &BY_HAND)?;
    for _ in 0..2 * SETS {
        drill.step()?;
    }
    profile::enable(true);
    profile::take();
    let begin = Instant::now();
    for _ in 0..steps {
        drill.step()?;
    }
    let step_s = begin.elapsed().as_secs_f64() / steps as f64;
    profile::enable(false);
    let (peaks, totals) = (peaks::measure(), profile::take());
    let mut lines = vec![format!(
        "{:.3} ms a step on {threads} threads",
        step_s * 1e3
    )];
    for (name, total) in totals {
        let calls = total.calls as f64;
        let (flops, bytes) = (total.flops / calls, total.bytes / calls);
        let seconds = total.seconds / calls;
        lines.push(format!(
            "{name:<24}{:>9.3} ms{:>9.1} GFLOP/s{:>8.1} GB/s{:>6.0} % of the limit",
            seconds * 1e3,
            flops / seconds / 1e9,
            bytes / seconds / 1e9,
            100.0 * peaks.limit_s(flops, bytes) / seconds
        ));
    }
    lines.push(format!(
        "{:<36}{:>9.1} GFLOP/s{:>8.1} GB/s",
        "a large matrix product, and a copy",
        peaks.matmul_flops_per_s / 1e9,
        peaks.copy_bytes_per_s / 1e9
    ));
    Ok(lines.join("\n"))
}

impl Run for Drill<'_> {
    fn step(&mut self) -> Result<f64> {
        let set = (self.step % SETS) as usize;
        self.step += 1;
        self.last.clear();
        if self.operation == Operation::Adamw {
            let parameter = self.update(set)?;
            let loss = mean(&parameter, self.step)?;
            self.last.push(("parameter".to_owned(), parameter));
            return Ok(loss);
        }
        let tape = Tape::new();
        self.move_on(set)?;
        let output = self.output(&tape, &self.sets[set])?;
        let mut gradients = match &self.sets[set].slopes {
            Some(slopes) => tape.backward_from(&output, slopes.clone())?,
            None => tape.backward(&output)?,
        };
        let loss = mean(&output, self.step)?;
        for (index, variable) in self.sets[set].variables.iter().enumerate() {
            let gradient = gradients.remove(variable);
            let gradient =
                gradient.with_context(|| format!("no gradient reaches input {index}"))?;
            self.last.push((format!("gradient.{index}"), gradient));
        }
        self.last.push(("output".to_owned(), output.detach()));
        Ok(loss)
    }

    fn steps(&self) -> u64 {
        self.step
    }

    fn save(&self, path: &Path) -> Result<()> {
        let stored = self.last.iter().map(|(name, tensor)| {
            let values = tensor
                .to_dtype(DType::F32)?
                .flatten_all()?
                .to_vec1::<f32>()?;
            Ok((name, tensor.dims().to_vec(), to_bytes(&values)))
        });
        let stored = stored.collect::<Result<Vec<_>>>()?;
        let views = stored
            .iter()
            .map(|(name, dims, bytes)| {
                Ok((*name, TensorView::new(Dtype::F32, dims.clone(), bytes)?))
            })
            .collect::<Result<Vec<_>>>()?;
        let bytes = safetensors::serialize(views, None)?;
        std::fs::write(path, bytes)
            .with_context(|| format!("{}: cannot be written", path.display()))
    }
}

impl Set {
    fn draw(config: &Config, operation: Operation, start: &Start, set: u64) -> Result<Self> {
        let shapes = shapes(config, operation);
        let variables = shapes.into_iter().enumerate().map(|(index, dims)| {
            let number = MOST_INPUTS * set + index as u64;
            let mut stream = Stream::new(Domain::Drill, start.seeds.model_seed, number);
            let n = dims.iter().product();
            let mut values: Vec<f32> = (0..n).map(|_| stream.normal() as f32).collect();
            if start.perturb_ulps > 0 {
                nudge(&mut values, start.seeds.model_seed, number);
            }
            Ok(Tensor::from_vec(values, dims, &Device::Cpu)?)
        });
        let variables = variables.collect::<Result<Vec<_>>>()?;
        let mut stream = Stream::new(Domain::Training, start.seeds.data_seed, set);
        let symbols =
            (0..config.tokens_per_step()).map(|_| stream.below(config.model.symbols) as u32);
        let symbols: Vec<u32> = symbols.collect();
        Ok(Self {
            slopes: None,
            moments: Moments::zeros(variables[0].elem_count()),
            symbols: Tensor::new(symbols, &Device::Cpu)?,
            variables,
        })
    }
}

/// Shapes of the differentiable inputs; of `adamw` those of parameter and gradient.
fn shapes(config: &Config, operation: Operation) -> Vec<Vec<usize>> {
    let (tokens, model) = (config.tokens_per_step(), &config.model);
    let hidden = model.width * model.mlp_ratio;
    match operation {
        Operation::Adamw => vec![vec![model.width, hidden]; 2],
        Operation::Attention => vec![vec![tokens, 3 * model.width]],
        Operation::CrossEntropy => vec![vec![tokens, model.symbols]],
        Operation::Embedding => vec![vec![model.symbols, model.width]],
        Operation::Linear => vec![vec![tokens, model.width], vec![model.width, hidden]],
        Operation::ReluSquared => vec![vec![tokens, hidden]],
        Operation::RmsNorm => vec![vec![tokens, model.width], vec![model.width]],
    }
}

fn shape(config: &Config) -> Shape {
    Shape {
        sequence: config.model.sequence,
        heads: config.model.heads,
        head_dim: config.model.head_dim(),
    }
}

/// The mean over a sixteenth of the rows, in f64, at another place each step: the checkpoint holds the rest, and a second pass over all of it
/// would be timed.
fn mean(output: &Tensor, step: u64) -> Result<f64> {
    if output.rank() == 0 {
        return Ok(output.to_dtype(DType::F64)?.to_scalar()?);
    }
    let all = output.dim(0)?;
    let rows = all.div_ceil(16);
    let first = step * STRIDE % (all - rows + 1) as u64;
    let some = output.narrow(0, first as usize, rows)?;
    Ok(some.to_dtype(DType::F64)?.mean_all()?.to_scalar()?)
}
