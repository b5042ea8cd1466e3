//! Distances between checkpoints (safetensors). They may be larger than memory, so numbers are read
//! piece by piece. A candidate's file is hostile input.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use crate::handed::plain_file;

/// The tensors of a checkpoint.
#[derive(Debug)]
pub(crate) struct Tensors {
    file: File,
    metadata: Metadata,
    /// Where the numbers begin.
    start: u64,
}

/// A header's length comes first.
const LENGTH_BYTES: u64 = 8;
/// The longest header that the format allows.
const LONGEST_HEADER: u64 = 100_000_000;
/// Bytes of a tensor that are compared at once; a multiple of any number's size, and few enough to
/// stay in a cache.
const PIECE: usize = 1 << 17;

/// The same for a candidate's file: a link or a pipe is none.
pub(crate) fn read_untrusted(path: &Path) -> Option<Tensors> {
    tensors(plain_file(path)?)
}

/// Reads what tensors there are; `None` if the file is no safetensors file.
pub(crate) fn read(path: &Path) -> Option<Tensors> {
    tensors(File::open(path).ok()?)
}

fn tensors(file: File) -> Option<Tensors> {
    let bytes = file.metadata().ok()?.len();
    let mut length = [0; LENGTH_BYTES as usize];
    file.read_exact_at(&mut length, 0).ok()?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER.min(bytes) {
        return None;
    }
    let mut header = vec![0; usize::try_from(length).ok()?];
    file.read_exact_at(&mut header, LENGTH_BYTES).ok()?;
    // Tensors that overlap, leave gaps, or are of other lengths than their shapes are refused.
    let metadata: Metadata = serde_json::from_slice(&header).ok()?;
    let start = LENGTH_BYTES + length;
    let is_whole = start.checked_add(metadata.data_len() as u64)? == bytes;
    is_whole.then_some(Tensors {
        file,
        metadata,
        start,
    })
}

impl Tensors {
    /// Names, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = self.metadata.offset_keys();
        names.sort();
        names
    }

    fn info(&self, name: &str) -> io::Result<&TensorInfo> {
        let missing = || io::Error::other(format!("tensor {name} is missing"));
        self.metadata.info(name).ok_or_else(missing)
    }

    fn holds(&self, name: &str, like: &TensorInfo) -> bool {
        let same = |info: &TensorInfo| info.dtype == like.dtype && info.shape == like.shape;
        self.metadata.info(name).is_some_and(same)
    }

    /// The numbers of a tensor from its byte `from` on, at most a piece.
    fn piece(&self, info: &TensorInfo, from: usize) -> io::Result<Vec<f64>> {
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0; PIECE.min(end - start - from)];
        let at = self.start + (start + from) as u64;
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(numbers(info.dtype, &bytes))
    }
}

/// How far a tensor is from others of its name, as Euclidean distances; infinite if a value is no
/// number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Distances<const N: usize> {
    /// From zero.
    pub(crate) norm: f64,
    /// From each other; `None` where that has no such tensor, or one of another shape or number
    /// format.
    pub(crate) others: [Option<f64>; N],
}

/// Of the tensor `name` of `ours` from those of `others`.
///
/// # Errors
/// A file that cannot be read any more, or no such tensor in `ours`.
pub(crate) fn distances<const N: usize>(
    name: &str,
    ours: &Tensors,
    others: [Option<&Tensors>; N],
) -> io::Result<Distances<N>> {
    let info = ours.info(name)?;
    let others = others.map(|other| other.filter(|other| other.holds(name, info)));
    let (mut norm, mut sums) = (0.0, [0.0; N]);
    for from in (0..info.data_offsets.1 - info.data_offsets.0).step_by(PIECE) {
        let numbers = ours.piece(info, from)?;
        norm += squares(&numbers, None);
        for (other, sum) in others.iter().zip(&mut sums) {
            if let Some(other) = other {
                *sum += squares(&numbers, Some(&other.piece(other.info(name)?, from)?));
            }
        }
    }
    let mut sums = sums.into_iter();
    Ok(Distances {
        norm: root(norm),
        others: others.map(|other| sums.next().map(root).filter(|_| other.is_some())),
    })
}

fn root(sum: f64) -> f64 {
    if sum.is_finite() {
        sum.sqrt()
    } else {
        f64::INFINITY
    }
}

/// The sum of squared differences, in a few sums side by side: one alone would wait for each
/// addition.
fn squares(a: &[f64], b: Option<&[f64]>) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let mut add = |k: usize, x: f64| sums[k % LANES] += x * x;
    match b {
        Some(b) => (0..)
            .zip(a.iter().zip(b))
            .for_each(|(k, (x, y))| add(k, x - y)),
        None => (0..).zip(a).for_each(|(k, x)| add(k, *x)),
    }
    sums.iter().sum()
}

/// As f64, which holds all of these but integers beyond 2^53 exactly.
fn numbers(dtype: Dtype, data: &[u8]) -> Vec<f64> {
    fn words<const N: usize>(data: &[u8], number: fn([u8; N]) -> f64) -> Vec<f64> {
        let (words, _) = data.as_chunks();
        words.iter().map(|&word| number(word)).collect()
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

/// What differs in structure.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Structure {
    /// The first tensor that is missing, or of another shape or number format, in words.
    pub(crate) fault: Option<String>,
    /// Those that the candidate lacks or has changed and training does not move: masks, tables.
    pub(crate) gone: Vec<String>,
    /// Those that only the candidate has.
    pub(crate) new: Vec<String>,
}

/// Compares names, shapes and number formats. `start` is the base before its first step: what it
/// has trained is a parameter, and what it has not is none and may come and go.
///
/// # Errors
/// A file that cannot be read any more.
pub(crate) fn structure(
    start: &Tensors,
    base: &Tensors,
    candidate: &Tensors,
) -> io::Result<Structure> {
    let mut found = Structure::default();
    for name in base.names() {
        let ours = base.info(&name)?;
        if candidate.holds(&name, ours) {
            continue;
        }
        let [moved] = distances(&name, base, [Some(start)])?.others;
        if moved == Some(0.0) {
            found.gone.push(name);
        } else if found.fault.is_none() {
            found.fault = Some(difference(&name, ours, candidate));
        }
    }
    let theirs = candidate.names().into_iter();
    found.new = theirs
        .filter(|name| base.metadata.info(name).is_none())
        .collect();
    Ok(found)
}

fn difference(name: &str, ours: &TensorInfo, candidate: &Tensors) -> String {
    match candidate.metadata.info(name) {
        None => format!("tensor {name} is missing"),
        Some(other) if other.shape != ours.shape => format!(
            "tensor {name} has shape {:?} instead of {:?}",
            other.shape, ours.shape
        ),
        Some(other) => format!(
            "tensor {name} is of {:?} instead of {:?}",
            other.dtype, ours.dtype
        ),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    /// A checkpoint of vectors in f32, in a file that is gone when it is closed.
    pub(crate) fn tensors(named: &[(&str, Vec<f32>)]) -> Tensors {
        let bytes: Vec<Vec<u8>> = named
            .iter()
            .map(|(_, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect())
            .collect();
        let views = named.iter().zip(&bytes).map(|((name, values), bytes)| {
            (
                *name,
                TensorView::new(Dtype::F32, vec![values.len()], bytes).unwrap(),
            )
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), safetensors::serialize(views, None).unwrap()).unwrap();
        read(file.path()).unwrap()
    }

    #[test]
    fn distances_of_many_pieces_are_those_of_all_numbers() {
        let n = PIECE / 4 * 2 + 13;
        let a: Vec<f32> = (0..n).map(|k| (k % 17) as f32).collect();
        let b: Vec<f32> = a.iter().map(|x| x + 0.5).collect();
        let ours = tensors(&[("x", a.clone()), ("y", vec![1.0])]);
        let other = tensors(&[("w", vec![3.0; 3]), ("x", b), ("y", vec![2.0; 2])]);
        let found = distances("x", &ours, [Some(&other), None]).unwrap();
        let norm = a.iter().map(|x| f64::from(x * x)).sum::<f64>().sqrt();
        assert!((found.norm - norm).abs() < 1e-9 * norm, "{found:?}");
        let expected = 0.5 * (n as f64).sqrt();
        assert!((found.others[0].unwrap() - expected).abs() < 1e-9 * expected);
        assert_eq!(found.others[1], None);
        assert_eq!(
            distances("y", &ours, [Some(&other)]).unwrap().others,
            [None]
        );
        assert!(distances("w", &ours, [Some(&other)]).is_err());
    }

    #[test]
    fn what_training_does_not_move_may_come_and_go() {
        let mask = ("mask", vec![1.0, 0.0]);
        let start = tensors(&[("a", vec![0.0]), mask.clone()]);
        let base = tensors(&[("a", vec![1.0]), mask.clone()]);
        let of = |named: &[(&str, Vec<f32>)]| structure(&start, &base, &tensors(named)).unwrap();
        assert_eq!(of(&[("a", vec![2.0]), mask.clone()]), Structure::default());
        let other = of(&[("a", vec![2.0]), ("table", vec![0.5])]);
        assert_eq!(
            (&other.gone[..], &other.new[..]),
            (&["mask".to_owned()][..], &["table".to_owned()][..])
        );
        assert_eq!(other.fault, None);
        let fault = |named: &[(&str, Vec<f32>)]| of(named).fault.unwrap();
        assert_eq!(fault(std::slice::from_ref(&mask)), "tensor a is missing");
        let shape = fault(&[("a", vec![0.0; 2]), mask]);
        assert_eq!(shape, "tensor a has shape [2] instead of [1]");
    }

    #[test]
    fn what_is_no_number_is_infinitely_far() {
        let ours = tensors(&[("x", vec![1.0, 2.0])]);
        for value in [f32::NAN, f32::INFINITY] {
            let other = tensors(&[("x", vec![1.0, value])]);
            let found = distances("x", &ours, [Some(&other)]).unwrap();
            assert_eq!(found.others, [Some(f64::INFINITY)]);
        }
    }

    #[test]
    fn what_is_no_checkpoint_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let whole = safetensors::serialize(
            [("x", TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap())],
            None,
        )
        .unwrap();
        let mut endless = whole.clone();
        endless[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        let longer = [&whole[..], &[0]].concat();
        for (bytes, is_one) in [
            (&whole[..], true),
            (&whole[..whole.len() - 1], false),
            (&whole[..20], false),
            (&whole[..3], false),
            (&longer, false),
            (&endless, false),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read_untrusted(&path).is_some(), is_one, "{bytes:?}");
        }
        std::fs::write(&path, whole).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(read(&link).is_some() && read_untrusted(&link).is_none());
    }
}
