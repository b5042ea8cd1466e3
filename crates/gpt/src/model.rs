//! The decoder: token embedding, blocks of causal attention and ReLU-squared MLP around a residual
//! stream, a final norm, an untied head.
//!
//! Every operation comes from `outpace-kernels`, because candle's fused ones have no backward.
//! Works in f32 and, on CUDA, bf16 (training), and in f64 (gradient check). Knows nothing of
//! optimisers, files or time.

use crate::config;
use crate::place::Place;
use crate::random::{Domain, Stream};
use candle_core::{DType, Device, Result, Tensor, Var};
use outpace_kernels::attention::attention;
use outpace_kernels::cross_entropy::cross_entropy;
use outpace_kernels::embedding::embedding;
use outpace_kernels::linear::linear;
use outpace_kernels::relu_squared::relu_squared;
use outpace_kernels::rms_norm::{add_rms_norm, rms_norm};
use outpace_kernels::rotary::{Shape, Table};
use outpace_kernels::tape::Tape;
use rayon::prelude::*;

/// Standard deviation of initial matrices (Radford et al. 2019, GPT-2); projections back into the
/// residual stream are divided by sqrt(2 x layers), because that many are added up.
const INITIAL_SPREAD: f64 = 0.02;

/// A parameter under its name in checkpoints.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// For example `blocks.0.attention.qkv`.
    pub name: String,
    /// Its value; updated in place.
    pub value: Var,
}

/// The network.
#[derive(Debug)]
pub struct Model {
    config: config::Model,
    rotary: Table,
    parameters: Vec<Parameter>,
}

/// Parameters of a block, in the order in which they are stored.
const BLOCK: [&str; 6] = [
    "attention.norm",
    "attention.qkv",
    "attention.out",
    "mlp.norm",
    "mlp.up",
    "mlp.down",
];

impl Model {
    /// A fresh network on the CPU; all weights are drawn from `seed`.
    ///
    /// # Errors
    /// Only what candle reports; a validated config causes none.
    pub fn new(config: &config::Model, seed: u64, dtype: DType) -> Result<Self> {
        let layers = config.layers;
        Self::with(config, dtype, |index, name, dims| {
            let values = initial(name, &dims, layers, seed, index);
            Tensor::from_vec(values, dims, &Device::Cpu)?.to_dtype(dtype)
        })
    }

    /// One whose weights are all zero, to be loaded.
    ///
    /// # Errors
    /// Only what candle reports.
    pub fn zeros(config: &config::Model, dtype: DType) -> Result<Self> {
        Self::with(config, dtype, |_, _, dims| {
            Tensor::zeros(dims, dtype, &Device::Cpu)
        })
    }

    fn with(
        config: &config::Model,
        dtype: DType,
        tensor: impl Fn(u64, &str, Vec<usize>) -> Result<Tensor> + Sync,
    ) -> Result<Self> {
        let shape = Shape {
            sequence: config.sequence,
            heads: config.heads,
            head_dim: config.head_dim(),
        };
        let layout: Vec<_> = layout(config).into_iter().enumerate().collect();
        let parameters = layout
            .into_par_iter()
            .map(|(index, (name, dims))| {
                let value = Var::from_tensor(&tensor(index as u64, &name, dims)?)?;
                Ok(Parameter { name, value })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            config: config.clone(),
            rotary: Table::new(shape, config.rotary_base, dtype)?,
            parameters,
        })
    }

    /// The same network at a place. The angles stay f32: they are no weights, and bf16 would place
    /// distant tokens wrongly.
    ///
    /// # Errors
    /// A device without the memory for it.
    pub fn at(self, place: &Place) -> Result<Self> {
        if !place.is_cuda() {
            return Ok(self);
        }
        let copy = |Parameter { name, value }| {
            // Rounded on the CPU, where no module has to be loaded for it.
            let tensor = value.as_tensor().to_dtype(place.dtype)?;
            let value = Var::from_tensor(&tensor.to_device(&place.device)?)?;
            Ok(Parameter { name, value })
        };
        Ok(Self {
            config: self.config,
            rotary: self.rotary.to_device(&place.device)?,
            parameters: self
                .parameters
                .into_iter()
                .map(copy)
                .collect::<Result<_>>()?,
        })
    }

    /// Its sizes.
    #[must_use]
    pub fn config(&self) -> &config::Model {
        &self.config
    }

    /// All parameters, in a fixed order.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Mean loss in nats of `targets` after `inputs` (both whole sequences, concatenated).
    ///
    /// # Errors
    /// Tokens that are no symbols, or lengths that are no whole sequences.
    pub fn loss(&self, tape: &Tape, inputs: &[u32], targets: &[u32]) -> Result<Tensor> {
        let targets = Tensor::new(targets, self.device())?;
        cross_entropy(tape, &self.logits(tape, inputs)?, &targets)
    }

    /// Logits (tokens, symbols) of what follows each token of `inputs`.
    ///
    /// # Errors
    /// As [`Model::loss`].
    pub fn logits(&self, tape: &Tape, inputs: &[u32]) -> Result<Tensor> {
        let ids = Tensor::new(inputs, self.device())?;
        let (first, rest) = self.tensors();
        let mut x = embedding(tape, first, &ids)?;
        let epsilon = self.config.norm_epsilon;
        let mut h = rms_norm(tape, &x, rest[0].value.as_tensor(), epsilon)?;
        for first in (0..self.config.layers).map(|block| block * BLOCK.len()) {
            // The last is the next block's norm, or the one before the head.
            let [qkv, out, mlp_norm, up, down, next_norm] =
                std::array::from_fn(|i| rest[first + 1 + i].value.as_tensor());
            h = attention(tape, &linear(tape, &h, qkv)?, &self.rotary)?;
            h = linear(tape, &h, out)?;
            [x, h] = add_rms_norm(tape, [&x, &h], mlp_norm, epsilon)?;
            h = relu_squared(tape, &linear(tape, &h, up)?)?;
            h = linear(tape, &h, down)?;
            [x, h] = add_rms_norm(tape, [&x, &h], next_norm, epsilon)?;
        }
        let head = &rest[rest.len() - 1];
        linear(tape, &h, head.value.as_tensor())
    }

    fn device(&self) -> &Device {
        self.parameters[0].value.device()
    }

    fn tensors(&self) -> (&Tensor, &[Parameter]) {
        (self.parameters[0].value.as_tensor(), &self.parameters[1..])
    }
}

/// Names and shapes of all parameters. Matrices are (inputs, outputs).
fn layout(config: &config::Model) -> Vec<(String, Vec<usize>)> {
    let (width, hidden) = (config.width, config.width * config.mlp_ratio);
    let mut layout = vec![("embedding".to_owned(), vec![config.symbols, width])];
    for block in 0..config.layers {
        let shapes = [
            vec![width],
            vec![width, 3 * width],
            vec![width, width],
            vec![width],
            vec![width, hidden],
            vec![hidden, width],
        ];
        let names = BLOCK.iter().map(|name| format!("blocks.{block}.{name}"));
        layout.extend(names.zip(shapes));
    }
    layout.push(("norm".to_owned(), vec![width]));
    layout.push(("head".to_owned(), vec![width, config.symbols]));
    layout
}

fn initial(name: &str, dims: &[usize], layers: usize, seed: u64, index: u64) -> Vec<f64> {
    let n = dims.iter().product();
    if dims.len() == 1 {
        return vec![1.0; n];
    }
    let into_residual = name.ends_with(".out") || name.ends_with(".down");
    let shrink = if into_residual {
        (2.0 * layers as f64).sqrt()
    } else {
        1.0
    };
    let stream = Stream::new(Domain::Weights, seed, index);
    let mut values = stream.normals(n);
    values
        .par_iter_mut()
        .for_each(|value| *value *= INITIAL_SPREAD / shrink);
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use outpace_kernels::tape::Gradients;

    /// Central differences of a loss near 1 in f64 are good to about 1e-10 / STEP.
    const STEP: f64 = 1e-5;
    const TOLERANCE: f64 = 1e-7;

    fn config() -> config::Model {
        config::Model {
            symbols: 11,
            width: 8,
            layers: 2,
            heads: 2,
            sequence: 5,
            mlp_ratio: 3,
            rotary_base: 100.0,
            norm_epsilon: 1e-5,
        }
    }

    fn tokens(seed: u64) -> Vec<u32> {
        let mut stream = Stream::new(Domain::Sample, seed, 0);
        (0..10).map(|_| stream.below(11) as u32).collect()
    }

    fn gradients(model: &Model) -> Gradients {
        let tape = Tape::new();
        let loss = model.loss(&tape, &tokens(1), &tokens(2)).unwrap();
        tape.backward(&loss).unwrap()
    }

    fn loss(model: &Model) -> f64 {
        let loss = model.loss(&Tape::off(), &tokens(1), &tokens(2)).unwrap();
        loss.to_dtype(DType::F64).unwrap().to_scalar().unwrap()
    }

    /// Weights far from their small initial values, so that no gradient is lost in a nearly linear
    /// network.
    fn lively(model: &Model) {
        for (index, parameter) in model.parameters().iter().enumerate() {
            let mut stream = Stream::new(Domain::Sample, 3, index as u64);
            let shape = parameter.value.as_tensor().shape();
            let values: Vec<f64> = (0..shape.elem_count())
                .map(|_| 0.5 * stream.normal())
                .collect();
            let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
            parameter
                .value
                .set(&tensor.to_dtype(parameter.value.dtype()).unwrap())
                .unwrap();
        }
    }

    fn nudged(parameter: &Parameter, element: usize, by: f64) -> Tensor {
        let tensor = parameter.value.as_tensor();
        let mut values = tensor.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        values[element] += by;
        Tensor::from_vec(values, tensor.shape(), &Device::Cpu).unwrap()
    }

    #[test]
    fn every_gradient_of_the_whole_model_agrees_with_finite_differences() {
        let model = Model::new(&config(), 1, DType::F64).unwrap();
        lively(&model);
        let mut gradients = gradients(&model);
        for parameter in model.parameters() {
            let gradient = gradients.remove(&parameter.value).expect(&parameter.name);
            let gradient = gradient.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            assert!(
                gradient.iter().any(|g| g.abs() > 1e-6),
                "{}: no slope",
                parameter.name
            );
            let original = nudged(parameter, 0, 0.0);
            // Every element of the small ones, a spread of the large ones.
            for element in (0..gradient.len()).step_by(gradient.len().div_ceil(40)) {
                let (above, below) = (
                    nudged(parameter, element, STEP),
                    nudged(parameter, element, -STEP),
                );
                parameter.value.set(&above).unwrap();
                let above = loss(&model);
                parameter.value.set(&below).unwrap();
                let expected = (above - loss(&model)) / (2.0 * STEP);
                parameter.value.set(&original).unwrap();
                let difference = (gradient[element] - expected).abs();
                assert!(
                    difference <= TOLERANCE,
                    "{}[{element}]: {} instead of {expected}",
                    parameter.name,
                    gradient[element]
                );
            }
        }
    }

    #[test]
    fn f32_gradients_agree_with_f64() {
        let (single, double) = (
            Model::new(&config(), 1, DType::F32).unwrap(),
            Model::new(&config(), 1, DType::F64).unwrap(),
        );
        lively(&single);
        lively(&double);
        let [mut of_single, mut of_double] = [&single, &double].map(gradients);
        for (a, b) in single.parameters().iter().zip(double.parameters()) {
            let flat = |gradient: Option<Tensor>| {
                let gradient = gradient.unwrap().to_dtype(DType::F64).unwrap();
                gradient.flatten_all().unwrap().to_vec1::<f64>().unwrap()
            };
            let pairs = flat(of_single.remove(&a.value));
            for (x, y) in pairs.into_iter().zip(flat(of_double.remove(&b.value))) {
                assert!((x - y).abs() <= 1e-4, "{}: {x} {y}", a.name);
            }
        }
    }

    #[test]
    fn the_config_counts_what_the_model_has() {
        let model = Model::new(&config(), 1, DType::F32).unwrap();
        let counts = model.parameters().iter().map(|p| p.value.elem_count());
        assert_eq!(counts.sum::<usize>(), config().parameters());
    }
}
