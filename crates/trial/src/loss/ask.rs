//! The loss of a model that is asked through its program, which is hostile: it commits to ln p of
//! every token, and then has to open some of them.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use outpace_process::Scratch;
use outpace_step::{PREDICT, Passages, TextSummary};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use rustix::fs::{Mode, OFlags};

use crate::WorkloadError;
use crate::client::StepClient;

/// Passages whose distribution is opened, at one position each.
const OPENED: usize = 8;
/// Sums of probabilities may be off by this, and ln p by this and as large a share of itself.
const TOLERANCE: f64 = 1e-3;
/// A loss below the entropy of its text is proof of cheating; so many standard errors of slack, at
/// one nat standard deviation a token.
const FLOOR_ERRORS: f64 = 5.0;

/// A workload, and the folder where questions and answers lie.
pub(crate) struct Asked<'a> {
    client: &'a mut StepClient,
    folder: Scratch,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(client: &'a mut StepClient) -> Result<Self, WorkloadError> {
        if !client.can(PREDICT) {
            return Err(WorkloadError::Reported(
                "it cannot say what its model predicts: `predict` is not in `can` of its `hello`. \
                 Hint: docs/protocol.md shows how"
                    .into(),
            ));
        }
        let folder = client.fresh_scratch()?;
        Ok(Self { client, folder })
    }

    pub(crate) fn client(&mut self) -> &mut StepClient {
        self.client
    }

    /// The mean loss over `text` in nats per token, and ln p of every token, which the program has
    /// committed to.
    pub(crate) fn commit(
        &mut self,
        text: &Passages,
        about: &TextSummary,
    ) -> Result<(f64, Vec<f32>), WorkloadError> {
        let committed = self.answer(text, None, text.count() * text.length)?;
        let total: f64 = committed.iter().map(|p| -f64::from(*p)).sum();
        let loss = total / committed.len() as f64;
        if let Some(floor) = about.entropy_floor {
            let lowest = floor - FLOOR_ERRORS / (committed.len() as f64).sqrt();
            if loss < lowest {
                return Err(wrong(format!(
                    "have a loss of {loss:.4} nats, and the text an entropy of {floor:.4}"
                )));
            }
        }
        Ok((loss, committed))
    }

    /// Opens what was committed to at places that are drawn now.
    pub(crate) fn open(
        &mut self,
        text: &Passages,
        about: &TextSummary,
        committed: &[f32],
        rng: &mut ChaCha20Rng,
    ) -> Result<(), WorkloadError> {
        let (count, length) = (text.count(), text.length);
        let draw = |rng: &mut ChaCha20Rng, n: usize| rng.random_range(0..n);
        let chosen: Vec<[usize; 2]> = (0..OPENED)
            .map(|_| [draw(rng, count), draw(rng, length)])
            .collect();
        let other: Vec<usize> = (0..OPENED).map(|_| draw(rng, count)).collect();
        let as_it_was = opened(text, &chosen, |passage, _| text_of(text, passage));
        let changed = opened(text, &chosen, |passage, which| {
            // What follows the position comes from another passage, and no token stays.
            let [_, place] = chosen[which];
            let mut tokens = text_of(text, passage);
            let later = text_of(text, other[which]);
            for (token, other) in tokens.iter_mut().zip(later).skip(place + 1) {
                let next = (*token + 1) % about.symbols as u32;
                *token = if other == *token { next } else { other };
            }
            tokens
        });
        let places: Vec<usize> = chosen.iter().map(|[_, place]| *place).collect();
        let rows = OPENED * about.symbols;
        let before = self.answer(&as_it_was, Some(places.clone()), rows)?;
        let after = self.answer(&changed, Some(places), rows)?;
        for (which, [passage, place]) in chosen.into_iter().enumerate() {
            let row = which * about.symbols..(which + 1) * about.symbols;
            let (before, after) = (&before[row.clone()], &after[row]);
            let sum: f64 = before.iter().map(|p| f64::from(*p).exp()).sum();
            let off = (sum - 1.0).abs();
            if off > TOLERANCE {
                return Err(wrong(format!(
                    "are no probabilities: those of one position sum to {sum:.4}"
                )));
            }
            let next = text_of(text, passage)[place + 1] as usize;
            let said = committed[passage * length + place];
            if !close(said, before[next]) {
                return Err(wrong(format!(
                    "change after they were made: ln p of a token was {said:.4} and is {:.4} when \
                     it is asked for again",
                    before[next]
                )));
            }
            let far = before.iter().zip(after).find(|(a, b)| !close(**a, **b));
            if let Some((a, b)) = far {
                return Err(wrong(format!(
                    "depend on what comes later: ln p of a symbol is {a:.4}, and {b:.4} when only \
                     later tokens change"
                )));
            }
        }
        Ok(())
    }

    fn answer(
        &mut self,
        text: &Passages,
        at: Option<Vec<usize>>,
        expected: usize,
    ) -> Result<Vec<f32>, WorkloadError> {
        let [question, answer] =
            ["text.u32", "log_p.f32"].map(|name| self.folder.path().join(name));
        // An answer of before is none, and what the program put there is not written through.
        let _ = std::fs::remove_file(&answer);
        let _ = std::fs::remove_file(&question);
        text.write(&question)
            .map_err(|source| WorkloadError::System {
                what: "cannot write validation text",
                source,
            })?;
        self.client
            .predict(&question, [text.count(), text.length], at, &answer)?;
        read(&answer, expected)
    }
}

fn text_of(text: &Passages, passage: usize) -> Vec<u32> {
    let n = text.length + 1;
    text.tokens[passage * n..(passage + 1) * n].to_vec()
}

/// The passages that are opened, made by `tokens` from a passage's number and the place in the
/// list.
fn opened(
    text: &Passages,
    chosen: &[[usize; 2]],
    tokens: impl Fn(usize, usize) -> Vec<u32>,
) -> Passages {
    let all = chosen.iter().enumerate();
    Passages {
        tokens: all
            .flat_map(|(which, [passage, _])| tokens(*passage, which))
            .collect(),
        length: text.length,
    }
}

fn close(a: f32, b: f32) -> bool {
    // Infinite ones are equal, and no share of them is a tolerance.
    a == b || f64::from((a - b).abs()) <= TOLERANCE * (1.0 + f64::from(a.abs().min(b.abs())))
}

/// Natural logarithms of probabilities from a file that a candidate wrote: it may be anything.
fn read(path: &Path, expected: usize) -> Result<Vec<f32>, WorkloadError> {
    // Neither a link is followed nor a pipe waited for.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, OFlags::RDONLY | flags, Mode::empty()).map(File::from);
    let plain = |file: &File| file.metadata().is_ok_and(|metadata| metadata.is_file());
    let Some(file) = opened.ok().filter(plain) else {
        return Err(wrong("are not in the file that it was to write".into()));
    };
    let most = expected as u64 * 4 + 1;
    let mut bytes = Vec::new();
    if let Err(error) = file.take(most).read_to_end(&mut bytes) {
        return Err(wrong(format!("cannot be read: {error}")));
    }
    if bytes.len() != expected * 4 {
        let size = if bytes.len() as u64 == most {
            "more"
        } else {
            "fewer"
        };
        return Err(wrong(format!(
            "are {size} than the {expected} numbers asked for"
        )));
    }
    let numbers: Vec<f32> = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect();
    // Rounding may leave a certain token a hair above 0.
    let wrong_one = |p: &&f32| p.is_nan() || f64::from(**p) > TOLERANCE;
    match numbers.iter().find(wrong_one) {
        None => Ok(numbers),
        Some(p) => Err(wrong(format!(
            "have {p}, which is no logarithm of a probability"
        ))),
    }
}

fn wrong(what: String) -> WorkloadError {
    WorkloadError::Predictions(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &Path, expected: usize) -> String {
        read(path, expected).unwrap_err().to_string()
    }

    #[test]
    fn an_answer_is_a_plain_file_of_the_right_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log_p.f32");
        assert!(said(&path, 2).contains("are not in the file"));
        let write = |numbers: &[f32]| {
            let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
            std::fs::write(&path, bytes).unwrap();
        };
        write(&[-0.5, -1.0]);
        assert_eq!(read(&path, 2).unwrap(), [-0.5, -1.0]);
        assert!(said(&path, 3).contains("are fewer than the 3 numbers"));
        assert!(said(&path, 1).contains("are more than the 1 numbers"));
        write(&[-0.5, f32::NAN]);
        assert!(said(&path, 2).contains("have NaN"));
        write(&[-0.5, 0.1]);
        assert!(said(&path, 2).contains("have 0.1"));
        write(&[-0.5, f32::NEG_INFINITY]);
        assert!(
            read(&path, 2).is_ok(),
            "impossible, as it says, is a loss without end"
        );
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(said(&path, 2).contains("are not in the file"));
    }

    #[test]
    fn what_is_close_is_close_in_itself_or_by_its_share() {
        assert!(close(-1.0, -1.0019) && !close(-1.0, -1.0021));
        assert!(close(-20.0, -20.02) && !close(-20.0, -20.03));
        assert!(close(f32::NEG_INFINITY, f32::NEG_INFINITY));
        assert!(!close(f32::NEG_INFINITY, -20.0));
    }
}
