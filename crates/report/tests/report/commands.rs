//! Every command that a report prints exists, and gives the same verdict.

use std::collections::BTreeSet;

use outpace_record::{Block, Kind, SandboxTier, Verdict};
use outpace_report::{ReportData, html, markdown};
use outpace_stats::{Evidence, Pair, Rule};

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
fn the_judge_line_selects_what_can_be_judged_again() {
    for text in texts()
        .iter()
        .filter(|text| text.contains("outpace judge -"))
    {
        assert!(text.contains("select(.log_e != null and .verdict != \"rejected\")"));
    }
    let printed = texts()
        .iter()
        .filter(|text| text.contains("outpace judge -"))
        .count();
    assert_eq!(printed, 4, "page and Markdown of two reports");
    // What it selects, judged as `outpace judge` does.
    for verdict in [faster(), slower(), sums_unproven()] {
        assert!(verdict.log_e.is_some());
        let again = verdict.judged_again().expect("the samples are valid");
        assert_eq!(Kind::from(again.outcome), verdict.verdict);
    }
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
