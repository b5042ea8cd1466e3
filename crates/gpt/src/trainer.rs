//! Training: a model, its optimiser state and its text, one step after the other. A trainer is a function of its config, its seeds and
//! the number of steps: equal ones give equal bits.

use crate::config::{Config, Optimizer, Schedule};
use crate::data::{Source, Split};
use crate::model::Model;
use anyhow::{Context as _, Result};
use candle_core::DType;
use outpace_kernels::adamw::{self, Moments, Rule};
use outpace_kernels::tape::Tape;

/// What a run is a function of, besides its config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct Seeds {
    /// Initial weights.
    pub model_seed: u64,
    /// Training text.
    pub data_seed: u64,
}

/// A run in progress.
#[derive(Debug)]
pub struct Trainer<'a> {
    config: &'a Config,
    source: &'a Source,
    /// The network.
    pub model: Model,
    /// Optimiser state, one a parameter, in the model's order.
    pub moments: Vec<Moments>,
    /// Steps done.
    pub step: u64,
    /// What it started from.
    pub seeds: Seeds,
}

impl<'a> Trainer<'a> {
    /// A fresh run.
    ///
    /// # Errors
    /// Only what candle reports.
    pub fn new(config: &'a Config, source: &'a Source, seeds: Seeds) -> Result<Self> {
        let model = Model::new(&config.model, seeds.model_seed, DType::F32)?;
        let moments = model
            .parameters()
            .iter()
            .map(|p| Moments::zeros(p.value.elem_count()))
            .collect();
        Ok(Self {
            config,
            source,
            model,
            moments,
            step: 0,
            seeds,
        })
    }

    /// One step on the next batch; returns its loss in nats a token, before the update.
    ///
    /// # Errors
    /// A parameter that no gradient reaches, or what candle reports.
    pub fn step(&mut self) -> Result<f64> {
        let batch = self
            .source
            .batch(Split::Training, self.seeds.data_seed, self.step);
        let tape = Tape::new();
        let loss = self.model.loss(&tape, &batch.inputs, &batch.targets)?;
        let mut gradients = tape.backward(&loss)?;
        self.step += 1;
        let rule = rule(&self.config.optimizer, self.step);
        for (parameter, moments) in self.model.parameters().iter().zip(&mut self.moments) {
            let gradient = gradients
                .remove(&parameter.value)
                .with_context(|| format!("no gradient reaches {}", parameter.name))?;
            let is_matrix = parameter.value.rank() > 1;
            let weight_decay = if is_matrix { rule.weight_decay } else { 0.0 };
            let rule = Rule {
                weight_decay,
                ..rule
            };
            adamw::update(parameter.value.as_tensor(), &gradient, moments, rule)?;
        }
        Ok(loss.to_scalar()?)
    }
}

/// The update rule of `step`, counted from 1.
fn rule(optimizer: &Optimizer, step: u64) -> Rule {
    Rule {
        learning_rate: learning_rate(optimizer, step),
        beta1: optimizer.beta1,
        beta2: optimizer.beta2,
        epsilon: optimizer.epsilon,
        weight_decay: optimizer.weight_decay,
        step,
    }
}

/// Rises linearly over the warm-up, then stays or falls along half a cosine to `final_fraction` at `total_steps`.
fn learning_rate(optimizer: &Optimizer, step: u64) -> f64 {
    let peak = optimizer.learning_rate;
    if step <= optimizer.warmup_steps {
        return peak * step as f64 / optimizer.warmup_steps as f64;
    }
    match optimizer.schedule {
        Schedule::Constant => peak,
        Schedule::Cosine => {
            let length = (optimizer.total_steps - optimizer.warmup_steps) as f64;
            let done = ((step - optimizer.warmup_steps) as f64 / length).min(1.0);
            let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
            peak * (optimizer.final_fraction + (1.0 - optimizer.final_fraction) * cosine)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_rises_stays_and_falls() {
        let constant = Optimizer {
            learning_rate: 0.1,
            warmup_steps: 10,
            total_steps: 110,
            ..Optimizer::default()
        };
        let cosine = Optimizer {
            schedule: Schedule::Cosine,
            ..constant.clone()
        };
        for (optimizer, step, expected) in [
            (&constant, 1, 0.01),
            (&constant, 10, 0.1),
            (&constant, 1000, 0.1),
            (&cosine, 10, 0.1),
            (&cosine, 60, 0.055),
            (&cosine, 110, 0.01),
            (&cosine, 1000, 0.01),
        ] {
            let actual = learning_rate(optimizer, step);
            assert!((actual - expected).abs() < 1e-12, "{step}: {actual}");
        }
        let none = Optimizer {
            warmup_steps: 0,
            ..constant
        };
        assert_eq!(learning_rate(&none, 1), 0.1);
    }
}
