//! Where tokens come from: the generated language, or text whose bytes are the symbols. A batch is
//! a function of (seed, step) alone.

use crate::config::{Config, ConfigError};
use crate::language::Language;
use crate::random::{Domain, Stream};
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};

/// The last part of a text is never trained on.
const VALIDATION_FRACTION: f64 = 0.1;
/// Symbols that bytes need.
const BYTES: usize = 256;

/// Inputs and targets of one step: targets are the inputs moved by one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// `batch x sequence` tokens.
    pub inputs: Vec<u32>,
    /// What follows each of them.
    pub targets: Vec<u32>,
}

/// A source of batches.
#[derive(Debug)]
pub struct Source {
    batch: usize,
    sequence: usize,
    text: Text,
}

#[derive(Debug)]
enum Text {
    Language(Language),
    Bytes {
        training: Vec<u8>,
        validation: Vec<u8>,
    },
}

/// Which text a batch is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Trained on.
    Training,
    /// Never trained on.
    Validation,
}

impl Source {
    /// The source that `config` describes; `path` (the `--data` argument) replaces it by a text.
    ///
    /// # Errors
    /// No text, one that cannot be read, one too short for a sequence, or a model without enough
    /// symbols for bytes.
    pub fn open(config: &Config, path: Option<&Path>) -> Result<Self> {
        let text = match (path.or(config.data.path.as_deref()), &config.data.language) {
            (Some(path), _) => bytes(path, config)?,
            (None, Some(language)) => Text::Language(Language::new(language, config.model.symbols)),
            (None, None) => {
                let message =
                    "no data: give data.language or data.path in the config, or --data PATH";
                return Err(ConfigError(message.to_owned()).into());
            }
        };
        Ok(Self {
            batch: config.data.batch,
            sequence: config.model.sequence,
            text,
        })
    }

    /// The batch of `step` (from 0) for `seed`.
    #[must_use]
    pub fn batch(&self, split: Split, seed: u64, step: u64) -> Batch {
        let domain = match split {
            Split::Training => Domain::Training,
            Split::Validation => Domain::Validation,
        };
        let mut stream = Stream::new(domain, seed, step);
        let mut passage = vec![0; self.sequence + 1];
        let tokens = self.batch * self.sequence;
        let mut batch = Batch {
            inputs: Vec::with_capacity(tokens),
            targets: Vec::with_capacity(tokens),
        };
        for _ in 0..self.batch {
            self.passage(split, &mut stream, &mut passage);
            batch.inputs.extend_from_slice(&passage[..self.sequence]);
            batch.targets.extend_from_slice(&passage[1..]);
        }
        batch
    }

    /// Passages of validation text for a judge, `length + 1` tokens each; of all the text, where it
    /// is one that nobody trains on.
    ///
    /// # Errors
    /// A text too short for one.
    pub fn passages(
        &self,
        seed: u64,
        count: usize,
        length: usize,
        whole: bool,
    ) -> Result<Vec<u32>> {
        let mut tokens = vec![0; count * (length + 1)];
        let mut stream = Stream::new(Domain::Validation, seed, 0);
        if let (
            Text::Bytes {
                training,
                validation,
            },
            true,
        ) = (&self.text, whole)
        {
            let all = [&training[..], &validation[..]].concat();
            return drawn(&all, &mut stream, tokens, length + 1);
        }
        if let Text::Bytes { validation, .. } = &self.text {
            return drawn(validation, &mut stream, tokens, length + 1);
        }
        for passage in tokens.chunks_mut(length + 1) {
            self.passage(Split::Validation, &mut stream, passage);
        }
        Ok(tokens)
    }

    /// The best possible loss in nats a token, where it is known.
    #[must_use]
    pub fn entropy(&self) -> Option<f64> {
        match &self.text {
            Text::Language(language) => Some(language.entropy()),
            Text::Bytes { .. } => None,
        }
    }

    /// Whether symbols are bytes of a text that people can read.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self.text, Text::Bytes { .. })
    }

    fn passage(&self, split: Split, stream: &mut Stream, passage: &mut [u32]) {
        match &self.text {
            Text::Language(language) => language.write(stream, passage),
            Text::Bytes {
                training,
                validation,
            } => {
                let text = match split {
                    Split::Training => training,
                    Split::Validation => validation,
                };
                let start = stream.below(text.len() - passage.len() + 1);
                for (symbol, &byte) in passage.iter_mut().zip(&text[start..]) {
                    *symbol = byte.into();
                }
            }
        }
    }
}

/// Passages of `n` tokens from anywhere in a text.
fn drawn(text: &[u8], stream: &mut Stream, mut tokens: Vec<u32>, n: usize) -> Result<Vec<u32>> {
    if text.len() < n {
        bail!("{} bytes of text are too few for {n} tokens", text.len());
    }
    for passage in tokens.chunks_mut(n) {
        let start = stream.below(text.len() - n + 1);
        for (symbol, &byte) in passage.iter_mut().zip(&text[start..]) {
            *symbol = byte.into();
        }
    }
    Ok(tokens)
}

fn bytes(path: &Path, config: &Config) -> Result<Text> {
    if config.model.symbols < BYTES {
        let message = format!(
            "{}: text needs model.symbols = {BYTES}, the config has {}",
            path.display(),
            config.model.symbols
        );
        return Err(ConfigError(message).into());
    }
    let mut training = Vec::new();
    for file in files(path).with_context(|| format!("{}: cannot be listed", path.display()))? {
        let text =
            std::fs::read(&file).with_context(|| format!("{}: cannot be read", file.display()))?;
        training.extend_from_slice(&text);
    }
    let kept = training.len() - (training.len() as f64 * VALIDATION_FRACTION) as usize;
    let validation = training.split_off(kept);
    let needed = config.model.sequence + 1;
    if validation.len() < needed {
        let message = format!(
            "{}: {} bytes are too few: the last tenth, the validation text, must hold model.sequence + 1 = {needed}",
            path.display(),
            training.len() + validation.len()
        );
        return Err(ConfigError(message).into());
    }
    Ok(Text::Bytes {
        training,
        validation,
    })
}

/// A file itself, or all files below a folder in the order of their names. Links are not followed:
/// they could form a circle.
fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries: Vec<_> = std::fs::read_dir(path)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let mut found = Vec::new();
    for entry in entries {
        let kind = entry.file_type()?;
        if kind.is_dir() {
            found.extend(files(&entry.path())?);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "[model]\nsymbols = 256\nwidth = 8\nlayers = 1\nheads = 2\nsequence = 4\n\
                          [data]\nbatch = 3\n";

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_is_read_in_order_and_split() {
        let folder = folder(&[("b/x", &[2; 50]), ("a", &[1; 50]), ("c", &[3; 12])]);
        let config = Config::parse(CONFIG).unwrap();
        let source = Source::open(&config, Some(folder.path())).unwrap();
        let Text::Bytes {
            training,
            validation,
        } = &source.text
        else {
            panic!("expected text")
        };
        assert_eq!((training.len(), validation.len()), (101, 11));
        assert_eq!((training[0], training[60], validation[0]), (1, 2, 3));
        let batch = source.batch(Split::Validation, 1, 0);
        assert_eq!(batch.inputs, vec![3; 12]);
        assert!(source.is_text() && source.entropy().is_none());
    }

    #[test]
    fn batches_depend_on_seed_step_and_split_only() {
        let text = format!("{CONFIG}language = {{ seed = 1 }}\n");
        let source = Source::open(&Config::parse(&text).unwrap(), None).unwrap();
        let first = source.batch(Split::Training, 1, 0);
        assert_eq!(first, source.batch(Split::Training, 1, 0));
        assert_eq!(first.inputs[1..4], first.targets[..3]);
        for other in [
            source.batch(Split::Training, 2, 0),
            source.batch(Split::Training, 1, 1),
            source.batch(Split::Validation, 1, 0),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn data_that_cannot_be_used_is_named() {
        let config = Config::parse(CONFIG).unwrap();
        let message = |config: &Config, path: Option<&Path>| {
            format!("{:#}", Source::open(config, path).unwrap_err())
        };
        assert!(message(&config, None).contains("no data"));
        assert!(message(&config, Some(Path::new("/nowhere"))).contains("/nowhere"));
        let folder = folder(&[("a", &[1; 49])]);
        assert!(message(&config, Some(folder.path())).contains("49 bytes are too few"));
        let small = Config::parse(&CONFIG.replace("256", "255")).unwrap();
        assert!(message(&small, Some(folder.path())).contains("model.symbols = 256"));
    }
}
