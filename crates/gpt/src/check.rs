//! Whether a device computes what the CPU does: every operation, forward and backward, against the
//! CPU's version in f64; gradients of the whole model, which the unit tests hold against finite
//! differences; and the losses of a short training run.
//!
//! Differences are relative to the largest number of the expected array. Tolerances are those of
//! the kernels' headers.

use crate::config::{self, Config};
use crate::data::{Source, Split};
use crate::drill::{Drill, Operation};
use crate::evaluate::largest;
use crate::model::Model;
use crate::place::Place;
use crate::session::{Run as _, Start};
use crate::trainer::{Seeds, Trainer};
use anyhow::{Context as _, Result};
use candle_core::{DType, Device, Tensor};
use outpace_kernels::adamw;
use outpace_kernels::tape::{Gradients, Tape};
use serde::Serialize;
use std::fmt;

const SEEDS: Seeds = Seeds {
    model_seed: 11,
    data_seed: 12,
};
/// Steps of a drill that are compared, of two different sets of inputs.
const STEPS: u64 = 2;
/// Steps of the training run.
const TRAINING_STEPS: u64 = 20;
/// Losses in f32 part by rounding alone, in bf16 by a rounding to 8 bits in every operation.
const LOSS_F32: f64 = 1e-4;
const LOSS_BF16: f64 = 1e-2;
/// Gradients of the whole model pass through every operation.
const GRADIENT_F32: f64 = 1e-3;
const GRADIENT_BF16: f64 = 1e-1;
/// A slope by differences in f32 loses half of its digits.
const SLOPE: f64 = 2e-2;

/// What `check` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// `outpace.check/1`.
    pub schema: &'static str,
    /// Whether all held.
    pub passed: bool,
    /// One by one.
    pub checks: Vec<Check>,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// For example `attention.gradient.0`.
    pub name: String,
    /// `f32` or `bf16`.
    pub dtype: &'static str,
    /// Sizes of the inputs.
    pub sizes: String,
    /// Largest difference, relative to the largest number; `null` when it is none.
    pub error: Option<f64>,
    /// The most that is allowed.
    pub allowed: f64,
    /// Whether it held.
    pub passed: bool,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self
            .error
            .map_or("no number".to_owned(), |e| format!("{e:.2e}"));
        let Self {
            name,
            dtype,
            sizes,
            allowed,
            ..
        } = self;
        write!(
            f,
            "{name} in {dtype} ({sizes}): {error} where {allowed:.0e} is allowed"
        )
    }
}

impl Check {
    fn new(name: impl Into<String>, dtype: DType, sizes: String, error: f64, allowed: f64) -> Self {
        Self {
            name: name.into(),
            dtype: dtype.as_str(),
            sizes,
            error: Some(error).filter(|error| error.is_finite()),
            allowed,
            // Written so that what is no number fails.
            passed: error <= allowed,
        }
    }
}

/// Checks a place at the sizes of `config` and at awkward ones.
///
/// # Errors
/// What the device reports.
pub fn check(config: &Config, source: &Source, place: &Place) -> Result<Report> {
    let mut checks = Vec::new();
    let mut configs = awkward()?;
    configs.push(config.clone());
    for dtype in dtypes(place) {
        let place = Place {
            dtype,
            ..place.clone()
        };
        for config in &configs {
            for &operation in Operation::all() {
                checks.extend(drill(config, operation, &place)?);
            }
        }
        for config in &configs[..configs.len() - 1] {
            checks.extend(model(config, &place)?);
        }
        checks.push(training(config, source, &place)?);
    }
    Ok(Report {
        schema: "outpace.check/1",
        passed: checks.iter().all(|check| check.passed),
        checks,
    })
}

fn dtypes(place: &Place) -> Vec<DType> {
    if place.is_cuda() {
        vec![DType::F32, DType::BF16]
    } else {
        vec![DType::F32]
    }
}

/// Sizes that are no multiples of tiles, warps and blocks, with every width of a head that the CUDA
/// kernels have. Rows are multiples of 8 numbers, which those need.
fn awkward() -> Result<Vec<Config>> {
    let texts = [(40, 48, 3, 33, 3), (264, 128, 2, 129, 1), (2056, 64, 2, 70, 2)].map(
        |(symbols, width, heads, sequence, batch)| {
            format!(
                "[model]\nsymbols = {symbols}\nwidth = {width}\nlayers = 2\nheads = {heads}\nsequence = {sequence}\n\
                 [data]\nbatch = {batch}\nlanguage = {{ seed = 1 }}\n"
            )
        },
    );
    let configs = texts.iter().map(|text| Config::parse(text));
    Ok(configs.collect::<Result<_, _>>()?)
}

fn sizes(config: &Config) -> String {
    let config::Model {
        symbols,
        width,
        heads,
        sequence,
        ..
    } = config.model;
    let batch = config.data.batch;
    format!("{batch} x {sequence} tokens of {symbols}, width {width}, {heads} heads")
}

fn drill(config: &Config, operation: Operation, place: &Place) -> Result<Vec<Check>> {
    let start = Start::fresh(SEEDS);
    let mut expected = Drill::reference(config, operation, &start, place.dtype)?;
    let mut actual = Drill::new(config, operation, &start, place)?;
    let mut again = Drill::new(config, operation, &start, place)?;
    for drill in [&mut expected, &mut actual, &mut again] {
        drill.turn(STEPS)?;
    }
    let mut checks = Vec::new();
    let tensors = expected.last().iter().zip(actual.last());
    for (((name, expected), (_, actual)), (_, again)) in tensors.zip(again.last()) {
        let (expected, actual) = (numbers(expected)?, numbers(actual)?);
        let mut checked = |name: String, error, allowed| {
            checks.push(Check::new(name, place.dtype, sizes(config), error, allowed));
        };
        let name = format!("{}.{name}", operation.name());
        let allowed = tolerance(operation, place.dtype, name.contains("gradient"));
        checked(name.clone(), difference(&actual, &expected), allowed);
        checked(
            format!("{name}, repeated"),
            difference(&numbers(again)?, &actual),
            0.0,
        );
    }
    Ok(checks)
}

fn tolerance(operation: Operation, dtype: DType, is_gradient: bool) -> f64 {
    match (dtype, operation, is_gradient) {
        (DType::BF16, Operation::Attention, false) => 2e-2,
        (DType::BF16, Operation::Attention, true) => 5e-2,
        (DType::BF16, _, false) => 1e-2,
        (DType::BF16, _, true) => 2e-2,
        (_, _, false) => 1e-5,
        (_, _, true) => 1e-4,
    }
}

/// All gradients of the model, and the slope of its loss along them by differences.
fn model(config: &Config, place: &Place) -> Result<Vec<Check>> {
    let source = Source::open(config, None)?;
    let batch = source.batch(Split::Training, SEEDS.data_seed, 0);
    let new = |dtype| Model::new(&config.model, SEEDS.model_seed, dtype);
    let (reference, actual) = (new(DType::F64)?, new(DType::F32)?.at(place)?);
    let gradients = |model: &Model| -> Result<Gradients> {
        let tape = Tape::new();
        let loss = model.loss(&tape, &batch.inputs, &batch.targets)?;
        Ok(tape.backward(&loss)?)
    };
    let (mut of_reference, mut of_actual) = (gradients(&reference)?, gradients(&actual)?);
    let allowed = match place.dtype {
        DType::BF16 => GRADIENT_BF16,
        _ => GRADIENT_F32,
    };
    let mut checks = Vec::new();
    let mut directions = Vec::new();
    let mut squares = 0.0;
    for (a, b) in reference.parameters().iter().zip(actual.parameters()) {
        let missing = || format!("no gradient reaches {}", a.name);
        let expected = numbers(&of_reference.remove(&a.value).with_context(missing)?)?;
        let gradient = numbers(&of_actual.remove(&b.value).with_context(missing)?)?;
        let error = difference(&gradient, &expected);
        let name = format!("model.gradient.{}", a.name);
        checks.push(Check::new(name, place.dtype, sizes(config), error, allowed));
        squares += gradient.iter().map(|g| g * g).sum::<f64>();
        directions.push(gradient);
    }
    if place.dtype == DType::F32 {
        let loss = |by: f64| -> Result<f64> {
            let moved = new(DType::F32)?.at(place)?;
            for (parameter, direction) in moved.parameters().iter().zip(&directions) {
                let value = numbers(parameter.value.as_tensor())?;
                let value = value.iter().zip(direction);
                let value: Vec<f32> = value.map(|(v, d)| (v + by * d) as f32).collect();
                adamw::set(&parameter.value, &value)?;
            }
            let loss = moved.loss(&Tape::off(), &batch.inputs, &batch.targets)?;
            Ok(loss.to_scalar::<f64>()?)
        };
        // A step that changes the loss by about a hundredth: far above rounding, small beside the
        // curvature.
        let by = 5e-3 / squares;
        let slope = (loss(by)? - loss(-by)?) / (2.0 * by);
        let error = (slope - squares).abs() / squares;
        let name = "model.slope along its gradient";
        checks.push(Check::new(name, place.dtype, sizes(config), error, SLOPE));
    }
    Ok(checks)
}

/// Losses of the first steps beside those of the CPU in f32, step by step.
fn training(config: &Config, source: &Source, place: &Place) -> Result<Check> {
    let losses = |place: &Place| Trainer::new(config, source, SEEDS, place)?.turn(TRAINING_STEPS);
    let (expected, actual) = (losses(&Place::cpu())?, losses(place)?);
    let pairs = actual.iter().zip(&expected);
    let gaps = pairs.map(|(a, e)| (a - e).abs() / e.abs());
    let allowed = match place.dtype {
        DType::BF16 => LOSS_BF16,
        _ => LOSS_F32,
    };
    let name = format!("training.losses of {TRAINING_STEPS} steps");
    Ok(Check::new(
        name,
        place.dtype,
        sizes(config),
        largest(gaps),
        allowed,
    ))
}

fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    let tensor = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// Largest difference, relative to the largest expected number.
fn difference(actual: &[f64], expected: &[f64]) -> f64 {
    let scale = largest(expected.iter().map(|e| e.abs()));
    let gaps = largest(actual.iter().zip(expected).map(|(a, e)| (a - e).abs()));
    if gaps == 0.0 { 0.0 } else { gaps / scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_fails() {
        assert!(difference(&[f64::NAN, 0.0], &[1.0, 1.0]).is_nan());
        assert_eq!(difference(&[1.0, 3.0], &[1.0, 2.0]), 0.5);
        let nan = Check::new("x", DType::F32, String::new(), f64::NAN, 1.0);
        assert!(!nan.passed && nan.error.is_none());
    }

    #[test]
    fn nan_is_not_forgotten() {
        assert!(largest([f64::NAN, 1.0].into_iter()).is_nan());
        assert!(largest([1.0, f64::NAN].into_iter()).is_nan());
    }
}
