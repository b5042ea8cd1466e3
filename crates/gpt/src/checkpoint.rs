//! Checkpoints: safetensors with the weights under their names, optimiser state under
//! `optimizer.m.*` and `optimizer.v.*`, and step, seeds and model sizes as one JSON value in the
//! metadata. Equal runs write equal bytes.

use crate::config;
use crate::model::{Model, Parameter};
use crate::trainer::{Seeds, Trainer};
use anyhow::{Context as _, Result, bail};
use outpace_kernels::adamw::{self, Moments, State, Stored};
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The only metadata key. One, because the format keeps them in an unordered map.
const METADATA_KEY: &str = "outpace.checkpoint/1";
/// Before a parameter's name: its value, its first and its second moment.
const STORED: [&str; 3] = ["", "optimizer.m.", "optimizer.v."];
/// A header's length comes first.
const LENGTH_BYTES: usize = 8;
/// What the format allows.
const LONGEST_HEADER: u64 = 100_000_000;
/// Numbers that are converted at once: 1 MiB, which stays in the cache.
const PIECE: usize = 1 << 18;

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
    let unfinished = path.with_extension(format!("unfinished-{}", std::process::id()));
    let written = write(trainer, &metadata, &unfinished)
        .and_then(|()| Ok(std::fs::rename(&unfinished, path)?));
    if written.is_err() {
        // It may be what filled the disk.
        let _ = std::fs::remove_file(&unfinished);
    }
    written.with_context(|| format!("checkpoint {}: cannot be written", path.display()))
}

/// One parameter after the other, each to its places: a copy of all of them would take as much
/// memory again as the training does.
fn write(trainer: &Trainer<'_>, metadata: &Metadata, path: &Path) -> Result<()> {
    let parameters = trainer.model.parameters();
    let (header, places) = header(parameters, metadata)?;
    let file = File::create(path)?;
    file.write_all_at(&header, 0)?;
    for ((parameter, state), places) in parameters.iter().zip(&trainer.states).zip(places) {
        let Stored { value, moments } = state.store(parameter.value.as_tensor())?;
        for (values, place) in [value, moments.m, moments.v].iter().zip(places) {
            write_floats(&file, values, (header.len() + place) as u64)?;
        }
    }
    Ok(())
}

/// The header, length included, and where behind it value and moments of each parameter belong.
/// Tensors are sorted by name.
fn header(parameters: &[Parameter], metadata: &Metadata) -> Result<(Vec<u8>, Vec<[usize; 3]>)> {
    let mut names: Vec<_> = parameters
        .iter()
        .enumerate()
        .flat_map(|(index, parameter)| {
            let stored = STORED.iter().enumerate();
            stored.map(move |(kind, prefix)| (format!("{prefix}{}", parameter.name), index, kind))
        })
        .collect();
    names.sort();
    let mut places = vec![[0; 3]; parameters.len()];
    let mut end = 0;
    let infos = names.into_iter().map(|(name, index, kind)| {
        let value = &parameters[index].value;
        let start = end;
        end += value.elem_count() * size_of::<f32>();
        places[index][kind] = start;
        let info = TensorInfo {
            dtype: Dtype::F32,
            shape: value.dims().to_vec(),
            data_offsets: (start, end),
        };
        (name, info)
    });
    let infos = infos.collect();
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), serde_json::to_string(metadata)?)]);
    let mut text = serde_json::to_vec(&safetensors::tensor::Metadata::new(Some(metadata), infos)?)?;
    // Numbers begin at a multiple of 8 bytes.
    text.resize(text.len().next_multiple_of(LENGTH_BYTES), b' ');
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.append(&mut text);
    Ok((header, places))
}

/// Restores weights, optimiser state, step and seeds of `trainer`, whose sizes are those of
/// `model`.
///
/// # Errors
/// A file that cannot be read, is no checkpoint, or belongs to another model.
pub fn resume(trainer: &mut Trainer<'_>, model: &config::Model, path: &Path) -> Result<()> {
    read(path, |opened, metadata| {
        same_model(&metadata, model)?;
        let parameters = trainer.model.parameters().iter();
        for (parameter, state) in parameters.zip(&mut trainer.states) {
            let n = parameter.value.elem_count();
            let [_, m, v] = STORED.map(|prefix| format!("{prefix}{}", parameter.name));
            let stored = Stored {
                value: opened.floats(&parameter.name, n)?,
                moments: Moments {
                    m: opened.floats(&m, n)?,
                    v: opened.floats(&v, n)?,
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
    read(path, |opened, metadata| {
        same_model(&metadata, model)?;
        for parameter in network.parameters() {
            let value = &parameter.value;
            adamw::set(value, &opened.floats(&parameter.name, value.elem_count())?)?;
        }
        Ok(())
    })
}

/// A checkpoint whose header has been read; numbers are when they are asked for.
struct Opened {
    file: File,
    tensors: safetensors::tensor::Metadata,
    /// Where the numbers begin.
    start: usize,
}

fn read(path: &Path, then: impl FnOnce(&Opened, Metadata) -> Result<()>) -> Result<()> {
    let name = || format!("checkpoint {}", path.display());
    let opened = Opened::new(path).with_context(name)?;
    let header = opened.tensors.metadata();
    let metadata = header.as_ref().and_then(|m| m.get(METADATA_KEY));
    let metadata = metadata
        .with_context(|| format!("no metadata {METADATA_KEY}; it was not written by this program"))
        .with_context(name)?;
    let metadata = serde_json::from_str(metadata).with_context(name)?;
    then(&opened, metadata).with_context(name)
}

impl Opened {
    fn new(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut length = [0; LENGTH_BYTES];
        file.read_exact_at(&mut length, 0)
            .context("no safetensors file: it is shorter than a header")?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEADER.min(bytes) {
            bail!("no safetensors file: a header of {length} bytes in {bytes}");
        }
        let mut header = vec![0; usize::try_from(length)?];
        file.read_exact_at(&mut header, LENGTH_BYTES as u64)?;
        let tensors: safetensors::tensor::Metadata =
            serde_json::from_slice(&header).context("no safetensors file")?;
        let start = LENGTH_BYTES + header.len();
        let whole = (start + tensors.data_len()) as u64;
        if whole != bytes {
            bail!("it is {bytes} bytes long, its header describes {whole}");
        }
        Ok(Self {
            file,
            tensors,
            start,
        })
    }

    /// The `n` numbers of a tensor.
    fn floats(&self, name: &str, n: usize) -> Result<Vec<f32>> {
        let info = self.tensors.info(name);
        let info = info.with_context(|| format!("tensor {name} is missing"))?;
        if info.dtype != Dtype::F32 || info.shape.iter().product::<usize>() != n {
            bail!(
                "tensor {name}: {:?} {:?} where {n} f32 belong",
                info.dtype,
                info.shape
            );
        }
        let place = (self.start + info.data_offsets.0) as u64;
        read_floats(&self.file, n, place).with_context(|| format!("tensor {name}"))
    }
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

fn write_floats(file: &File, values: &[f32], mut place: u64) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(PIECE * size_of::<f32>());
    for piece in values.chunks(PIECE) {
        bytes.clear();
        bytes.extend(piece.iter().flat_map(|v| v.to_le_bytes()));
        file.write_all_at(&bytes, place)?;
        place += bytes.len() as u64;
    }
    Ok(())
}

fn read_floats(file: &File, n: usize, mut place: u64) -> std::io::Result<Vec<f32>> {
    let mut values = Vec::with_capacity(n);
    let mut bytes = vec![0; PIECE.min(n) * size_of::<f32>()];
    while values.len() < n {
        bytes.truncate((n - values.len()) * size_of::<f32>());
        file.read_exact_at(&mut bytes, place)?;
        place += bytes.len() as u64;
        let (words, _) = bytes.as_chunks();
        values.extend(words.iter().map(|&word| f32::from_le_bytes(word)));
    }
    Ok(values)
}

/// As safetensors stores them.
pub(crate) fn to_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::data::Source;
    use crate::place::Place;
    use safetensors::SafeTensors;

    const CONFIG: &str = "[model]\nsymbols = 11\nwidth = 8\nlayers = 2\nheads = 2\nsequence = 5\n\
                          [data]\nbatch = 2\nlanguage = { seed = 1 }\n";

    #[test]
    fn it_writes_what_the_library_would() {
        let config = Config::parse(CONFIG).unwrap();
        let source = Source::open(&config, None).unwrap();
        let seeds = Seeds {
            model_seed: 1,
            data_seed: 2,
        };
        let mut trainer = Trainer::new(&config, &source, seeds, &Place::cpu()).unwrap();
        trainer.step().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        save(&trainer, &config.model, &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let read = SafeTensors::deserialize(&bytes).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let again = safetensors::serialize(read.tensors(), header.metadata().clone()).unwrap();
        assert!(bytes == again);
        let model = Model::zeros(&config.model, candle_core::DType::F32).unwrap();
        load(&model, &config.model, &path).unwrap();
        let pairs = model.parameters().iter().zip(trainer.model.parameters());
        for (loaded, trained) in pairs {
            let flat = |p: &Parameter| p.value.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(flat(loaded), flat(trained), "{}", trained.name);
        }
        for (cut, expected) in [(4, "shorter than a header"), (bytes.len() - 1, "describes")] {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let error = load(&model, &config.model, &path).unwrap_err();
            assert!(format!("{error:#}").contains(expected), "{error:#}");
        }
    }

    #[test]
    fn pieces_are_put_together() {
        let values: Vec<f32> = (0..2 * PIECE + 3).map(|k| k as f32).collect();
        let file = tempfile::tempfile().unwrap();
        write_floats(&file, &values, 16).unwrap();
        assert!(read_floats(&file, values.len(), 16).unwrap() == values);
        assert!(read_floats(&file, values.len() + 1, 16).is_err());
    }
}
