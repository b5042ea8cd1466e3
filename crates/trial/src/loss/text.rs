//! Validation text that no program under judgement has seen: the base's `text` command draws it.

use outpace_process::{Context, Subject};
use outpace_step::{Passages, TextSummary};
use outpace_text::plain;

use crate::WorkloadError;
use crate::client::scratch;
use crate::evaluate::output;

/// More symbols or longer passages than any model has.
const MOST: usize = 1 << 20;

/// The text of a seed, an evaluation after the other.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) about: TextSummary,
    /// Passages of one evaluation.
    pub(crate) passages: usize,
    tokens: Vec<u32>,
}

impl Text {
    /// Draws text for so many evaluations of so many passages.
    pub(crate) fn draw(
        context: &Context,
        command: &Subject,
        seed: u64,
        [evaluations, passages]: [usize; 2],
    ) -> Result<Self, WorkloadError> {
        let (about, all) = drawn(context, command, seed, passages * evaluations)?;
        Ok(Self {
            about,
            passages,
            tokens: all.tokens,
        })
    }

    /// The passages of evaluation `index`, from 0; behind the last the first again.
    pub(crate) fn evaluation(&self, index: usize) -> Passages {
        let n = self.passages * (self.about.length + 1);
        let index = index % (self.tokens.len() / n);
        Passages {
            tokens: self.tokens[index * n..(index + 1) * n].to_vec(),
            length: self.about.length,
        }
    }
}

/// What the command says of its text, of which a passage is drawn for it.
pub(crate) fn about(context: &Context, command: &Subject) -> Result<TextSummary, WorkloadError> {
    Ok(drawn(context, command, 0, 1)?.0)
}

fn drawn(
    context: &Context,
    command: &Subject,
    seed: u64,
    passages: usize,
) -> Result<(TextSummary, Passages), WorkloadError> {
    let scratch = scratch(context)?;
    let out = scratch.path().join("text.u32");
    let more = [
        "--data-seed",
        &seed.to_string(),
        "--passages",
        &passages.to_string(),
        "--out",
        &out.to_string_lossy(),
    ];
    let spec = context.spec(command, &more.map(str::to_owned), &[], scratch.path());
    let printed = output(context, command, &spec)?;
    let line = printed.lines().rev().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or_default();
    let about: TextSummary = serde_json::from_str(line).map_err(|_| WorkloadError::Garbage {
        line: plain(line, 80),
    })?;
    let sensible = 1..=MOST;
    if !(sensible.contains(&about.symbols) && sensible.contains(&about.length)) {
        return Err(bad(&format!(
            "it prints {} symbols and passages of {} tokens",
            about.symbols, about.length
        )));
    }
    let text = Passages::read(&out, passages, about.length)
        .map_err(|error| bad(&format!("its file: {error}")))?;
    match text
        .tokens
        .iter()
        .find(|&&token| token as usize >= about.symbols)
    {
        None => Ok((about, text)),
        Some(token) => Err(bad(&format!(
            "it drew token {token} of {} symbols",
            about.symbols
        ))),
    }
}

fn bad(what: &str) -> WorkloadError {
    WorkloadError::Reported(format!("the command `text` of the workload: {what}"))
}
