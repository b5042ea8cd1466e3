//! Linear regression by stochastic gradient descent, driven by outpace through the step protocol.

use outpace_step::{Hello, Start, Workload, WorkloadError};

const WIDTH: usize = 64;
const BATCH: usize = 512;
const LEARNING_RATE: f64 = 0.1;
const NOISE: f64 = 0.1;

struct Regression {
    weights: [f64; WIDTH],
    target: [f64; WIDTH],
    data: Random,
}

impl Workload for Regression {
    fn hello(&self) -> Hello {
        Hello {
            tokens_per_step: Some(BATCH as u64),
            parameters: Some(WIDTH as u64),
            ..Hello::default()
        }
    }

    fn start(&mut self, start: &Start) -> Result<(), WorkloadError> {
        *self = Self::new(start.model_seed, start.data_seed);
        Ok(())
    }

    fn steps(&mut self, n: u32) -> Result<Vec<f64>, WorkloadError> {
        Ok((0..n).map(|_| self.train_step()).collect())
    }
}

impl Regression {
    fn new(model_seed: u64, data_seed: u64) -> Self {
        let (mut model, mut data) = (Random(model_seed), Random(data_seed));
        Self {
            weights: std::array::from_fn(|_| model.draw()),
            target: std::array::from_fn(|_| data.draw()),
            data,
        }
    }

    /// One step on a fresh batch. The loss is the mean squared error before the update.
    fn train_step(&mut self) -> f64 {
        let (mut loss, mut gradient) = (0.0, [0.0; WIDTH]);
        for _ in 0..BATCH {
            let x: [f64; WIDTH] = std::array::from_fn(|_| self.data.draw());
            let y = dot(&self.target, &x) + NOISE * self.data.draw();
            let error = dot(&self.weights, &x) - y;
            loss += error * error / BATCH as f64;
            for (gradient, x) in gradient.iter_mut().zip(x) {
                *gradient += 2.0 * error * x / BATCH as f64;
            }
        }
        for (weight, gradient) in self.weights.iter_mut().zip(gradient) {
            *weight -= LEARNING_RATE * gradient;
        }
        loss
    }
}

fn dot(a: &[f64; WIDTH], b: &[f64; WIDTH]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// SplitMix64, so that the example needs no other crate.
struct Random(u64);

impl Random {
    /// Uniform from -1 to 1.
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

fn main() {
    if let Err(error) = outpace_step::serve(&mut Regression::new(0, 0)) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}
