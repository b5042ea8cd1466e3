//! What a run begins from, and what outpace drives.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use outpace_step::Passages;

use crate::trainer::Seeds;

/// What a run begins from.
#[derive(Debug)]
pub struct Start {
    /// Of the weights and the data.
    pub seeds: Seeds,
    /// Units in the last place by which every initial weight is moved: 0 or 1.
    pub perturb_ulps: u32,
    /// Checkpoint to resume from.
    pub checkpoint: Option<PathBuf>,
}

impl Start {
    /// From nothing but seeds.
    #[must_use]
    pub const fn fresh(seeds: Seeds) -> Self {
        Self {
            seeds,
            perturb_ulps: 0,
            checkpoint: None,
        }
    }

    pub(crate) fn requested(start: &outpace_step::Start) -> Result<Self> {
        if start.perturb_ulps > 1 {
            bail!(
                "start: perturb_ulps {} is not supported, only 0 and 1",
                start.perturb_ulps
            );
        }
        Ok(Self {
            seeds: Seeds {
                model_seed: start.model_seed,
                data_seed: start.data_seed,
            },
            perturb_ulps: start.perturb_ulps,
            checkpoint: start.checkpoint.clone(),
        })
    }
}

/// What outpace drives.
pub trait Run {
    /// One step; returns its loss in nats per token.
    ///
    /// # Errors
    /// A failure of the training.
    fn step(&mut self) -> Result<f64>;
    /// `n` steps; returns their losses once all work is done, not queued.
    ///
    /// # Errors
    /// A failure of the training.
    fn turn(&mut self, n: u64) -> Result<Vec<f64>> {
        (0..n).map(|_| self.step()).collect()
    }
    /// Writes a checkpoint.
    ///
    /// # Errors
    /// A path that cannot be written.
    fn save(&self, path: &Path) -> Result<()>;
    /// What the model expects of a text; see [`crate::predict::predict`].
    ///
    /// # Errors
    /// As there, and for a run without a model.
    fn predict(&self, _text: &Passages, _at: Option<&[usize]>) -> Result<Vec<f32>> {
        bail!("there is no model that predicts")
    }
}
