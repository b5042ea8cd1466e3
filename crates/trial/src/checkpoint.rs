//! Distances between checkpoints (safetensors). A candidate's file is hostile input.

use std::collections::BTreeMap;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors};

/// The tensors of a checkpoint by name, as f64.
pub(crate) type Tensors = BTreeMap<String, Tensor>;

/// One tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) dtype: Dtype,
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

/// Reads all tensors; `None` if the file is no safetensors file.
pub(crate) fn read(path: &Path) -> Option<Tensors> {
    let bytes = std::fs::read(path).ok()?;
    let file = SafeTensors::deserialize(&bytes).ok()?;
    let tensors = file.tensors().into_iter().map(|(name, view)| {
        let tensor = Tensor {
            dtype: view.dtype(),
            shape: view.shape().to_vec(),
            values: numbers(view.dtype(), view.data()),
        };
        (name, tensor)
    });
    Some(tensors.collect())
}

/// As f64, which holds all of these but integers beyond 2^53 exactly.
fn numbers(dtype: Dtype, data: &[u8]) -> Vec<f64> {
    fn words<const N: usize>(data: &[u8], number: fn([u8; N]) -> f64) -> Vec<f64> {
        data.chunks_exact(N)
            .map(|chunk| number(chunk.try_into().expect("chunks have N bytes")))
            .collect()
    }
    match dtype {
        Dtype::F64 => words(data, f64::from_le_bytes),
        Dtype::F32 => words(data, |w| f32::from_le_bytes(w).into()),
        Dtype::F16 => words(data, |w| f16::from_le_bytes(w).into()),
        Dtype::BF16 => words(data, |w| bf16::from_le_bytes(w).into()),
        Dtype::I64 => words(data, |w| i64::from_le_bytes(w) as f64),
        Dtype::U64 => words(data, |w| u64::from_le_bytes(w) as f64),
        Dtype::I32 => words(data, |w| i32::from_le_bytes(w).into()),
        Dtype::U32 => words(data, |w| u32::from_le_bytes(w).into()),
        Dtype::I16 => words(data, |w| i16::from_le_bytes(w).into()),
        Dtype::U16 => words(data, |w| u16::from_le_bytes(w).into()),
        Dtype::I8 => words(data, |w| i8::from_le_bytes(w).into()),
        // Other kinds are compared byte by byte.
        _ => words(data, |w: [u8; 1]| w[0].into()),
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

/// Names the first difference in structure: a tensor that is missing, new, or of another shape or number format.
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
            Some(other) if other.dtype != tensor.dtype => {
                return Some(format!(
                    "tensor {name} is of {:?} instead of {:?}",
                    other.dtype, tensor.dtype
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
