//! One operation by itself as a workload: forward and backward at the sizes of a config, so that a
//! patch to one kernel is tried in seconds. Its "loss" is the mean of what it puts out, its
//! checkpoint holds the last output and all gradients.

use crate::checkpoint::to_bytes;
use crate::config::Config;
use crate::peaks;
use crate::place::Place;
use crate::random::{Domain, Stream, Unit, nudge};
use crate::run::{Run, Start};
use crate::trainer::Seeds;
use anyhow::{Context as _, Result};
use candle_core::{DType, Device, Tensor, Var};
use clap::ValueEnum;
use outpace_kernels::adamw::{Part, Rule, State, update_all};
use outpace_kernels::attention::attention;
use outpace_kernels::cross_entropy::cross_entropy;
use outpace_kernels::embedding::embedding;
use outpace_kernels::linear::linear;
use outpace_kernels::profile;
use outpace_kernels::relu_squared::relu_squared;
use outpace_kernels::rms_norm::{add_rms_norm, rms_norm};
use outpace_kernels::rotary::{Shape, Table};
use outpace_kernels::rows;
use outpace_kernels::tape::Tape;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::path::Path;
use std::time::Instant;

/// Steps go round so many sets of inputs.
const SETS: u64 = 4;
/// A prime: the rows whose mean is a step's loss wander over all of them.
const STRIDE: u64 = 7919;
/// A step's first input is a window of so many more numbers than it needs, at a drawn place.
const PLACES: u64 = 1 << 16;

/// Rows that a step's loss is the mean of: a sixteenth on the CPU. From a GPU no more than these
/// are fetched: the way from there is longer than most operations.
const SHARE_OF_ROWS: usize = 16;
const MOST_ROWS_FROM_GPU: usize = 16;

/// No operation has more inputs.
const MOST_INPUTS: u64 = 3;
/// Beyond the streams of inputs and slopes: those of the places.
const PLACES_STREAM: u64 = (MOST_INPUTS + 1) * SETS;

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
    /// The norm of all tokens after a residual connection, added to what that gives.
    AddRmsNorm,
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
    on_gpu: bool,
    seed: u64,
    step: u64,
    /// Output and gradients of the last step.
    last: Vec<(String, Tensor)>,
}

struct Set {
    variables: Vec<Var>,
    symbols: Tensor,
    /// What the first variable is a window of; the optimiser, which changes its own, has none.
    pool: Option<Tensor>,
    /// Of the first variable, for the optimiser.
    state: Option<State>,
    /// Gradient of the output; drawn, because one of ones would have shortcuts. None for the
    /// optimiser, which has no output.
    slopes: Option<Tensor>,
}

impl<'a> Drill<'a> {
    /// Inputs drawn from the seeds.
    ///
    /// # Errors
    /// Only what candle reports.
    pub fn new(
        config: &'a Config,
        operation: Operation,
        start: &Start,
        place: &Place,
    ) -> Result<Self> {
        Self::rounded(config, operation, start, place, place.dtype)
    }

    /// The same on the CPU in f64 (the optimiser in f32, which it is always in), from the inputs of
    /// a place that computes in `rounded`.
    ///
    /// # Errors
    /// Only what candle reports.
    pub fn reference(
        config: &'a Config,
        operation: Operation,
        start: &Start,
        rounded: DType,
    ) -> Result<Self> {
        let mut place = Place::cpu();
        if operation != Operation::Adamw {
            place.dtype = DType::F64;
        }
        Self::rounded(config, operation, start, &place, rounded)
    }

    fn rounded(
        config: &'a Config,
        operation: Operation,
        start: &Start,
        place: &Place,
        rounded: DType,
    ) -> Result<Self> {
        let sets = (0..SETS).map(|set| Set::draw(config, operation, start, place, rounded, set));
        let angles = match place.dtype {
            DType::F64 => DType::F64,
            _ => DType::F32,
        };
        let rotary = Table::new(shape(config), config.model.rotary_base, angles)?;
        let mut drill = Self {
            config,
            operation,
            sets: sets.collect::<Result<_>>()?,
            rotary: rotary.to_device(&place.device)?,
            on_gpu: place.is_cuda(),
            seed: start.seeds.model_seed,
            step: 0,
            last: Vec::new(),
        };
        if operation != Operation::Adamw {
            for set in 0..drill.sets.len() {
                let slopes = drill.slopes(start.seeds.data_seed, rounded, set)?;
                drill.sets[set].slopes = Some(slopes);
            }
        }
        Ok(drill)
    }

    fn slopes(&self, seed: u64, rounded: DType, set: usize) -> Result<Tensor> {
        let output = self.output(&Tape::off(), &self.sets[set])?;
        let mut stream = Stream::new(Domain::Drill, seed, MOST_INPUTS * SETS + set as u64);
        let values: Vec<f64> = (0..output.elem_count()).map(|_| stream.normal()).collect();
        let slopes = Tensor::from_vec(values, output.shape(), &Device::Cpu)?;
        // The loss, a scalar, is f64 whatever trains.
        let slopes = match output.rank() {
            0 => slopes,
            _ => slopes.to_dtype(rounded)?.to_dtype(output.dtype())?,
        };
        Ok(slopes.to_device(output.device())?)
    }

    /// The first input is another one in each step, in all of its rows, so that no answer can be
    /// kept for the next time. Of a step of a memory-bound operation 35 to 40 % is this copy and
    /// what little else there is (rms-norm, relu-squared of gpt-micro, 2 cores), on both sides of a
    /// trial.
    fn move_on(&self, set: usize) -> Result<()> {
        let Set {
            variables, pool, ..
        } = &self.sets[set];
        let Some(pool) = pool else {
            return Ok(());
        };
        let place =
            Stream::new(Domain::Drill, self.seed, PLACES_STREAM + self.step).below(PLACES as usize);
        let x = variables[0].flatten_all()?;
        Ok(rows::copy(pool, place, &x, 0, x.elem_count())?)
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
            Operation::AddRmsNorm => {
                let [other, weight] = [&set.variables[1], &set.variables[2]].map(Var::as_tensor);
                let epsilon = self.config.model.norm_epsilon;
                let [x, y] = add_rms_norm(tape, [x, other], weight, epsilon)?;
                tape.add(&x, &y)
            }
        }
    }

    /// One step; returns what its loss is made of.
    fn advance(&mut self) -> Result<Tensor> {
        let set = (self.step % SETS) as usize;
        self.step += 1;
        self.last.clear();
        if self.operation == Operation::Adamw {
            let parameter = self.update(set)?;
            self.last.push(("parameter".to_owned(), parameter.clone()));
            return Ok(parameter);
        }
        let tape = Tape::new();
        self.move_on(set)?;
        let output = self.output(&tape, &self.sets[set])?;
        let mut gradients = match &self.sets[set].slopes {
            Some(slopes) => tape.backward_from(&output, slopes.clone())?,
            None => tape.backward(&output)?,
        };
        for (index, variable) in self.sets[set].variables.iter().enumerate() {
            let gradient = gradients.remove(variable);
            let gradient =
                gradient.with_context(|| format!("no gradient reaches input {index}"))?;
            self.last.push((format!("gradient.{index}"), gradient));
        }
        let output = output.detach();
        self.last.push(("output".to_owned(), output.clone()));
        Ok(output)
    }

    /// What the last step has put out, and its gradients.
    #[must_use]
    pub fn last(&self) -> &[(String, Tensor)] {
        &self.last
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
            variables, state, ..
        } = &mut self.sets[set];
        let state = state.as_mut().context("the optimiser's state")?;
        let part = Part {
            parameter: &variables[0],
            grad: &variables[1],
            rule,
        };
        update_all([(part, state)])?;
        Ok(variables[0].as_detached_tensor())
    }
}

/// Floating-point operations and bytes of one step, as the operation counts them.
///
/// # Errors
/// Only what candle reports.
pub fn cost(config: &Config, operation: Operation) -> Result<(f64, f64)> {
    let mut drill = Drill::new(config, operation, &BY_HAND, &Place::cpu())?;
    profile::enable(true);
    profile::take();
    drill.step()?;
    profile::enable(false);
    let totals = profile::take().into_values();
    Ok(totals.fold((0.0, 0.0), |(f, b), t| (f + t.flops, b + t.bytes)))
}

/// Runs `steps` steps after a warm-up and says how fast each part was, and how fast it could have
/// been.
///
/// # Errors
/// Only what candle reports.
pub fn by_hand(
    config: &Config,
    operation: Operation,
    steps: u64,
    place: &Place,
    threads: usize,
) -> Result<String> {
    let mut drill = Drill::new(config, operation, &BY_HAND, place)?;
    drill.turn(2 * SETS)?;
    profile::enable(true);
    profile::take();
    let begin = Instant::now();
    drill.turn(steps)?;
    let step_s = begin.elapsed().as_secs_f64() / steps as f64;
    profile::enable(false);
    let (peaks, totals) = (peaks::measure(place)?, profile::take());
    let on = if place.is_cuda() {
        format!("the GPU in {:?}", place.dtype)
    } else {
        format!("{threads} threads")
    };
    let mut lines = vec![format!("{:.3} ms a step on {on}", step_s * 1e3)];
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
        let output = self.advance()?;
        if self.on_gpu {
            return mean(&set_aside(&output, self.step)?);
        }
        mean_of_some(&output, self.step)
    }

    /// On a GPU the steps of a turn follow each other without a gap, and what losses are made of is
    /// put aside there.
    fn turn(&mut self, n: u64) -> Result<Vec<f64>> {
        if !self.on_gpu {
            return (0..n).map(|_| self.step()).collect();
        }
        let aside = (0..n).map(|_| set_aside(&self.advance()?, self.step));
        let aside = aside.collect::<Result<Vec<_>>>()?;
        aside.iter().map(mean).collect()
    }

    fn save(&self, path: &Path) -> Result<()> {
        let stored = self.last.iter().map(|(name, tensor)| {
            let tensor = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
            let values = tensor.flatten_all()?.to_vec1::<f32>()?;
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
    fn draw(
        config: &Config,
        operation: Operation,
        start: &Start,
        place: &Place,
        rounded: DType,
        set: u64,
    ) -> Result<Self> {
        let unit = Unit::of(place.dtype);
        let shapes = shapes(config, operation);
        let mut pool = None;
        let variables = shapes.into_iter().enumerate().map(|(index, dims)| {
            let number = MOST_INPUTS * set + index as u64;
            let mut stream = Stream::new(Domain::Drill, start.seeds.model_seed, number);
            let n: usize = dims.iter().product();
            let pooled = index == 0 && operation != Operation::Adamw;
            let all = if pooled { n + PLACES as usize } else { n };
            let mut values: Vec<f32> = (0..all).map(|_| stream.normal() as f32).collect();
            if start.perturb_ulps > 0 {
                nudge(&mut values, unit, start.seeds.model_seed, number);
            }
            let placed = |values: &[f32]| {
                let tensor = Tensor::from_slice(values, values.len(), &Device::Cpu)?;
                let tensor = tensor.to_dtype(rounded)?.to_dtype(place.dtype)?;
                tensor.to_device(&place.device)
            };
            if pooled {
                pool = Some(placed(&values)?);
            }
            Ok(Var::from_tensor(&placed(&values[..n])?.reshape(dims)?)?)
        });
        let variables = variables.collect::<Result<Vec<_>>>()?;
        let mut stream = Stream::new(Domain::Training, start.seeds.data_seed, set);
        let symbols =
            (0..config.tokens_per_step()).map(|_| stream.below(config.model.symbols) as u32);
        let symbols: Vec<u32> = symbols.collect();
        Ok(Self {
            pool,
            slopes: None,
            state: (operation == Operation::Adamw)
                .then(|| optimiser(&variables[0]))
                .transpose()?,
            symbols: Tensor::new(symbols, &place.device)?,
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
        Operation::AddRmsNorm => vec![
            vec![tokens, model.width],
            vec![tokens, model.width],
            vec![model.width],
        ],
    }
}

fn shape(config: &Config) -> Shape {
    Shape {
        sequence: config.model.sequence,
        heads: config.model.heads,
        head_dim: config.model.head_dim(),
    }
}

fn optimiser(parameter: &Var) -> candle_core::Result<State> {
    let value = parameter.to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
    State::new(parameter, value.flatten_all()?.to_vec1()?)
}

/// Where the rows begin that a step's loss is made of, and how many they are: at another place each
/// step. The checkpoint holds the rest, and a second pass over all of it would be timed.
fn chosen(output: &Tensor, step: u64, most: usize) -> Result<(usize, usize)> {
    let all = output.dim(0)?;
    let count = all.div_ceil(SHARE_OF_ROWS).min(most);
    Ok(((step * STRIDE % (all - count + 1) as u64) as usize, count))
}

/// The mean of those rows, on the CPU.
fn mean_of_some(output: &Tensor, step: u64) -> Result<f64> {
    if output.rank() == 0 {
        return mean(output);
    }
    let (first, count) = chosen(output, step, usize::MAX)?;
    mean(&output.narrow(0, first, count)?)
}

/// A copy of those rows on the device. A fetch takes a whole storage, so they get one of their own.
fn set_aside(output: &Tensor, step: u64) -> Result<Tensor> {
    if output.rank() == 0 {
        return Ok(output.clone());
    }
    let (first, count) = chosen(output, step, MOST_ROWS_FROM_GPU)?;
    let shape = [&[count], &output.dims()[1..]].concat();
    let own = Tensor::zeros(&shape[..], output.dtype(), output.device())?;
    rows::copy(output, first, &own, 0, count)?;
    Ok(own)
}

/// In f64.
fn mean(rows: &Tensor) -> Result<f64> {
    let rows = rows.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
    Ok(rows.mean_all()?.to_scalar()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(drill: &Drill<'_>) -> Vec<Vec<f32>> {
        drill.sets[0].variables[0].to_vec2().unwrap()
    }

    #[test]
    fn no_row_of_its_input_comes_back_in_the_next_step() {
        let config = Config::load(Path::new("configs/gpt-nano.toml")).unwrap();
        let mut drill = Drill::new(&config, Operation::RmsNorm, &BY_HAND, &Place::cpu()).unwrap();
        let mut again = Drill::new(&config, Operation::RmsNorm, &BY_HAND, &Place::cpu()).unwrap();
        drill.turn(SETS).unwrap();
        let before = rows(&drill);
        let losses = drill.turn(SETS).unwrap();
        let after = rows(&drill);
        assert!(before.iter().all(|row| !after.contains(row)));
        again.turn(SETS).unwrap();
        assert_eq!(
            again.turn(SETS).unwrap(),
            losses,
            "equal seeds, equal steps"
        );
    }
}
