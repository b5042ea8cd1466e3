//! Distances between checkpoints (safetensors). A candidate's file is hostile input.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors};

/// The tensors of a checkpoint by name, as f64.
pub(crate) type Tensors = BTreeMap<String, Tensor>;

/// One tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

/// Largest checkpoint of a candidate that is read.
const MOST_BYTES: u64 = 8 << 30;

/// The same for a candidate's file: a link or a pipe is none, nor is a file without end.
pub(crate) fn read_untrusted(path: &Path) -> Option<Tensors> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    if metadata.is_file() && metadata.len() <= MOST_BYTES {
        read(path)
    } else {
        None
    }
}

/// Reads all floating-point tensors; `None` if the file is no safetensors file.
pub(crate) fn read(path: &Path) -> Option<Tensors> {
    let bytes = std::fs::read(path).ok()?;
    let file = SafeTensors::deserialize(&bytes).ok()?;
    let tensors = file.tensors().into_iter().filter_map(|(name, view)| {
        let values = floats(view.dtype(), view.data())?;
        Some((
            name,
            Tensor {
                shape: view.shape().to_vec(),
                values,
            },
        ))
    });
    Some(tensors.collect())
}

fn floats(dtype: Dtype, data: &[u8]) -> Option<Vec<f64>> {
    fn words<const N: usize>(data: &[u8]) -> impl Iterator<Item = [u8; N]> {
        data.chunks_exact(N)
            .map(|chunk| <[u8; N]>::try_from(chunk).expect("chunks have N bytes"))
    }
    match dtype {
        Dtype::F64 => Some(words::<8>(data).map(f64::from_le_bytes).collect()),
        Dtype::F32 => Some(
            words::<4>(data)
                .map(|w| f64::from(f32::from_le_bytes(w)))
                .collect(),
        ),
        // A bfloat16 is the upper half of an f32.
        Dtype::BF16 => Some(
            words::<2>(data)
                .map(|w| f64::from(f32::from_le_bytes([0, 0, w[0], w[1]])))
                .collect(),
        ),
        _ => None,
    }
}

/// Euclidean distance of two tensors; infinite if a value is no number.
pub(crate) fn distance(a: &[f64], b: &[f64]) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum();
    if sum.is_finite() {
        sum.sqrt()
    } else {
        f64::INFINITY
    }
}

/// Names the first difference in structure: a tensor that is missing, new, or of another shape.
pub(crate) fn structure_difference(base: &Tensors, candidate: &Tensors) -> Option<String> {
    for (name, tensor) in base {
        match candidate.get(name) {
            None => return Some(format!("tensor {name} is missing")),
            Some(other) if other.shape != tensor.shape => {
                return Some(format!(
                    "tensor {name} has shape {:?} instead of {:?}",
                    other.shape, tensor.shape
                ));
            }
            Some(_) => {}
        }
    }
    candidate
        .keys()
        .find(|name| !base.contains_key(*name))
        .map(|name| format!("tensor {name} is new"))
}
