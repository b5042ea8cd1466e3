//! A verdict and its checks in words.

use outpace_record::{Check, GPU_CHECK, Kind, Verdict};
use outpace_report::format::{change_of_time, count, duration, gain};
use outpace_text::plain;
use outpace_trial::NOT_COMPARED;

/// The word for a person; upper case where it is good news.
pub(super) fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Faster => "FASTER",
        Kind::Slower => "slower",
        Kind::Rejected => "rejected",
        Kind::Same => "same",
        Kind::NotSlower => "NOT SLOWER",
        Kind::NotProven => "not proven",
    }
}

/// A verdict as one line; a compiler's message follows below it. `word` is painted already.
pub(super) fn line(verdict: &Verdict, word: &str) -> String {
    let mut parts = vec![format!("{:<10} {word}", verdict.workload)];
    if let Some(speedup) = verdict.speedup {
        let bound = |word: &str, bound: Option<f64>| {
            bound.map_or(String::new(), |b| format!(", at {word} {}", gain(b)))
        };
        let least = bound("least", verdict.at_least);
        let most = bound("most", verdict.at_most);
        parts.push(format!("{}{least}{most}", gain(speedup)));
        // The gain is the median of blocks, `tokens_per_s` of the candidate the median of turns.
        // Side by side they can contradict each other, so the line shows the base's and what the
        // gain makes of it.
        if let Some(tokens) = verdict.tokens_per_s {
            let (before, after) = (count(tokens.base), count(tokens.base * (1.0 + speedup)));
            parts.push(format!("{before} -> {after} tokens/s"));
        }
    }
    if let Some(text) = to_loss(verdict) {
        parts.push(text);
    } else if verdict.n_blocks > 0 {
        let blocks = outpace_text::counted(verdict.n_blocks, "block");
        let seconds = duration(verdict.trial_s.unwrap_or(0.0));
        parts.push(format!("{blocks}, {seconds}"));
    }
    if !matches!(verdict.verdict, Kind::Faster | Kind::NotSlower) {
        parts.push(reason(&verdict.reason));
    }
    parts.join("   ")
}

/// `1.95 nats in 8.1 s instead of 9.4 s: at least 11.0 % less time   12 seeds, 3 min`.
fn to_loss(verdict: &Verdict) -> Option<String> {
    let target = verdict.target.as_ref()?;
    let seeds = outpace_text::counted(verdict.runs.len(), "seed");
    let seconds = duration(verdict.trial_s.unwrap_or(0.0));
    let Some([base, candidate]) = verdict.seconds_to_loss() else {
        return Some(format!("{seeds}, {seconds}"));
    };
    let (base, candidate) = (duration(base), duration(candidate));
    let nats = target.target_loss;
    let less = verdict.at_least.filter(|least| *least > 0.0);
    let less = less.map_or(String::new(), |least| {
        format!(": at least {}", change_of_time(least))
    });
    Some(format!(
        "{nats} nats in {candidate} instead of {base}{less}   {seeds}, {seconds}"
    ))
}

/// How the GPUs were, where any was used.
pub(super) fn gpu(verdict: &Verdict) -> Option<String> {
    let check = verdict.checks.iter().find(|c| c.name == GPU_CHECK)?;
    Some(plain(&check.detail, 160))
}

/// What the correctness check found, if it made one.
pub(super) fn checked(steps: u32, checks: &[Check]) -> Option<String> {
    if let Some(fault) = checks.iter().find(|check| !check.passed) {
        return Some(format!("wrong: {}", plain(&fault.detail, 160)));
    }
    let losses = checks.iter().find(|check| check.name == "losses")?;
    let (value, allowed) = (losses.value.unwrap_or(0.0), losses.allowed.unwrap_or(0.0));
    let other = |check: &Check| {
        let made = !check.detail.starts_with(NOT_COMPARED);
        format!(
            ", {} {}",
            check.name,
            if made { "ok" } else { NOT_COMPARED }
        )
    };
    let others = checks.iter().filter(|check| check.name != "losses");
    let others: String = others.map(other).collect();
    Some(format!(
        "{steps} steps at fresh seeds: loss within {value:.1e} (allowed {allowed:.1e}){others}"
    ))
}

/// A reason on one line; a compiler's message is long and goes below, indented.
fn reason(text: &str) -> String {
    match text.split_once('\n') {
        None => plain(text, 300),
        Some((first, rest)) => {
            let rest = outpace_text::lines(rest, usize::MAX);
            let lines: Vec<String> = rest
                .lines()
                .map(|line| format!("    {}", line.trim_end()))
                .collect();
            format!("{}\n{}", plain(first, 300), lines.join("\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outpace_record::Document as _;

    fn verdict(change: &str) -> Verdict {
        let base = serde_json::json!({
            "schema": "outpace.verdict/1", "verdict": "faster", "reason": "proven",
            "threshold": 100.0, "alpha": 0.01, "min_speedup": 0.005, "n_blocks": 8,
            "speedup": 0.031, "at_least": 0.022, "trial_s": 12.0, "workload": "toy",
            "tokens_per_s": {"base": 10_000.0, "candidate": 9_900.0},
            "track": "throughput", "base": "8c1f0e2", "machine_class": "m",
            "sandbox_tier": "none", "seeds": {"trial": 7}, "outpace_version": "0.1.0",
            "started": "2026-05-19T08:30:00Z", "finished": "2026-05-19T08:31:00Z"
        });
        let mut value = base;
        let change: serde_json::Value = serde_json::from_str(change).unwrap();
        for (key, new) in change.as_object().unwrap() {
            value[key] = new.clone();
        }
        Verdict::from_json(&value.to_string()).unwrap()
    }

    #[test]
    fn a_verdict_is_one_line_whose_figures_agree() {
        let check = |change: &str, expect: &str| {
            let verdict = verdict(change);
            assert_eq!(line(&verdict, word(verdict.verdict)), expect);
        };
        check(
            "{}",
            "toy        FASTER   +3.1 %, at least +2.2 %   10,000 -> 10,310 tokens/s   8 blocks, 12 s",
        );
        check(
            r#"{"verdict": "not_proven", "speedup": -0.006, "at_least": null, "at_most": 0.01,
                "n_blocks": 1, "reason": "blocks exhausted"}"#,
            "toy        not proven   -0.6 %, at most +1.0 %   10,000 -> 9,940 tokens/s   1 block, \
             12 s   blocks exhausted",
        );
        check(
            r#"{"verdict": "rejected", "speedup": null, "n_blocks": 0, "reason":
                "does not build\n  error: \u202ex\n  --> a"}"#,
            "toy        rejected   does not build\n      error: x\n      --> a",
        );
        check(
            r#"{"verdict": "same", "speedup": null, "n_blocks": 0, "reason": "equal"}"#,
            "toy        same   equal",
        );
        check(
            r#"{"verdict": "slower", "tokens_per_s": null, "at_least": null, "n_blocks": 0,
                "reason": "proven slower"}"#,
            "toy        slower   +3.1 %   proven slower",
        );
    }

    #[test]
    fn what_was_checked_is_said() {
        let check = |name: &str, passed: bool, detail: &str| Check {
            name: name.into(),
            passed,
            value: Some(1e-7),
            allowed: Some(4e-6),
            detail: detail.into(),
        };
        let losses = || check("losses", true, "");
        assert_eq!(checked(8, &[]), None);
        let parameters = check("parameters", true, "not compared: no checkpoint");
        assert_eq!(
            checked(8, &[losses(), parameters, check("validation", true, "")]).unwrap(),
            "8 steps at fresh seeds: loss within 1.0e-7 (allowed 4.0e-6), parameters not compared, \
             validation ok"
        );
        let wrong = check("validation", false, "differs by 2");
        assert_eq!(
            checked(8, &[losses(), wrong]).unwrap(),
            "wrong: differs by 2"
        );
    }
}
