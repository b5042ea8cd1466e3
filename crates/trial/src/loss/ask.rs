//! The loss of a model that is asked through its program, which is hostile: it commits to ln p of
//! every token, and then has to open some of them.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use outpace_process::Scratch;
use outpace_stats::{mean, standard_error};
use outpace_step::{PREDICT, Passages, TextSummary};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;

use crate::WorkloadError;
use crate::client::StepClient;
use crate::handed::Handed;

/// Passages whose distribution is opened, at one position each.
const OPENED: usize = 8;
/// Sums of probabilities may be off by this, and ln p by this and as large a share of itself.
const TOLERANCE: f64 = 1e-3;
/// What is committed to may be better than what is opened by this in nats, at the mean of a run's
/// places, and by so many standard errors more.
const ROUNDING: f64 = 1e-4;
const ROUNDING_ERRORS: f64 = 4.0;
/// A loss below the entropy of its text is proof of cheating; so many standard errors of slack, at
/// one nat standard deviation a token.
const FLOOR_ERRORS: f64 = 5.0;

/// A workload, and where its answers lie.
pub(crate) struct Asked<'a> {
    client: &'a mut StepClient,
    answer: Handed,
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
        let answer = client.handed("log_p.f32");
        Ok(Self { client, answer })
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

    /// The model as it is now, in a file that only outpace knows.
    pub(crate) fn checkpoint(&mut self) -> Result<Kept, WorkloadError> {
        let told = self.client.handed("model");
        self.client.save(told.path())?;
        let folder = self.client.own_scratch()?;
        let path = folder.path().join("model");
        copy(&told, &path)?;
        Ok(Kept {
            path,
            _folder: folder,
        })
    }

    /// Opens what was committed to, in the process that did. Returns by how much each ln p was
    /// said to be greater than it is.
    pub(crate) fn open(&mut self, question: &Question) -> Result<Vec<f64>, WorkloadError> {
        let before = self.rows(question, &question.as_it_was)?;
        let after = self.rows(question, &question.changed)?;
        let greater = question.check(&before)?;
        same_rows(&before, &after)?;
        Ok(greater)
    }

    /// Opens it in a process that has never been given the text, and is not given what follows.
    /// Returns what [`Asked::open`] does.
    pub(crate) fn open_unseen(&mut self, question: &Question) -> Result<Vec<f64>, WorkloadError> {
        let rows = self.rows(question, &question.changed)?;
        let error = match question.check(&rows) {
            Ok(greater) => return Ok(greater),
            Err(error) => error,
        };
        // With what follows it may agree again, and then its name is another one.
        let with_what_follows = self.rows(question, &question.as_it_was)?;
        same_rows(&with_what_follows, &rows)?;
        Err(match error {
            WorkloadError::Predictions(what) => wrong(format!(
                "{what} (in a process that went on from a checkpoint and had not seen the text)"
            )),
            other => other,
        })
    }

    /// ln p of every symbol at the places asked for.
    fn rows(&mut self, question: &Question, text: &Passages) -> Result<Vec<f32>, WorkloadError> {
        let places = question.chosen.iter().map(|[_, place]| *place).collect();
        self.answer(text, Some(places), OPENED * question.symbols)
    }

    fn answer(
        &mut self,
        text: &Passages,
        at: Option<Vec<usize>>,
        expected: usize,
    ) -> Result<Vec<f32>, WorkloadError> {
        let question = self.client.given("text.u32");
        self.answer.clear();
        text.write(&question)
            .map_err(|source| WorkloadError::System {
                what: "cannot write validation text",
                source,
            })?;
        self.client.predict(
            &question,
            [text.count(), text.length],
            at,
            self.answer.path(),
        )?;
        read(self.answer.open(), expected)
    }
}

/// A checkpoint. Deleted with it.
pub(crate) struct Kept {
    pub(crate) path: PathBuf,
    _folder: Scratch,
}

/// What is opened of an answer, at places that were drawn after it was given.
pub(crate) struct Question {
    text: Passages,
    symbols: usize,
    committed: Vec<f32>,
    /// Passages and places in them.
    chosen: Vec<[usize; 2]>,
    as_it_was: Passages,
    /// What follows the places comes from other passages, and no token stays.
    changed: Passages,
}

impl Question {
    pub(crate) fn draw(
        text: Passages,
        about: &TextSummary,
        committed: Vec<f32>,
        rng: &mut ChaCha20Rng,
    ) -> Self {
        let (count, length) = (text.count(), text.length);
        let draw = |rng: &mut ChaCha20Rng, n: usize| rng.random_range(0..n);
        let chosen: Vec<[usize; 2]> = (0..OPENED)
            .map(|_| [draw(rng, count), draw(rng, length)])
            .collect();
        let other: Vec<usize> = (0..OPENED).map(|_| draw(rng, count)).collect();
        let as_it_was = opened(&text, &chosen, |passage, _| text_of(&text, passage));
        let changed = opened(&text, &chosen, |passage, which| {
            let [_, place] = chosen[which];
            let mut tokens = text_of(&text, passage);
            let later = text_of(&text, other[which]);
            for (token, other) in tokens.iter_mut().zip(later).skip(place + 1) {
                let next = (*token + 1) % about.symbols as u32;
                *token = if other == *token { next } else { other };
            }
            tokens
        });
        Self {
            text,
            symbols: about.symbols,
            committed,
            chosen,
            as_it_was,
            changed,
        }
    }

    /// Holds ln p of every symbol against what was committed to.
    fn check(&self, rows: &[f32]) -> Result<Vec<f64>, WorkloadError> {
        let mut greater = Vec::new();
        for ([passage, place], row) in self.chosen.iter().zip(rows.chunks(self.symbols)) {
            let sum: f64 = row.iter().map(|p| f64::from(*p).exp()).sum();
            let off = (sum - 1.0).abs();
            if off > TOLERANCE {
                return Err(wrong(format!(
                    "are no probabilities: those of one position sum to {sum:.4}"
                )));
            }
            let next = text_of(&self.text, *passage)[place + 1] as usize;
            let said = self.committed[passage * self.text.length + place];
            if !close(said, row[next]) {
                return Err(wrong(format!(
                    "change after they were made: ln p of a token was {said:.4} and is {:.4} when \
                     it is asked for again",
                    row[next]
                )));
            }
            let difference = f64::from(said) - f64::from(row[next]);
            greater.push(if difference.is_nan() { 0.0 } else { difference });
        }
        Ok(greater)
    }
}

/// A tolerance is for rounding, which goes both ways. What a program committed to may not be better
/// than what it opened, over the places of a run.
pub(crate) fn only_rounded(greater: &[f64]) -> Result<(), WorkloadError> {
    if greater.len() < 2 {
        return Ok(());
    }
    let (n, mean) = (greater.len(), mean(greater));
    if mean <= ROUNDING + ROUNDING_ERRORS * standard_error(greater) {
        return Ok(());
    }
    Err(wrong(format!(
        "are better when they are made than when they are opened: by {mean:.1e} nats at the mean of \
         {n} places"
    )))
}

/// Holds what is expected against what is when only later tokens change.
fn same_rows(before: &[f32], after: &[f32]) -> Result<(), WorkloadError> {
    match before.iter().zip(after).find(|(a, b)| !close(**a, **b)) {
        None => Ok(()),
        Some((a, b)) => Err(wrong(format!(
            "depend on what comes later: ln p of a symbol is {a:.4}, and {b:.4} when only later \
             tokens change"
        ))),
    }
}

/// A plain file, copied while nobody else knows where to.
fn copy(from: &Handed, to: &Path) -> Result<(), WorkloadError> {
    let Some(mut file) = from.open() else {
        return Err(WorkloadError::Reported(
            "it answered `save` and wrote no file".into(),
        ));
    };
    let copied = File::create_new(to).and_then(|mut to| std::io::copy(&mut file, &mut to));
    copied.map_err(|source| WorkloadError::System {
        what: "cannot keep a checkpoint",
        source,
    })?;
    Ok(())
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
fn read(answer: Option<File>, expected: usize) -> Result<Vec<f32>, WorkloadError> {
    let Some(file) = answer else {
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
    use crate::handed::plain_file;

    #[test]
    fn an_answer_is_a_plain_file_of_the_right_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log_p.f32");
        let read = |expected: usize| read(plain_file(&path), expected);
        let said = |expected: usize| read(expected).unwrap_err().to_string();
        assert!(said(2).contains("are not in the file"));
        let write = |numbers: &[f32]| {
            let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
            std::fs::write(&path, bytes).unwrap();
        };
        write(&[-0.5, -1.0]);
        assert_eq!(read(2).unwrap(), [-0.5, -1.0]);
        assert!(said(3).contains("are fewer than the 3 numbers"));
        assert!(said(1).contains("are more than the 1 numbers"));
        write(&[-0.5, f32::NAN]);
        assert!(said(2).contains("have NaN"));
        write(&[-0.5, 0.1]);
        assert!(said(2).contains("have 0.1"));
        write(&[-0.5, f32::NEG_INFINITY]);
        assert!(
            read(2).is_ok(),
            "impossible, as it says, is a loss without end"
        );
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(said(2).contains("are not in the file"));
    }

    #[test]
    fn rounding_goes_both_ways() {
        let both_ways: Vec<f64> = (0..16)
            .map(|i| if i % 2 == 0 { 9e-4 } else { -9e-4 })
            .collect();
        assert!(only_rounded(&both_ways).is_ok());
        let one_way: Vec<f64> = (0..16).map(|i| 9e-4 + 1e-5 * f64::from(i)).collect();
        let said = only_rounded(&one_way).unwrap_err().to_string();
        assert!(said.contains("better when they are made"), "{said}");
        let against_itself: Vec<f64> = one_way.iter().map(|x| -x).collect();
        assert!(only_rounded(&against_itself).is_ok());
    }

    #[test]
    fn what_is_close_is_close_in_itself_or_by_its_share() {
        assert!(close(-1.0, -1.0019) && !close(-1.0, -1.0021));
        assert!(close(-20.0, -20.02) && !close(-20.0, -20.03));
        assert!(close(f32::NEG_INFINITY, f32::NEG_INFINITY));
        assert!(!close(f32::NEG_INFINITY, -20.0));
    }
}
