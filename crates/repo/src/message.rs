//! Commit messages of merges, and the trailers in them. Text from agents goes into the body and can
//! never become a trailer.

use std::borrow::Borrow;

use outpace_record::{SandboxTier, Verdict};
use outpace_text::plain;

/// Longest subject line.
const SUBJECT_CHARS: usize = 72;
/// Longest line of the body, and the most lines of it.
const BODY_CHARS: usize = 100;
const BODY_LINES: usize = 40;

/// The trailers of a merge, in the order in which they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trailers {
    /// `Outpace-Verdict`: record ids.
    pub verdicts: Vec<String>,
    /// `Outpace-Proven`: one text a verdict.
    pub proven: Vec<String>,
    /// `Outpace-Base`: commit ids; a good merge has one.
    pub bases: Vec<String>,
    /// `Outpace-Agent`: who proposed the patch.
    pub agents: Vec<String>,
    /// `Outpace-Sandbox`: `none` where a program was not confined.
    pub sandboxes: Vec<String>,
    /// Other lines that begin like a trailer of outpace.
    pub unknown: Vec<String>,
}

/// The `Outpace-Proven` text of a verdict: `gpt-nano +3.1% (at least +2.2%)`.
pub fn proven_text(verdict: &Verdict) -> String {
    let percent = |gain: Option<f64>| {
        gain.map_or("unknown".to_owned(), |gain| {
            format!("{:+.1}%", gain * 100.0)
        })
    };
    format!(
        "{} {} (at least {})",
        verdict.workload,
        percent(verdict.speedup),
        percent(verdict.at_least)
    )
}

/// The message of a merge that these verdicts (each with its record id) prove. Title, body and
/// agent may be hostile text.
pub fn merge_message<V: Borrow<Verdict>>(
    title: &str,
    body: &str,
    verdicts: &[(V, String)],
    agent: &str,
) -> String {
    let mut message = match plain(title, SUBJECT_CHARS) {
        subject if subject.is_empty() => "Merge a patch that is proven faster".to_owned(),
        subject => subject,
    };
    message.push_str("\n\n");
    let body = tame(body);
    if !body.is_empty() {
        message.push_str(&body);
        message.push_str("\n\n");
    }
    let mut trailer = |key: &str, value: &str| message.push_str(&format!("{key}: {value}\n"));
    for (verdict, id) in verdicts {
        let verdict = verdict.borrow();
        trailer("Outpace-Verdict", id);
        trailer("Outpace-Proven", &plain(&proven_text(verdict), 200));
    }
    if let Some((verdict, _)) = verdicts.first() {
        trailer("Outpace-Base", &verdict.borrow().base);
    }
    if verdicts
        .iter()
        .any(|(verdict, _)| is_unconfined(verdict.borrow()))
    {
        trailer("Outpace-Sandbox", SandboxTier::None.as_str());
    }
    match agent_text(agent) {
        agent if agent.is_empty() => {}
        agent => trailer("Outpace-Agent", &agent),
    }
    message
}

/// The `Outpace-Agent` text.
pub(crate) fn agent_text(agent: &str) -> String {
    plain(agent, SUBJECT_CHARS)
}

/// What `Outpace-Sandbox` is about.
pub(crate) fn is_unconfined(verdict: &Verdict) -> bool {
    verdict.sandbox_tier == SandboxTier::None
}

/// Reads the trailers: lines `Outpace-...: value` of the last paragraph, and nothing above it.
pub fn parse_trailers(message: &str) -> Trailers {
    let mut trailers = Trailers::default();
    let lines: Vec<&str> = message.trim_end().lines().map(str::trim_end).collect();
    let start = lines
        .iter()
        .rposition(|line| line.is_empty())
        .map_or(lines.len(), |blank| blank + 1);
    for line in &lines[start..] {
        let (key, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.trim().to_owned();
        // git ignores the case of trailers.
        match key.trim_end().to_ascii_lowercase().as_str() {
            "outpace-verdict" => trailers.verdicts.push(value),
            "outpace-proven" => trailers.proven.push(value),
            "outpace-base" => trailers.bases.push(value),
            "outpace-agent" => trailers.agents.push(value),
            "outpace-sandbox" => trailers.sandboxes.push(value),
            key if key.starts_with("outpace") => trailers.unknown.push((*line).to_owned()),
            _ => {}
        }
    }
    trailers
}

/// A body of plain lines. Those that look like a trailer are quoted, for tools that read trailers
/// less strictly than this crate.
fn tame(body: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in body.lines().take(BODY_LINES) {
        let line = plain(line, BODY_CHARS);
        let blank_twice = line.is_empty() && lines.last().is_none_or(String::is_empty);
        if blank_twice {
            continue;
        }
        lines.push(if looks_like_trailer(&line) {
            format!("> {line}")
        } else {
            line
        });
    }
    lines.join("\n").trim().to_owned()
}

fn looks_like_trailer(line: &str) -> bool {
    // Those of outpace are looked at without a colon too.
    if line.to_ascii_lowercase().starts_with("outpace-") {
        return true;
    }
    let key = line.split_once(':').map_or("", |(key, _)| key.trim());
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '-')
}
