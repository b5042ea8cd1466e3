//! The files of `predict`: token ids to a workload, natural logarithms of probabilities back.

use std::io;
use std::path::Path;

use crate::error::ServeError;

/// Text whose next tokens are to be predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passages {
    /// `passages x (length + 1)` token ids, one passage after the other.
    pub tokens: Vec<u32>,
    /// Tokens of a passage that are to be predicted.
    pub length: usize,
}

impl Passages {
    /// The passages: `length + 1` tokens each.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.tokens.chunks(self.length + 1)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.tokens.len() / (self.length + 1)
    }

    /// Reads a file of unsigned 32-bit little-endian numbers.
    ///
    /// # Errors
    /// It cannot be read, or is not `passages x (length + 1)` numbers.
    pub fn read(path: &Path, passages: usize, length: usize) -> io::Result<Self> {
        let bytes = std::fs::read(path)?;
        let numbers = length.checked_add(1).and_then(|n| n.checked_mul(passages));
        let expected = numbers.and_then(|n| n.checked_mul(4));
        if expected != Some(bytes.len()) {
            return Err(io::Error::other(format!(
                "{} bytes are not {passages} passages of {length} + 1 tokens",
                bytes.len()
            )));
        }
        let tokens = bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| u32::from_le_bytes(*b));
        Ok(Self {
            tokens: tokens.collect(),
            length,
        })
    }

    /// Writes such a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let bytes = self.tokens.iter().flat_map(|token| token.to_le_bytes());
        std::fs::write(path, bytes.collect::<Vec<u8>>())
    }
}

/// Writes logarithms of probabilities as 32-bit little-endian floats.
pub(crate) fn write_log_p(path: &Path, log_p: &[f32]) -> Result<(), ServeError> {
    let bytes: Vec<u8> = log_p.iter().flat_map(|p| p.to_le_bytes()).collect();
    std::fs::write(path, bytes).map_err(|error| ServeError::File {
        path: path.to_owned(),
        error,
    })
}
