//! The workload behind the step protocol: a training run, or the drill of one operation. The loop
//! that reads requests and answers them is in `outpace-step`. There is no clock here: outpace
//! measures.

use crate::config::Config;
use crate::data::Source;
use crate::drill::{Drill, Operation};
use crate::place::Place;
pub use crate::run::{Run, Start};
use crate::trainer::Trainer;
use crate::{checkpoint, figures, predict};
use anyhow::{Context as _, Result};
use outpace_step::{Hello, PERTURB, PREDICT, Passages, RESUME, SAVE, Workload, WorkloadError};
use std::path::Path;

/// Answers outpace with the training that `config` describes, until it says `stop` or closes the
/// connection.
///
/// # Errors
/// A socket that cannot be reached, a request that cannot be answered, or a failure of the
/// training. The last two are also sent.
pub fn serve_training(config: &Config, source: &Source, place: &Place) -> Result<()> {
    let hello = Hello {
        flops_per_token: Some(figures::flops_per_token(config)),
        parameters: Some(config.model.parameters() as u64),
        ..hello(config, &[PERTURB, SAVE, RESUME, PREDICT])
    };
    serve(hello, |start| begin(config, source, place, start))
}

/// Answers outpace with one operation at the sizes of `config`.
///
/// # Errors
/// As [`serve_training`].
pub fn serve_drill(config: &Config, operation: Operation, place: &Place) -> Result<()> {
    let begin = |start: &Start| Drill::new(config, operation, start, place);
    serve(hello(config, &[PERTURB, SAVE]), begin)
}

fn hello(config: &Config, can: &[&str]) -> Hello {
    Hello {
        tokens_per_step: Some(config.tokens_per_step() as u64),
        can: can.iter().map(ToString::to_string).collect(),
        ..Hello::default()
    }
}

fn serve<R: Run>(hello: Hello, begin: impl Fn(&Start) -> Result<R>) -> Result<()> {
    let run = None;
    Ok(outpace_step::serve(&mut Session { hello, begin, run })?)
}

fn begin<'a>(
    config: &'a Config,
    source: &'a Source,
    place: &Place,
    start: &Start,
) -> Result<Trainer<'a>> {
    let mut trainer = Trainer::new(config, source, start.seeds, place)?;
    if let Some(path) = &start.checkpoint {
        checkpoint::resume(&mut trainer, &config.model, path)?;
    }
    if start.perturb_ulps > 0 {
        trainer.perturb(start.seeds.model_seed)?;
    }
    Ok(trainer)
}

impl Run for Trainer<'_> {
    fn step(&mut self) -> Result<f64> {
        Trainer::step(self)
    }

    /// Losses are read at the end: on a GPU the steps of a turn follow each other without a gap.
    fn turn(&mut self, n: u64) -> Result<Vec<f64>> {
        let losses = (0..n).map(|_| self.queue_step());
        let losses = losses.collect::<Result<Vec<_>>>()?;
        let read = |loss: &candle_core::Tensor| Ok(loss.to_scalar()?);
        losses.iter().map(read).collect()
    }

    fn save(&self, path: &Path) -> Result<()> {
        checkpoint::save(self, self.model.config(), path)
    }

    fn predict(&self, text: &Passages, at: Option<&[usize]>) -> Result<Vec<f32>> {
        predict::predict(&self.model, text, at)
    }
}

/// A run that is made anew by each `start`.
struct Session<R, F> {
    hello: Hello,
    begin: F,
    run: Option<R>,
}

impl<R, F> Session<R, F> {
    fn run(&mut self) -> Result<&mut R> {
        self.run.as_mut().context("training has not begun")
    }
}

impl<R: Run, F: Fn(&Start) -> Result<R>> Workload for Session<R, F> {
    fn hello(&self) -> Hello {
        self.hello.clone()
    }

    fn start(&mut self, start: &outpace_step::Start) -> Result<(), WorkloadError> {
        // The memory of the old run is freed before the new one is made.
        self.run = None;
        self.run = Some((self.begin)(&Start::requested(start)?)?);
        Ok(())
    }

    fn steps(&mut self, n: u32) -> Result<Vec<f64>, WorkloadError> {
        Ok(self.run()?.turn(n.into())?)
    }

    fn save(&mut self, path: &Path) -> Result<(), WorkloadError> {
        Ok(self.run()?.save(path)?)
    }

    fn predict(
        &mut self,
        text: &Passages,
        at: Option<&[usize]>,
    ) -> Result<Vec<f32>, WorkloadError> {
        Ok(self.run()?.predict(text, at)?)
    }
}
