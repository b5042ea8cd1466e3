//! Checkpoints: safetensors with the weights under their names, optimiser state under `optimizer.m.*` and `optimizer.v.*`, and step,
//! seeds and model sizes as one JSON value in the metadata. Equal runs write equal bytes.

use crate::config;
use crate::model::Model;
use crate::trainer::{Seeds, Trainer};
use anyhow::{Context as _, Result, bail};
use outpace_kernels::adamw::{self, Moments, State, Stored};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// The only metadata key. One, because the format keeps them in an unordered map.
const METADATA_KEY: &str = "outpace.checkpoint/1";
const MOMENTS: [&str; 2] = ["optimizer.m.", "optimizer.v."];

#[derive(Debug, Deserialize, Serialize)]
struct Metadata {
    step: u64,
    #[serde(flatten)]
    seeds: Seeds,
    model: config::Model,
}

/// Writes `trainer` to `path`; a reader sees the old file or the whole new one.
///
/// # Errors
/// A path that cannot be written.
pub fn save(trainer: &Trainer<'_>, model: &config::Model, path: &Path) -> Result<()> {
    let metadata = Metadata {
        step: trainer.step,
        seeds: trainer.seeds,
        model: model.clone(),
    };
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), serde_json::to_string(&metadata)?)]);
    let tensors = collect(trainer)?;
    let views = tensors
        .iter()
        .map(|(name, dims, bytes)| {
            let view = TensorView::new(Dtype::F32, dims.clone(), bytes)?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>>>()?;
    let bytes = safetensors::serialize(views, Some(metadata))?;
    let unfinished = path.with_extension(format!("unfinished-{}", std::process::id()));
    std::fs::write(&unfinished, bytes)
        .and_then(|()| std::fs::rename(&unfinished, path))
        .with_context(|| format!("checkpoint {}: cannot be written", path.display()))
}

/// Restores weights, optimiser state, step and seeds of `trainer`, whose sizes are those of `model`.
///
/// # Errors
/// A file that cannot be read, is no checkpoint, or belongs to another model.
pub fn resume(trainer: &mut Trainer<'_>, model: &config::Model, path: &Path) -> Result<()> {
    read(path, |tensors, metadata| {
        same_model(&metadata, model)?;
        let parameters = trainer.model.parameters().iter();
        for (parameter, state) in parameters.zip(&mut trainer.states) {
            let n = parameter.value.elem_count();
            let [m, v] = MOMENTS.map(|prefix| format!("{prefix}{}", parameter.name));
            let stored = Stored {
                value: floats(tensors, &parameter.name, n)?,
                moments: Moments {
                    m: floats(tensors, &m, n)?,
                    v: floats(tensors, &v, n)?,
                },
            };
            *state = State::restore(&parameter.value, stored)?;
        }
        trainer.step = metadata.step;
        trainer.seeds = metadata.seeds;
        Ok(())
    })
}

/// Restores the weights of `network` only, to evaluate or sample.
///
/// # Errors
/// As [`resume`].
pub fn load(network: &Model, model: &config::Model, path: &Path) -> Result<()> {
    read(path, |tensors, metadata| {
        same_model(&metadata, model)?;
        for parameter in network.parameters() {
            let value = &parameter.value;
            adamw::set(
                value,
                &floats(tensors, &parameter.name, value.elem_count())?,
            )?;
        }
        Ok(())
    })
}

fn read(path: &Path, then: impl FnOnce(&SafeTensors<'_>, Metadata) -> Result<()>) -> Result<()> {
    let name = || format!("checkpoint {}", path.display());
    let bytes = std::fs::read(path).with_context(name)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).with_context(name)?;
    let metadata = header.metadata().as_ref().and_then(|m| m.get(METADATA_KEY));
    let metadata = metadata
        .with_context(|| format!("no metadata {METADATA_KEY}; it was not written by this program"))
        .with_context(name)?;
    let metadata = serde_json::from_str(metadata).with_context(name)?;
    let tensors = SafeTensors::deserialize(&bytes).with_context(name)?;
    then(&tensors, metadata).with_context(name)
}

fn same_model(metadata: &Metadata, model: &config::Model) -> Result<()> {
    if metadata.model != *model {
        bail!(
            "it holds the model {:?}, the config describes {model:?}",
            metadata.model
        );
    }
    Ok(())
}

fn floats(tensors: &SafeTensors<'_>, name: &str, n: usize) -> Result<Vec<f32>> {
    let view = tensors
        .tensor(name)
        .with_context(|| format!("tensor {name}"))?;
    if view.dtype() != Dtype::F32 || view.shape().iter().product::<usize>() != n {
        bail!(
            "tensor {name}: {:?} {:?} where {n} f32 belong",
            view.dtype(),
            view.shape()
        );
    }
    let (words, _) = view.data().as_chunks();
    Ok(words.iter().map(|&word| f32::from_le_bytes(word)).collect())
}

/// A tensor as a file holds it: name, shape, bytes.
type Named = (String, Vec<usize>, Vec<u8>);

/// All tensors of a checkpoint, sorted by name.
fn collect(trainer: &Trainer<'_>) -> Result<Vec<Named>> {
    let mut tensors = Vec::new();
    for (parameter, state) in trainer.model.parameters().iter().zip(&trainer.states) {
        let dims = parameter.value.dims().to_vec();
        let Stored { value, moments } = state.store(parameter.value.as_tensor())?;
        tensors.push((parameter.name.clone(), dims.clone(), to_bytes(&value)));
        for (prefix, values) in MOMENTS.iter().zip([&moments.m, &moments.v]) {
            tensors.push((
                format!("{prefix}{}", parameter.name),
                dims.clone(),
                to_bytes(values),
            ));
        }
    }
    tensors.sort();
    Ok(tensors)
}

/// As safetensors stores them.
pub(crate) fn to_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}
