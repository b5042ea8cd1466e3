//! `outpace audit`: recomputes every merged verdict from its raw samples.

mod attested;

use std::io::IsTerminal;

use anyhow::Result;
use outpace_record::{Audit, AuditedCommit, Document};
use outpace_repo::{Audited, audit};
use outpace_text::{plain, short};

use crate::exit::{OK, REJECTED, environment};
use crate::options::Options;
use crate::setup::open_repo;
use crate::ui::Terminal;
use crate::ui::print::{GREEN, RED, paint};

/// Recompute every merged verdict from its raw samples; exit 4 if one cannot be verified.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  outpace audit\n  outpace audit v1.0..main --json")]
pub(crate) struct Args {
    /// Commits to audit, `A..B` or a revision; default: all of HEAD.
    range: Option<String>,
    /// Ask `gh` besides whether a workflow of this repository attested each proof.
    #[arg(long, value_name = "OWNER/NAME")]
    attested: Option<String>,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let repo = open_repo(options)?;
    if repo.is_shallow() {
        return Err(environment(
            "this is a shallow clone, and the audit needs the history before each merge. \
             Hint: `git fetch --unshallow`; in GitHub Actions `fetch-depth: 0`",
        ));
    }
    let mut audited = audit(&repo, args.range.as_deref())?;
    if let Some(of) = &args.attested {
        for commit in &mut audited {
            attested::check(&repo, of, commit)?;
        }
    }
    let failed = audited.iter().filter(|commit| !is_verified(commit)).count();
    if args.json {
        let document = Audit {
            schema: Audit::SCHEMA.into(),
            holds: failed == 0,
            commits: audited.into_iter().map(document_of).collect(),
        };
        crate::out!("{}", serde_json::to_string(&document)?);
    } else {
        let mut ui = Terminal::new(options);
        let color = options.paints(std::io::stdout().is_terminal());
        audited
            .iter()
            .for_each(|commit| show(&mut ui, color, commit));
        let of = args.range.as_deref().unwrap_or("HEAD");
        ui.say("audit", &summary(audited.len(), failed, of));
    }
    Ok(if failed == 0 { OK } else { REJECTED })
}

fn is_verified(commit: &Audited) -> bool {
    commit.findings.is_empty()
}

fn show(ui: &mut Terminal, color: bool, commit: &Audited) {
    let word = if is_verified(commit) {
        paint(color, GREEN, "verified")
    } else {
        paint(color, RED, "FAILED")
    };
    let (id, summary) = (short(&commit.commit), plain(&commit.summary, 80));
    ui.result(&format!("{id}  {word}  {summary}"));
    if let Some(note) = &commit.note {
        ui.result(&format!("           {note}"));
    }
    for finding in &commit.findings {
        ui.result(&format!("           {finding}"));
    }
}

fn summary(merges: usize, failed: usize, of: &str) -> String {
    let noun = if merges == 1 { "merge" } else { "merges" };
    match (merges, failed) {
        (0, _) => format!("no merges with a proof in {of}"),
        (_, 0) => format!("{merges} {noun} in {of}, all verified"),
        _ => format!("{merges} {noun} in {of}, {failed} FAILED"),
    }
}

fn document_of(audited: Audited) -> AuditedCommit {
    AuditedCommit {
        commit: audited.commit,
        summary: audited.summary,
        verdicts: audited.verdict_ids,
        note: audited.note,
        findings: audited.findings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_merges_and_failures() {
        for (merges, failed, expect) in [
            (0, 0, "no merges with a proof in main"),
            (1, 0, "1 merge in main, all verified"),
            (1, 1, "1 merge in main, 1 FAILED"),
            (3, 2, "3 merges in main, 2 FAILED"),
        ] {
            assert_eq!(summary(merges, failed, "main"), expect);
        }
    }
}
