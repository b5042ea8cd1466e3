//! Training: a model, its optimiser state and its text, one step after the other. A trainer is a
//! function of its config, its seeds and the number of steps: equal ones give equal bits.

use crate::config::Config;
use crate::data::{Batch, Source, Split};
use crate::model::{Model, Parameter};
use crate::optimizer::update;
use crate::place::Place;
use crate::random::{Unit, nudge};
use anyhow::{Context as _, Result};
use candle_core::{DType, Tensor};
use outpace_kernels::adamw::State;
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
    pub states: Vec<State>,
    /// Steps done.
    pub step: u64,
    /// What it started from.
    pub seeds: Seeds,
    /// A batch that was made while a GPU was busy with the one before, with its seed and step.
    ahead: Option<([u64; 2], Batch)>,
}

impl<'a> Trainer<'a> {
    /// A fresh run.
    ///
    /// # Errors
    /// A place without the memory for it.
    pub fn new(
        config: &'a Config,
        source: &'a Source,
        seeds: Seeds,
        place: &Place,
    ) -> Result<Self> {
        let fresh = Model::new(&config.model, seeds.model_seed, DType::F32)?;
        let value = |p: &Parameter| p.value.flatten_all()?.to_vec1::<f32>();
        let values = fresh.parameters().iter().map(value);
        let values = values.collect::<candle_core::Result<Vec<_>>>()?;
        let model = fresh.at(place)?;
        let parameters = model.parameters().iter().zip(values);
        let states = parameters
            .map(|(parameter, value)| State::new(&parameter.value, value))
            .collect::<candle_core::Result<_>>()?;
        Ok(Self {
            config,
            source,
            model,
            states,
            step: 0,
            seeds,
            ahead: None,
        })
    }

    /// Moves every weight by one unit in the last place of the numbers that it trains in, as
    /// [`nudge`] does. Moments stay.
    ///
    /// # Errors
    /// Only what candle reports.
    pub fn perturb(&mut self, seed: u64) -> Result<()> {
        let parameters = self.model.parameters().iter().zip(&mut self.states);
        for (index, (parameter, state)) in parameters.enumerate() {
            let unit = Unit::of(parameter.value.dtype());
            let mut stored = state.store(parameter.value.as_tensor())?;
            nudge(&mut stored.value, unit, seed, index as u64);
            *state = State::restore(&parameter.value, stored)?;
        }
        Ok(())
    }

    /// One step on the next batch; returns its loss in nats a token, before the update.
    ///
    /// # Errors
    /// A parameter that no gradient reaches, or what candle reports.
    pub fn step(&mut self) -> Result<f64> {
        Ok(self.queue_step()?.to_scalar()?)
    }

    /// Queues one step on the next batch; its loss is a scalar in f64 where the model is. On a GPU
    /// nothing has been waited for when this returns, and reading the loss waits for all of it.
    ///
    /// # Errors
    /// A parameter that no gradient reaches, or what candle reports.
    pub fn queue_step(&mut self) -> Result<Tensor> {
        let batch = match self.ahead.take() {
            Some((of, batch)) if of == [self.seeds.data_seed, self.step] => batch,
            _ => self.batch(),
        };
        let tape = Tape::new();
        let loss = self.model.loss(&tape, &batch.inputs, &batch.targets)?;
        let mut gradients = tape.backward(&loss)?;
        self.step += 1;
        let parameters = self.model.parameters();
        let gradients = parameters.iter().map(|parameter| {
            let gradient = gradients
                .remove(&parameter.value)
                .with_context(|| format!("no gradient reaches {}", parameter.name))?;
            Ok(gradient.contiguous()?)
        });
        let gradients = gradients.collect::<Result<Vec<_>>>()?;
        update(
            &self.config.optimizer,
            self.step,
            parameters.iter().zip(&gradients),
            &mut self.states,
        )?;
        if loss.device().is_cuda() {
            // The GPU has work for long, and would wait for the next batch at the next step's
            // beginning.
            self.ahead = Some(([self.seeds.data_seed, self.step], self.batch()));
        }
        Ok(loss)
    }

    /// Of the next step.
    fn batch(&self) -> Batch {
        let seed = self.seeds.data_seed;
        self.source.batch(Split::Training, seed, self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perturbation_moves_every_weight_by_one_unit() {
        let text = "[model]\nsymbols = 11\nwidth = 8\nlayers = 2\nheads = 2\nsequence = 5\n\
                    [data]\nbatch = 2\nlanguage = { seed = 1 }\n";
        let config = Config::parse(text).unwrap();
        let source = Source::open(&config, None).unwrap();
        let seeds = Seeds {
            model_seed: 1,
            data_seed: 1,
        };
        let new = || Trainer::new(&config, &source, seeds, &Place::cpu()).unwrap();
        let (a, mut b) = (new(), new());
        b.perturb(9).unwrap();
        let values = |trainer: &Trainer<'_>| -> Vec<f32> {
            let flat = |p: &Parameter| p.value.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            trainer.model.parameters().iter().flat_map(flat).collect()
        };
        let (a, b) = (values(&a), values(&b));
        assert!(
            a.iter()
                .zip(&b)
                .all(|(x, y)| x.next_up() == *y || x.next_down() == *y)
        );
        let ups = a.iter().zip(&b).filter(|(x, y)| x < y).count();
        assert!(ups > a.len() / 3 && ups < a.len() * 2 / 3);
    }
}
