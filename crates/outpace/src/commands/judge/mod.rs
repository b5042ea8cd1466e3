//! `outpace judge`: raw blocks in, verdicts out. No clock, no git.

mod exports;
mod fault;
mod input;
mod trial;

use std::path::PathBuf;

use anyhow::Result;
use outpace_record::Judgement;
use rayon::prelude::*;
use serde::Serialize;

use crate::exit::{OK, usage};
use crate::options::Options;
use crate::ui::Terminal;
use input::{Input, Text};

/// Warnings that are printed; the others are counted, and all are in the results.
const SHOWN_WARNINGS: usize = 5;

/// Judge raw blocks: JSON lines in, one verdict a line out.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  echo '{\"blocks\": [[[1.02, 1.00]], [[1.03, 1.00]]], \"screen\": false}' | outpace judge
  outpace judge --keep-going trials.jsonl > judgements.jsonl

A line of input is one trial. This one has two blocks of two pairs:
  {\"blocks\": [{\"pairs\": [[1.02, 1.00], [1.01, 0.99]]}, {\"pairs\": [[1.03, 1.00], [1.02, 1.01]]}],
   \"min_speedup\": 0.005, \"alpha\": 0.01}

A block is one fresh process of the base beside one of the candidate. A pair is the seconds of a
turn of the base and of a turn of the candidate, in this order. A block may also be the bare list of
its pairs. Optional keys: min_speedup (0.005), alpha (0.01), threshold (1 / alpha), screen (false),
sum_threshold (none; a gate's is its threshold: `faster` then needs that e-value against \"all turns
of a block together are no shorter\" too), bound_blocks (0; a gate's is 12: so many blocks are read
for the bounds of a gain that was proven earlier), margin (none). With steps_per_run a gain has to
show in the isolated runs `alone` too (steps_per_turn 1, warmup_turns 0). Trials may span lines or
stand in a JSON array. Verdict records are judged by their own rule; those of the time-to-loss track
by their seeds, which n_blocks then counts.

Judging stops at the block that settles it. A result has `warnings` where its times come from a
clock that is too coarse. A trial that cannot be read ends it with exit code 2, after the results
before it; with --keep-going {\"error\": \"...\", \"line\": n} takes its place, and exit code 2 comes
at the end.")]
pub(crate) struct Args {
    /// File of trials; `-` or nothing is standard input.
    file: Option<PathBuf>,
    /// Write an error object in place of a trial that cannot be judged, and judge the next.
    #[arg(long)]
    keep_going: bool,
}

/// What stands in the output for a trial that cannot be judged.
#[derive(Serialize)]
struct ErrorObject<'a> {
    error: &'a str,
    line: usize,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let mut input = Input::open(args.file.as_deref())?;
    let mut report = Report::new(options, args.keep_going);
    loop {
        let texts = input.batch()?;
        if texts.is_empty() {
            return report.end();
        }
        let results: Vec<_> = texts.par_iter().map(trial::judge_text).collect();
        report.print(texts.iter().zip(results))?;
    }
}

/// What was printed so far.
struct Report {
    ui: Terminal,
    keep_going: bool,
    trials: usize,
    failed: usize,
    warned: usize,
}

impl Report {
    fn new(options: &Options, keep_going: bool) -> Self {
        Self {
            ui: Terminal::new(options),
            keep_going,
            trials: 0,
            failed: 0,
            warned: 0,
        }
    }

    /// Prints a batch, in order.
    ///
    /// # Errors
    /// The first trial that cannot be judged, unless it is to keep going.
    fn print<'a>(
        &mut self,
        batch: impl Iterator<Item = (&'a Text, Result<Judgement, String>)>,
    ) -> Result<()> {
        let mut lines = Vec::new();
        let mut ended = Ok(());
        for (text, result) in batch {
            self.trials += 1;
            match result {
                Ok(judgement) => {
                    self.warn(text, &judgement.warnings);
                    lines.push(serde_json::to_string(&judgement)?);
                }
                Err(message) if self.keep_going => {
                    self.failed += 1;
                    let error = &text.named(&message);
                    let line = text.line;
                    lines.push(serde_json::to_string(&ErrorObject { error, line })?);
                }
                Err(message) => {
                    let message = text.named(&message);
                    ended = Err(usage(format!("line {}: {message}", text.line)));
                    break;
                }
            }
        }
        if !lines.is_empty() {
            crate::out!("{}", lines.join("\n"));
        }
        ended
    }

    fn warn(&mut self, text: &Text, warnings: &[String]) {
        for warning in warnings {
            self.warned += 1;
            if self.warned <= SHOWN_WARNINGS {
                let warning = text.named(warning);
                self.ui.warn(&format!("line {}: {warning}", text.line));
            }
        }
    }

    fn end(mut self) -> Result<u8> {
        if let more @ 1.. = self.warned.saturating_sub(SHOWN_WARNINGS) {
            self.ui
                .warn(&format!("{more} more, each in `warnings` of its result"));
        }
        if self.failed == 0 {
            return Ok(OK);
        }
        Err(usage(format!(
            "{} of {} could not be judged; an error object stands in place of each",
            self.failed,
            outpace_text::counted(self.trials, "trial")
        )))
    }
}
