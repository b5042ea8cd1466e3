//! What a run begins from, for other programs: initial weights and batches in one safetensors file,
//! so that an implementation in another framework trains the same model on the same text.

use crate::checkpoint::to_bytes;
use crate::config::Config;
use crate::data::{Source, Split};
use crate::model::Model;
use crate::trainer::Seeds;
use anyhow::{Context as _, Result};
use candle_core::DType;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::path::Path;

/// Writes the weights under their names, and `batches.inputs` and `batches.targets`, i32 of shape
/// (steps, batch x sequence).
///
/// # Errors
/// A path that cannot be written, or what candle reports.
pub fn export(
    config: &Config,
    source: &Source,
    seeds: Seeds,
    steps: u64,
    path: &Path,
) -> Result<()> {
    let model = Model::new(&config.model, seeds.model_seed, DType::F32)?;
    let mut tensors = Vec::new();
    for parameter in model.parameters() {
        let values = parameter.value.flatten_all()?.to_vec1::<f32>()?;
        let dims = parameter.value.dims().to_vec();
        tensors.push((parameter.name.clone(), Dtype::F32, dims, to_bytes(&values)));
    }
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for step in 0..steps {
        let batch = source.batch(Split::Training, seeds.data_seed, step);
        for (bytes, tokens) in [(&mut inputs, batch.inputs), (&mut targets, batch.targets)] {
            bytes.extend(tokens.iter().flat_map(|token| token.to_le_bytes()));
        }
    }
    let dims = vec![usize::try_from(steps)?, config.tokens_per_step()];
    // Symbols are few: signed and unsigned agree, and more frameworks know the signed type.
    tensors.push((
        "batches.inputs".to_owned(),
        Dtype::I32,
        dims.clone(),
        inputs,
    ));
    tensors.push(("batches.targets".to_owned(), Dtype::I32, dims, targets));
    let views = tensors
        .iter()
        .map(|(name, dtype, dims, bytes)| {
            Ok((name.as_str(), TensorView::new(*dtype, dims.clone(), bytes)?))
        })
        .collect::<Result<Vec<_>>>()?;
    let bytes = safetensors::serialize(views, None)?;
    std::fs::write(path, bytes).with_context(|| format!("{}: cannot be written", path.display()))
}
