//! `outpace judge`: raw blocks in, verdicts out. No clock, no git.

use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::PathBuf;

use anyhow::{Context, Result};
use outpace_record::{Document, Judgement};
use outpace_stats::{Pair, Rule, judge};
use rayon::prelude::*;
use serde::Deserialize;

use crate::exit::{OK, usage};

/// Lines that are judged at a time, on all cores.
const BATCH: usize = 2000;
/// Longest line in bytes.
const LONGEST_LINE: u64 = 64 << 20;

/// Judge raw blocks: JSON lines in, one verdict a line out.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  echo '{\"blocks\": [[[1.02, 1.00]], [[1.03, 1.00]]], \"screen\": false}' | outpace judge

A line is {\"blocks\": [{\"pairs\": [[t_base_s, t_candidate_s], ...]}, ...], \"min_speedup\"?, \"alpha\"?,
\"threshold\"?, \"screen\"?, \"sum_threshold\"?}; a block may also be the bare list of pairs. Judging
stops at the block that settles it. With a sum_threshold (a gate's is 20), `faster` needs that e-value against
\"all turns of a block together are no shorter\" too. A malformed line ends it with exit code 2, after the results of the lines before it.")]
pub(crate) struct Args {
    /// File of JSON lines; `-` or nothing is standard input.
    file: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Line {
    blocks: Vec<Samples>,
    min_speedup: Option<f64>,
    alpha: Option<f64>,
    threshold: Option<f64>,
    screen: Option<bool>,
    sum_threshold: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Samples {
    Bare(Vec<Pair>),
    Named { pairs: Vec<Pair> },
}

impl AsRef<[Pair]> for Samples {
    fn as_ref(&self) -> &[Pair] {
        match self {
            Self::Bare(pairs) | Self::Named { pairs } => pairs,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    let mut input: Box<dyn BufRead> = match args.file.as_deref() {
        Some(path) if path.as_os_str() != "-" => {
            let file = File::open(path)
                .map_err(|error| usage(format!("cannot read {}: {error}", path.display())))?;
            Box::new(BufReader::new(file))
        }
        _ => Box::new(stdin().lock()),
    };
    let mut number = 0;
    loop {
        let lines = read_batch(&mut *input)?;
        if lines.is_empty() {
            return Ok(OK);
        }
        let mut output = Vec::new();
        let results: Vec<Result<Option<String>, String>> =
            lines.par_iter().map(|line| judge_line(line)).collect();
        for result in results {
            number += 1;
            match result {
                Ok(Some(json)) => output.push(json),
                Ok(None) => {}
                Err(message) => {
                    show(&output);
                    return Err(usage(format!("line {number}: {message}")));
                }
            }
        }
        show(&output);
    }
}

fn show(lines: &[String]) {
    if !lines.is_empty() {
        crate::out!("{}", lines.join("\n"));
    }
}

fn read_batch(input: &mut dyn BufRead) -> Result<Vec<Vec<u8>>> {
    let mut lines = Vec::new();
    while lines.len() < BATCH {
        let mut line = Vec::new();
        std::io::Read::take(&mut *input, LONGEST_LINE)
            .read_until(b'\n', &mut line)
            .context("cannot read the input")?;
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    Ok(lines)
}

/// Blank lines have no result.
fn judge_line(line: &[u8]) -> Result<Option<String>, String> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let line: Line =
        serde_json::from_slice(line).map_err(|error| format!("not a trial: {error}"))?;
    let defaults = Rule::default();
    let rule = Rule {
        min_speedup: line.min_speedup.unwrap_or(defaults.min_speedup),
        alpha: line.alpha.unwrap_or(defaults.alpha),
        threshold: line.threshold,
        screen: line.screen.unwrap_or(false),
        max_blocks: line.blocks.len().max(1),
        sum_threshold: line.sum_threshold,
    };
    let judged = judge(&line.blocks, &rule).map_err(|error| error.to_string())?;
    let document = Judgement {
        schema: Judgement::SCHEMA.into(),
        verdict: judged.outcome.into(),
        reason: judged.reason.as_str().into(),
        n_blocks: judged.summary.n_blocks,
        log_e: judged.summary.log_e,
        speedup: judged.summary.speedup,
        at_least: judged.summary.at_least,
        at_most: judged.summary.at_most,
    };
    serde_json::to_string(&document)
        .map(Some)
        .map_err(|error| error.to_string())
}
