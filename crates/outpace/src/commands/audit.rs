//! `outpace audit`: recomputes every merged verdict from its raw samples.

use anyhow::Result;
use outpace_record::{Audit, AuditedCommit, Document};
use outpace_repo::{Audited, audit};

use crate::exit::{OK, REJECTED, environment};
use crate::options::Options;
use crate::screen::{GREEN, RED, Terminal, paint};
use crate::setup::open_repo;
use outpace_text::short;

/// Recompute every merged verdict from its raw samples; exit 4 if one does not hold.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  outpace audit\n  outpace audit v1.0..main --json")]
pub(crate) struct Args {
    /// Commits to look at, `A..B` or a revision; default: all of HEAD.
    range: Option<String>,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options, args: &Args) -> Result<u8> {
    let repo = open_repo(options)?;
    if repo.is_shallow() {
        return Err(environment(
            "this is a shallow clone, without the history that merges are held against. Hint: `git fetch --unshallow`; in GitHub Actions `fetch-depth: 0`",
        ));
    }
    let audited = audit(&repo, args.range.as_deref())?;
    let broken = audited
        .iter()
        .filter(|commit| !commit.findings.is_empty())
        .count();
    if args.json {
        let document = Audit {
            schema: Audit::SCHEMA.into(),
            holds: broken == 0,
            commits: audited.into_iter().map(document_of).collect(),
        };
        crate::out!("{}", serde_json::to_string(&document)?);
        return Ok(if document.holds { OK } else { REJECTED });
    }
    let mut ui = Terminal::new(options);
    let color = options.paints(std::io::IsTerminal::is_terminal(&std::io::stdout()));
    for commit in &audited {
        let word = if commit.findings.is_empty() {
            paint(color, GREEN, "holds")
        } else {
            paint(color, RED, "does not hold")
        };
        ui.result(&format!(
            "{}  {word}  {}",
            short(&commit.commit),
            outpace_text::plain(&commit.summary, 80)
        ));
        for finding in &commit.findings {
            ui.result(&format!("           {finding}"));
        }
    }
    let merges = if audited.len() == 1 {
        "merge"
    } else {
        "merges"
    };
    let of = args.range.as_deref().unwrap_or("HEAD");
    ui.say(
        "audit",
        &format!(
            "{} {merges} in {of}, {broken} that do not hold",
            audited.len()
        ),
    );
    Ok(if broken == 0 { OK } else { REJECTED })
}

fn document_of(audited: Audited) -> AuditedCommit {
    AuditedCommit {
        commit: audited.commit,
        summary: audited.summary,
        verdicts: audited.verdict_ids,
        findings: audited.findings,
    }
}
