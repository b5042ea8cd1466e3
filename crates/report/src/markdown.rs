//! The report as Markdown for job summaries and comments on GitHub.
//!
//! Untrusted text is either escaped or in fences that it cannot close. It can neither link to a
//! page nor mention a user.

pub(crate) mod escape;
mod mermaid;

use std::fmt::Write as _;

use outpace_record::{Attempt, Run, Verdict};

use crate::campaign_summary::CampaignSummary;
use crate::captions;
use crate::data::ReportData;
use crate::format;
use crate::history::{points, workloads};
use crate::recompute;
use crate::samples;
use crate::settings;
use crate::status::AttemptStatus;
use crate::text::{REASON, TITLE, revision};
use escape::{cell, fence};

/// A job summary on GitHub may have 1 MiB. Details are left out first.
pub(crate) const LIMIT: usize = 1_000_000;

/// Space that is kept for what follows the details.
const TAIL: usize = 60_000;

/// Lines of one patch.
const MOST_LINES: usize = 120;

/// Checks of one verdict.
const MOST_CHECKS: usize = 40;

/// The report as Markdown, below 1 MiB.
pub fn markdown(data: &ReportData) -> String {
    let mut out = format!("## {}\n\n", cell(&data.title, TITLE));
    campaign(&mut out, data);
    verdicts(&mut out, data);
    history(&mut out, data);
    settings_table(&mut out, data);
    recompute_section(&mut out, data);
    let version = data
        .campaign
        .as_ref()
        .map_or("", |c| c.outpace_version.as_str());
    let _ = writeln!(
        out,
        "<sub>{} · {} UTC</sub>",
        format!("outpace {}", cell(version, 20)).trim_end(),
        data.generated.minute()
    );
    debug_assert!(out.len() < 1 << 20, "every part above is bounded");
    out
}

fn campaign(out: &mut String, data: &ReportData) {
    let Some(campaign) = &data.campaign else {
        return;
    };
    let summary = CampaignSummary::new(campaign, &data.attempts);
    let _ = writeln!(
        out,
        "**{}** · {}\n",
        captions::headline(&summary),
        captions::counts(&summary)
    );
    if summary.steps.is_empty() {
        out.push_str("No attempt has ended yet.\n\n");
        return;
    }
    out.push_str(&mermaid::staircase(&summary));
    let _ = writeln!(
        out,
        "{}\n",
        sentences(&captions::campaign_lines(campaign, &summary))
    );
    let decisive = data.attempts.iter().filter_map(Attempt::decisive_verdict);
    let heading = samples::heading(decisive);
    let _ = writeln!(
        out,
        "| # | patch | verdict | gain | at least | {heading} | time | reason |"
    );
    out.push_str("|--:|:--|:--|--:|--:|--:|--:|:--|\n");
    let left_out = fill(out, data.attempts.iter().rev().map(row), LIMIT / 2);
    if left_out > 0 {
        let _ = writeln!(
            out,
            "\n{} left out. They are in report.json.",
            format::plural(left_out, "earlier attempt")
        );
    }
    out.push('\n');
    let mut order: Vec<&Attempt> = data.attempts.iter().rev().collect();
    order.sort_by_key(|a| AttemptStatus::of(a) != AttemptStatus::Merged);
    fill(out, order.into_iter().map(attempt_details), LIMIT - TAIL);
}

/// Appends parts until the text is `limit` bytes long; returns how many did not fit.
pub(crate) fn fill(out: &mut String, parts: impl Iterator<Item = String>, limit: usize) -> usize {
    let mut left_out = 0;
    for part in parts {
        if left_out == 0 && out.len() + part.len() <= limit {
            out.push_str(&part);
        } else {
            left_out += 1;
        }
    }
    left_out
}

fn row(attempt: &Attempt) -> String {
    let status = AttemptStatus::of(attempt);
    let word = if status == AttemptStatus::Merged {
        "**merged**"
    } else {
        status.word()
    };
    let verdict = attempt.decisive_verdict().filter(|v| samples::count(v) > 0);
    let least = verdict.and_then(|v| v.at_least).filter(|g| *g > 0.0);
    let counted = |v| samples::count(v).to_string();
    format!(
        "| {} | {} | {word} | {} | {} | {} | {} | {} |\n",
        attempt.number,
        cell(&attempt.title, TITLE),
        format::gain_or_none(verdict.and_then(|v| v.speedup)),
        format::gain_or_none(least),
        verdict.map_or_else(|| format::NONE.to_owned(), counted),
        format::duration(attempt.total_s),
        cell(&captions::reason(&attempt.reason, 160), 160),
    )
}

fn attempt_details(attempt: &Attempt) -> String {
    let status = AttemptStatus::of(attempt).word();
    let mut out = format!(
        "<details><summary>#{} {}: {status}</summary>\n\n",
        attempt.number,
        cell(&attempt.title, TITLE)
    );
    for verdict in attempt.verdicts.iter().take(8) {
        verdict_details(&mut out, verdict);
    }
    if attempt.verdicts.is_empty() {
        let reason = captions::reason(&attempt.reason, REASON);
        let _ = writeln!(out, "{}\n", cell(&reason, REASON));
    }
    if let Some(path) = captions::log_path(&attempt.reason) {
        let _ = writeln!(out, "Log: {}\n", cell(&path, path.len()));
    }
    if let Some(commit) = &attempt.merged {
        let _ = writeln!(out, "Merged as {}.\n", cell(&revision(commit), 40));
    }
    if !attempt.diff.is_empty() {
        let _ = writeln!(out, "{}\n", fence("diff", &attempt.diff, MOST_LINES));
    }
    out.push_str("</details>\n\n");
    out
}

fn verdict_details(out: &mut String, verdict: &Verdict) {
    let _ = writeln!(
        out,
        "**{}**: {}\n",
        cell(&verdict.workload, 60),
        sentences(&captions::verdict(verdict))
    );
    if verdict.checks.is_empty() {
        return;
    }
    out.push_str("| check | | measured | allowed | what it says |\n|:--|:--|--:|--:|:--|\n");
    for check in verdict.checks.iter().take(MOST_CHECKS) {
        let figure = |v: Option<f64>| v.map_or_else(|| format::NONE.to_owned(), format::figure);
        let word = if check.passed { "ok" } else { "**failed**" };
        let (name, detail) = (
            cell(&check.name, 60),
            cell(&format::with_figures(&check.detail), REASON),
        );
        let _ = writeln!(
            out,
            "| {name} | {word} | {} | {} | {detail} |",
            figure(check.value),
            figure(check.allowed)
        );
    }
    out.push('\n');
}

fn verdicts(out: &mut String, data: &ReportData) {
    if data.verdicts.is_empty() {
        if data.campaign.is_none() {
            out.push_str("No verdict has been recorded yet.\n\n");
        }
        return;
    }
    let heading = samples::heading(data.verdicts.iter());
    let _ = writeln!(
        out,
        "| workload | verdict | gain | at least | {heading} | speed | reason |"
    );
    out.push_str("|:--|:--|--:|--:|--:|--:|:--|\n");
    fill(out, data.verdicts.iter().map(verdict_row), LIMIT - TAIL);
    out.push('\n');
    let folded = data.verdicts.iter().map(|v| {
        let mut part = format!(
            "<details><summary>{}: {}</summary>\n\n",
            cell(&v.workload, 60),
            captions::kind(v.verdict)
        );
        verdict_details(&mut part, v);
        part + "</details>\n\n"
    });
    fill(out, folded, LIMIT - TAIL);
}

fn verdict_row(verdict: &Verdict) -> String {
    let speed = captions::speed(verdict).unwrap_or_else(|| format::NONE.to_owned());
    let word = captions::kind(verdict.verdict);
    format!(
        "| {} | **{word}** | {} | {} | {} | {speed} | {} |\n",
        cell(&verdict.workload, 60),
        format::gain_or_none(verdict.speedup),
        format::gain_or_none(verdict.at_least),
        samples::count(verdict),
        cell(&captions::reason(&verdict.reason, 160), 160),
    )
}

fn history(out: &mut String, data: &ReportData) {
    for workload in workloads(&data.runs).into_iter().take(12) {
        let points = points(&data.runs, workload);
        let _ = writeln!(
            out,
            "### Throughput of {} over commits\n",
            cell(workload, 60)
        );
        out.push_str(&mermaid::history(&points));
        let _ = writeln!(out, "{}\n", sentences(&captions::history(&points)));
        out.push_str(&latest_runs(
            points.iter().rev().take(10).map(|p| (p.run, p.gain)),
        ));
    }
}

fn latest_runs<'a>(runs: impl Iterator<Item = (&'a Run, f64)>) -> String {
    let mut out = String::from("| commit | | against the first | spread |\n|:--|:--|--:|--:|\n");
    for (run, gain) in runs {
        let (commit, summary) = (cell(&revision(&run.commit), 40), cell(&run.summary, TITLE));
        let _ = writeln!(
            out,
            "| {commit} | {summary} | {} | {} |",
            format::gain(gain),
            format::share(run.process_sd)
        );
    }
    out + "\n"
}

fn settings_table(out: &mut String, data: &ReportData) {
    let rows: Vec<String> = settings::rows(data)
        .into_iter()
        .map(|(name, value)| format!("| {} | {} |\n", cell(&name, 60), cell(&value, 200)))
        .collect();
    if !rows.is_empty() {
        out.push_str("<details><summary>Machine and settings</summary>\n\n| | |\n|:--|:--|\n");
        let limit = out.len() + TAIL / 2;
        fill(out, rows.into_iter(), limit);
        out.push_str("\n</details>\n\n");
    }
}

fn recompute_section(out: &mut String, data: &ReportData) {
    let steps = recompute::steps(data);
    if steps.is_empty() {
        return;
    }
    out.push_str("<details><summary>Recompute it</summary>\n\n");
    for step in steps {
        let _ = writeln!(
            out,
            "{}\n\n{}\n",
            cell(step.purpose, REASON),
            fence("sh", &step.command, MOST_LINES)
        );
    }
    out.push_str("</details>\n\n");
}

/// Our own sentences. They may quote untrusted text.
fn sentences(sentences: &[String]) -> String {
    cell(&sentences.join(" "), 2000)
}
