//! What `outpace judge` takes, and what it says of what it cannot take.

use serde_json::{Value, json};

use crate::playground::{Outcome, Playground};

const GOOD: &str = r#"{"blocks": [[[1.02, 1.0]], {"pairs": [[1.03, 1.0], [1.01, 1.0]]}]}"#;

fn judge_bytes(flags: &[&str], input: &[u8]) -> Outcome {
    let folder = Playground::bare_folder();
    std::fs::write(folder.path().join("trials"), input).unwrap();
    folder.outpace(&[&["judge", "trials"], flags].concat())
}

fn judge(flags: &[&str], input: &str) -> Outcome {
    judge_bytes(flags, input.as_bytes())
}

/// The documents on stdout.
fn results(outcome: &Outcome) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap();
    outcome.stdout.lines().map(parse).collect()
}

/// "v" for a judgement, the line's number for an error.
fn marks(outcome: &Outcome) -> Vec<String> {
    let mark = |result: &Value| match result.get("error") {
        Some(_) => result["line"].to_string(),
        None => "v".to_owned(),
    };
    results(outcome).iter().map(mark).collect()
}

#[test]
fn a_fault_is_named_by_line_block_and_pair() {
    let pairs = |pairs: &str| format!("{{\"blocks\": [[[1.0, 1.0]], {pairs}]}}");
    let cases = [
        (
            pairs("[[null, 1.0]]"),
            "block 2, pair 1: `null` is not a number",
        ),
        (
            pairs("[[1.0, 1.0], [1.0, true]]"),
            "block 2, pair 2: `true` is not",
        ),
        (
            pairs("[[\"0,52\", 1.0]]"),
            "`\"0,52\"` is not a number. Hint: it has a decimal comma; write 0.52",
        ),
        (
            pairs("[[0,52, 0,50]]"),
            "block 2, pair 1: 4 numbers instead of two. Hint: a decimal comma",
        ),
        (pairs("[[\"0.52\", 1.0]]"), "without quotes"),
        (
            pairs("[[NaN, 1.0]]"),
            "block 2, pair 1: `NaN` is not a number",
        ),
        (
            pairs("[[1.0, -Infinity]]"),
            "block 2, pair 1: `-Infinity` is not a number",
        ),
        (
            pairs("[[1.0, .5]]"),
            "block 2, pair 1: `.5` is not a number",
        ),
        (
            pairs("{\"pairs\": [[1.0, 1.0], [1.0]]}"),
            "block 2, pair 2: 1 numbers instead of two",
        ),
        (
            pairs("{\"pairs\": [[1.0, 1.0], 7]}"),
            "block 2, pair 2: `7` is not a pair",
        ),
        (
            pairs("{\"pairs\": [[0, 1.0]]}"),
            "block 2, pair 1: the times are 0 and 1",
        ),
        (
            pairs("{\"piars\": [[1.0, 1.0]]}"),
            "block 2: unknown key `piars`. Hint: did you mean `pairs`",
        ),
        (pairs("{}"), "block 2: key `pairs` is missing"),
        (pairs("\"x\""), "block 2: `\"x\"` is not a list of pairs"),
        (pairs("[]"), "block 2: no pairs"),
        (
            "{\"blocks\": 5}".into(),
            "`blocks` is a number, must be an array",
        ),
        ("{\"alpha\": 0.01}".into(), "key `blocks` is missing"),
        ("[[[1.02, 1.0]]]".into(), "not a trial: an array"),
        ("5".into(), "not a trial: a number"),
        (
            "{\"blocks\": [[[1.0, 1.0]]], \"alpha\": \"1%\"}".into(),
            "`alpha` is `\"1%\"`, must be a number",
        ),
        (
            "{\"blocks\": [[[1.0, 1.0]]], \"screen\": 1}".into(),
            "`screen` is `1`, must be true or false",
        ),
        (
            "{\"blocks\": [[[1.0, 1.0]]], \"alpha\": 1, \"alpha\": 1}".into(),
            "duplicate key `alpha`",
        ),
        (
            "{\"blocks\": [[[1.0, 1.0]]]} x".into(),
            "trailing characters (line 3, column",
        ),
        (
            "{\"blocks\": [[[1.0, 1.0]]".into(),
            "it ends before its last bracket is closed",
        ),
    ];
    for (bad, part) in cases {
        let outcome = judge(&[], &format!("\n{GOOD}\n{bad}\n{GOOD}\n"));
        assert_eq!(outcome.stdout.lines().count(), 1, "{bad}");
        let named = outcome.stderr.contains("line 3: ");
        assert!(
            named && outcome.stderr.contains(part),
            "{bad}: {}",
            outcome.stderr
        );
        assert_eq!(outcome.code, 2, "{bad}");
    }
}

#[test]
fn a_misspelt_key_is_an_error_that_names_the_nearest() {
    for (key, hint) in [
        ("alpah", "did you mean `alpha`?"),
        ("treshold", "did you mean `threshold`?"),
        (
            "bananas",
            "available: blocks, min_speedup, alpha, threshold, screen, sum_threshold",
        ),
    ] {
        let trial = GOOD.replacen('{', &format!("{{\"{key}\": 0.05, "), 1);
        let unknown = format!("line 1: unknown key `{key}`");
        judge(&[], &trial).expect(2).says(&[&unknown, hint]);
    }
    let all = r#"{"blocks": [[[1.02, 1.0]]], "min_speedup": 0, "alpha": 0.05, "threshold": null,
        "screen": true, "sum_threshold": 20}"#;
    judge(&[], all).expect(0);
}

#[test]
fn keep_going_leaves_an_error_object_in_place() {
    let zero = r#"{"blocks": [[[0, 1.0]]]}"#;
    let input = [
        GOOD,
        zero,
        "",
        GOOD,
        "{\"blocks\": [[[1.0, ",
        GOOD,
        "nonsense",
        GOOD,
    ]
    .join("\n");
    let outcome = judge(&["--keep-going"], &input).expect(2);
    assert_eq!(marks(&outcome), ["v", "2", "v", "5", "v", "7", "v"]);
    let error = &results(&outcome)[1];
    let keys: Vec<&String> = error.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["error", "line"]);
    assert!(
        error["error"]
            .as_str()
            .unwrap()
            .starts_with("block 1, pair 1: ")
    );
    outcome.says(&["3 of 7 trials could not be judged"]);

    judge(&["--keep-going"], GOOD).expect(0);
    let outcome = judge(&[], &input).expect(2);
    assert_eq!(marks(&outcome), ["v"]);
}

#[test]
fn a_trial_may_span_lines_or_stand_in_an_array() {
    let good: Value = serde_json::from_str(GOOD).unwrap();
    let pretty = serde_json::to_string_pretty(&good).unwrap();
    let bad = json!({"blocks": [[[1.0, null]]]});
    let array = serde_json::to_string_pretty(&json!([good, bad, good])).unwrap();
    let mut begins = array.lines().enumerate().filter(|(_, line)| *line == "  {");
    let second = (begins.nth(1).unwrap().0 + 1).to_string();
    let last = (pretty.lines().count() + 1).to_string();
    for (what, input, expect) in [
        ("pretty", pretty.clone(), vec!["v"]),
        (
            "several",
            format!("{pretty}\n{pretty}\n\n{GOOD}"),
            vec!["v"; 3],
        ),
        ("a mark", format!("\u{feff}{GOOD}\n{GOOD}"), vec!["v"; 2]),
        (
            "a mark, pretty, CRLF",
            format!("\u{feff}{}", pretty.replace('\n', "\r\n")),
            vec!["v"],
        ),
        (
            "an array in a line",
            format!("[{GOOD}, {GOOD}]\n{GOOD}"),
            vec!["v"; 3],
        ),
        (
            "a trial a line",
            format!("[\n{GOOD},\n{GOOD}\n]"),
            vec!["v"; 2],
        ),
        (
            "an array that spans lines",
            array.clone(),
            vec!["v", &second, "v"],
        ),
        (
            "cut off, then whole",
            format!("[{GOOD}, {{\n{GOOD}"),
            vec!["1", "v"],
        ),
        (
            "after a pretty one",
            format!("{pretty}\n{{}}"),
            vec!["v", &last],
        ),
        (
            "brackets in a string",
            format!("{{\"a]\\\"[\": 1}}\n{GOOD}"),
            vec!["1", "v"],
        ),
    ] {
        let outcome = judge(&["--keep-going"], &input);
        assert_eq!(marks(&outcome), expect, "{what}: {}", outcome.stderr);
    }
    judge(&[], &array)
        .expect(2)
        .says(&[&format!("line {second}: trial 2: block 1, pair 1: ")]);
    judge(&[], "[]")
        .expect(2)
        .says(&["line 1: not a trial: an array"]);
}

#[test]
fn a_verdict_record_is_judged_by_its_own_rule() {
    let verdict = json!({
        "schema": "outpace.verdict/1", "verdict": "faster", "reason": "r", "threshold": 100.0,
        "alpha": 0.01, "min_speedup": 0.005, "max_blocks": 5, "n_blocks": 12, "workload": "w",
        "blocks": vec![json!({"pairs": [[1.0, 1.0]], "ready_s": [0.1, 0.1]}); 12],
        "track": "throughput", "base": "b", "machine_class": "m", "sandbox_tier": "none",
        "seeds": {"trial": 7}, "outpace_version": "0.1.0",
        "started": "2026-05-19T08:30:00Z", "finished": "2026-05-19T08:31:00Z"
    });
    let pretty = serde_json::to_string_pretty(&verdict).unwrap();
    let judged = judge(&[], &pretty).expect(0).json();
    assert_eq!(
        (&judged["verdict"], &judged["n_blocks"]),
        (&json!("not_proven"), &json!(5))
    );
    let broken = pretty.replace("\"alpha\"", "\"alhpa\"");
    judge(&[], &broken)
        .expect(2)
        .says(&["not a verdict record", "alpha"]);
}

#[test]
fn exports_of_other_tools_are_told_what_they_lack() {
    let hyperfine = json!({"results": [{"command": "sleep 0", "mean": 0.1, "times": [0.1, 0.1]}]});
    let estimates = json!({"mean": {}, "median": {}, "median_abs_dev": {}, "slope": null});
    let sample = json!({"sampling_mode": "Linear", "iters": [1.0], "times": [5.0]});
    let message = json!({"reason": "benchmark-complete", "id": "a", "measured_values": [1.0]});
    let pytest = json!({"machine_info": {}, "commit_info": {}, "benchmarks": [], "version": "5"});
    let csv = |text: &str| Value::String(text.into());
    for (tool, export) in [
        ("hyperfine", hyperfine),
        ("criterion", estimates),
        ("criterion", sample),
        ("criterion", message),
        ("pytest-benchmark", pytest),
        (
            "hyperfine",
            csv("command,mean,stddev,median,user,system,min,max\nsleep 0,1,2"),
        ),
        (
            "criterion",
            csv("group,function,value,throughput_num\na,b,c,1"),
        ),
    ] {
        let text = match export {
            Value::String(text) => text,
            json => serde_json::to_string_pretty(&json).unwrap(),
        };
        judge(&[], &text).expect(2).says(&[
            &format!("line 1: an export of {tool}"),
            "paired, interleaved samples of fresh processes",
            "outpace compare --whole-commands",
        ]);
    }
    judge(&[], "{\"results\": []}")
        .expect(2)
        .says(&["unknown key `results`"]);
}

#[test]
fn utf_16_is_named() {
    for mark in [b"\xff\xfe{\0", b"\xfe\xff\0{"] {
        judge_bytes(&[], mark).expect(2).says(&["UTF-16", "UTF-8"]);
    }
}

#[test]
fn a_coarse_clock_is_warned_of() {
    // A true gain of 5 % on a clock of 10 ms looks like 10 %.
    let block = |n: usize| {
        vec![
            [0.11, 0.1],
            [if n.is_multiple_of(2) { 0.1 } else { 0.11 }, 0.1],
        ]
    };
    let coarse = |n| json!({"blocks": (0..n).map(block).collect::<Vec<_>>()}).to_string();
    let outcome = judge(&[], &format!("{GOOD}\n{}", coarse(12))).expect(0);
    let results = results(&outcome);
    assert!(results[0].get("warnings").is_none());
    let warning = results[1]["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("only 2 distinct times occur: the clock ticks every 0.01 s, 10 %"));
    let line = "warning: line 2: only 2 distinct times occur";
    assert_eq!(
        outcome.stderr.matches(line).count(),
        1,
        "{}",
        outcome.stderr
    );

    let many = judge(&[], &vec![coarse(12); 8].join("\n")).expect(0);
    assert_eq!(many.stderr.matches("distinct times").count(), 5);
    many.says(&["3 more, each in `warnings`"]);
    let equal = json!({"blocks": vec![[[0.1, 0.1]]; 4]}).to_string();
    judge(&[], &equal)
        .expect(0)
        .says(&["only 1 distinct time occurs"]);
}

#[test]
fn ten_thousand_lines_keep_their_order() {
    let line = |n: usize| {
        let time = |i: usize| 1.0 + (i * 7919 + n) as f64 % 101.0 / 1000.0;
        let blocks: Vec<[[f64; 2]; 2]> = (0..1 + n % 7)
            .map(|i| [[time(i), time(i + 1)], [time(i + 2), time(i + 3)]])
            .collect();
        json!({"blocks": blocks, "alpha": 1e-9}).to_string()
    };
    let lines: Vec<String> = (0..10_000).map(line).collect();
    let outcome = judge(&[], &lines.join("\n")).expect(0);
    let results = results(&outcome);
    assert_eq!(results.len(), 10_000);
    for (n, result) in results.iter().enumerate() {
        assert_eq!(result["n_blocks"], 1 + n % 7, "line {}", n + 1);
    }
    let array = judge(&[], &format!("[{}]", lines.join(",\n"))).expect(0);
    assert_eq!(array.stdout, outcome.stdout);
}

#[test]
fn the_trial_in_the_help_is_judged() {
    let help = Playground::bare_folder()
        .outpace(&["judge", "--help"])
        .expect(0)
        .stdout;
    let (_, from) = help.split_once("two pairs:\n").unwrap();
    let (trial, _) = from.split_once("\n\n").unwrap();
    let judged = judge(&[], trial).expect(0).json();
    assert_eq!(judged["n_blocks"], 2, "{trial}");
}

#[test]
fn the_verdicts_of_the_reports_are_what_their_samples_say() {
    const TOLERANCE: f64 = 1e-6;
    for name in ["sample", "time-to-loss"] {
        let path = format!(
            "{}/../../reports/{name}/report.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let report: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        // As the report's own `jq` does it.
        let attempts = report["attempts"].as_array().unwrap().iter();
        let mut verdicts: Vec<&Value> = attempts
            .flat_map(|attempt| attempt["verdicts"].as_array().unwrap())
            .collect();
        verdicts.retain(|v| !v["log_e"].is_null() && v["verdict"] != "rejected");
        let lines: Vec<String> = verdicts.iter().map(ToString::to_string).collect();
        let judged = results(&judge(&[], &lines.join("\n")).expect(0));
        assert!(judged.len() >= 6, "{name}");
        for (verdict, judged) in verdicts.iter().zip(&judged) {
            assert_eq!(verdict["verdict"], judged["verdict"], "{name}: {judged}");
            // Seeds, where they decide.
            let seeds = verdict["runs"].as_array().map_or(0, Vec::len);
            let counted = match verdict["target"].is_null() {
                true => verdict["n_blocks"].as_u64().unwrap(),
                false => seeds as u64,
            };
            assert_eq!(judged["n_blocks"], counted, "{name}: {judged}");
            for key in ["log_e", "at_least", "speedup"] {
                let [recorded, again] = [verdict, judged].map(|v| v[key].as_f64());
                let near = match (recorded, again) {
                    (Some(a), Some(b)) => (a - b).abs() < TOLERANCE,
                    (a, b) => a == b,
                };
                assert!(
                    near,
                    "{name}: {key} is {recorded:?}, judged again {again:?}"
                );
            }
        }
    }
}
