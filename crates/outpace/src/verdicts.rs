//! Verdicts on their way out: to the history, and to stdout.

use anyhow::Result;
use outpace_record::{Document, Verdict};
use outpace_repo::Repo;

use crate::screen::Terminal;

/// Appends verdicts to the history.
pub(crate) fn record(repo: &Repo, verdicts: &[Verdict]) -> Result<Vec<String>> {
    let texts: Vec<(String, String)> = verdicts
        .iter()
        .map(|v| (v.finished.date(), v.to_json()))
        .collect();
    let records: Vec<(&str, &str, &str)> = texts
        .iter()
        .map(|(date, json)| ("verdict", &**date, &**json))
        .collect();
    Ok(repo.history().append(&records)?)
}

/// One JSON document a verdict, or a line a verdict.
pub(crate) fn print(json: bool, verdicts: &[Verdict], ui: &mut Terminal) -> Result<()> {
    ui.clear();
    for verdict in verdicts {
        if json {
            crate::out!("{}", serde_json::to_string(verdict)?);
        } else {
            ui.verdict(verdict);
        }
    }
    Ok(())
}
