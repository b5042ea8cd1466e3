//! Every command that a report prints exists, and gives the same verdict.

use std::collections::BTreeSet;

use outpace_record::{Block, Kind, SandboxTier, Verdict};
use outpace_report::{ReportData, html, markdown};
use outpace_stats::{Evidence, Pair, Rule, judge};
use serde_json::Value;

use crate::common;

/// The verbs of the command line (`crates/outpace/src/cli.rs`).
const VERBS: [&str; 14] = [
    "init",
    "doctor",
    "bench",
    "compare",
    "gate",
    "research",
    "report",
    "judge",
    "history",
    "baseline",
    "audit",
    "schema",
    "completions",
    "man",
];

/// A report of a campaign, one of single verdicts, one without attempts, one of nothing.
fn reports() -> Vec<ReportData> {
    let campaign = common::campaign(12);
    let mut verdicts = common::nothing();
    verdicts.verdicts = vec![faster(), sums_unproven()];
    vec![campaign, verdicts, common::campaign(0), common::nothing()]
}

/// Page and Markdown of each report, with the escapes of HTML undone.
fn texts() -> Vec<String> {
    let page = |data: &ReportData| {
        html(data)
            .expect("the page can be drawn")
            .replace("&quot;", "\"")
            .replace("&gt;", ">")
            .replace("&lt;", "<")
            .replace("&amp;", "&")
    };
    let both = |data: &ReportData| [page(data), markdown(data)];
    reports().iter().flat_map(both).collect()
}

/// The word behind each `outpace `, in commands and in sentences. A figure is a version.
fn verbs(text: &str) -> Vec<String> {
    let verb = |rest: &str| {
        let is_word = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
        rest.chars().take_while(is_word).collect::<String>()
    };
    let words = text.split("outpace ").skip(1).map(verb);
    words
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
        .collect()
}

#[test]
fn every_command_of_a_report_exists() {
    let texts = texts();
    let printed: BTreeSet<String> = texts.iter().flat_map(|text| verbs(text)).collect();
    for verb in ["audit", "judge", "bench", "gate", "research", "doctor"] {
        assert!(
            printed.contains(verb),
            "{verb} is printed nowhere: {printed:?}"
        );
    }
    for verb in &printed {
        assert!(VERBS.contains(&verb.as_str()), "outpace {verb}");
    }
}

#[test]
fn the_judge_line_replays_each_verdict() {
    let lines = judge_lines();
    for verdict in [faster(), slower(), sums_unproven()] {
        for line in &lines {
            assert_eq!(replay(line, &verdict), verdict.verdict, "{line}");
        }
    }
    // Without the threshold of the sums, their verdict would be another one.
    let short = lines[0].replace("sum_threshold, ", "");
    assert_eq!(replay(&short, &sums_unproven()), Kind::Faster);
}

/// The `jq ...` part of the judge commands of page and Markdown.
fn judge_lines() -> Vec<String> {
    let lines: Vec<String> = texts()
        .iter()
        .filter_map(|text| {
            let from = text.find("jq -c ")?;
            let to = text[from..].find("| outpace judge -")?;
            Some(text[from..from + to].to_owned())
        })
        .collect();
    assert_eq!(lines.len(), 4, "page and Markdown of two reports");
    lines
}

/// What `jq` selects of a verdict, judged as `outpace judge` does.
fn replay(line: &str, verdict: &Verdict) -> Kind {
    let record = serde_json::to_value(verdict).expect("a verdict is JSON");
    let (_, keys) = line.split_once("| {").expect("the line selects keys");
    let keys = keys.split('}').next().unwrap_or_default();
    let selected: serde_json::Map<String, Value> = keys
        .split(',')
        .map(|key| (key.trim().to_owned(), record[key.trim()].clone()))
        .collect();
    let number = |key: &str| selected.get(key).and_then(Value::as_f64);
    let blocks: Vec<Block> = serde_json::from_value(selected["blocks"].clone()).expect("blocks");
    let plain = Rule::default();
    let rule = Rule {
        min_speedup: number("min_speedup").unwrap_or(plain.min_speedup),
        alpha: number("alpha").unwrap_or(plain.alpha),
        threshold: number("threshold"),
        screen: selected.get("screen") == Some(&Value::Bool(true)),
        max_blocks: blocks.len(),
        sum_threshold: number("sum_threshold"),
        margin: None,
        bound_blocks: number("bound_blocks").map_or(0, |n| n as usize),
        bounds_always: false,
        earlier_blocks: 0,
    };
    judge(&blocks, &rule)
        .expect("the samples are valid")
        .outcome
        .into()
}

fn faster() -> Verdict {
    let rule = Rule::default().of_programs();
    let verdict = common::verdict("x", 0.036, 41_210.0, &rule, &mut common::Noise(1));
    assert_eq!(verdict.verdict, Kind::Faster);
    verdict
}

fn slower() -> Verdict {
    let rule = Rule::default().of_programs();
    let verdict = common::verdict("x", -0.05, 41_210.0, &rule, &mut common::Noise(2));
    assert_eq!(verdict.verdict, Kind::Slower);
    verdict
}

/// Five of six turns are 4 % faster, the sixth takes as long as two: a fast median, a slow sum.
fn sums_unproven() -> Verdict {
    let rule = Rule {
        max_blocks: 12,
        ..Rule::default().of_programs()
    };
    let mut noise = common::Noise(9);
    let mut evidence = Evidence::new(&rule).expect("the rule is valid");
    let mut blocks = Vec::new();
    for _ in 0..rule.max_blocks {
        let mut pairs: Vec<Pair> = (0..6)
            .map(|_| [0.025, 0.024 * (1.0 + 0.001 * noise.normal())])
            .collect();
        pairs[5][1] = 0.05;
        evidence.push_block(&pairs).expect("times are positive");
        blocks.push(Block {
            pairs,
            ..Block::default()
        });
    }
    let decision = evidence.decision().expect("the blocks are used up");
    assert_eq!(Kind::from(decision.outcome), Kind::NotProven);
    Verdict {
        verdict: Kind::NotProven,
        reason: decision.reason.as_str().to_owned(),
        log_e: Some(evidence.log_e()),
        n_blocks: blocks.len(),
        blocks,
        sandbox_tier: SandboxTier::Bubblewrap,
        ..common::untimed("sums", &rule)
    }
}
