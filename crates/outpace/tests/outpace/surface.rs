//! What scripts and people hold on to: help, schemas, completions, man pages, `judge`.

use std::io::Write;
use std::process::Stdio;

use crate::playground::{Outcome, Playground};

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

#[test]
fn every_verb_has_help_with_an_example() {
    let folder = Playground::bare_folder();
    for verb in VERBS {
        let help = folder.outpace(&[verb, "--help"]).expect(0);
        examples_use_flags_that_exist(verb, &help.stdout);
        help.says(&["Usage: outpace", &format!("outpace {verb}")]);
    }
    for verb in [
        ["history", "list"],
        ["history", "show"],
        ["history", "export"],
        ["baseline", "show"],
    ] {
        folder
            .outpace(&[verb[0], verb[1], "--help"])
            .expect(0)
            .says(&["Example:"]);
    }
    folder
        .outpace(&["gate", "--nonsense"])
        .expect(2)
        .says(&["--nonsense"]);
    folder.outpace(&[]).expect(2).says(&["Usage: outpace"]);
}

/// Every flag behind `outpace VERB` in the examples stands in the same help, or in that of its
/// subverbs, as an option.
#[track_caller]
fn examples_use_flags_that_exist(verb: &str, help: &str) {
    let (options, examples) = help
        .split_once("Example:")
        .unwrap_or_else(|| panic!("{verb} has no example:\n{help}"));
    let command = format!("outpace {verb}");
    let own = examples
        .lines()
        .filter_map(|line| line.split_once(&command));
    let flags: Vec<&str> = own
        .flat_map(|(_, rest)| rest.split_whitespace())
        .filter(|word| word.starts_with("--"))
        .collect();
    assert!(examples.contains(&command), "{verb}: {examples}");
    let subverbs = options.contains("Commands:");
    for flag in flags {
        assert!(
            subverbs || options.contains(flag),
            "the example of {verb} has {flag}, its options do not:\n{help}"
        );
    }
}

#[test]
fn tools_for_shells_and_readers() {
    let folder = Playground::bare_folder();
    for shell in ["bash", "zsh", "fish"] {
        folder
            .outpace(&["completions", shell])
            .expect(0)
            .says(&["research"]);
    }
    folder.outpace(&["man"]).expect(0).says(&[".TH outpace"]);
    folder.outpace(&["man", "--out", "pages"]).expect(0);
    assert!(folder.path().join("pages/outpace-gate.1").is_file());
    let names = folder.outpace(&["schema"]).expect(0).stdout;
    for name in names.lines() {
        let schema = folder.outpace(&["schema", name]).expect(0).json();
        assert_eq!(schema["$id"], format!("outpace.{name}/1"));
    }
    folder
        .outpace(&["--version"])
        .expect(0)
        .says(&[env!("CARGO_PKG_VERSION")]);
}

fn judge(input: &str) -> Outcome {
    let folder = Playground::bare_folder();
    let mut child = folder
        .command(&["judge"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    Outcome {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn judge_agrees_with_the_reference() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../stats/tests/data/vectors.json"
    );
    let vectors: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let trials = vectors["trials"].as_array().unwrap();
    let lines: Vec<String> = trials
        .iter()
        .map(|t| serde_json::json!({"blocks": t["blocks"], "min_speedup": t["min_speedup"], "alpha": t["alpha"], "screen": t["screen"]}).to_string())
        .collect();
    let output = judge(&(lines.join("\n") + "\n\n")).expect(0).stdout;
    assert_eq!(output.lines().count(), trials.len());
    for (line, trial) in output.lines().zip(trials) {
        let (got, expect): (serde_json::Value, _) =
            (serde_json::from_str(line).unwrap(), &trial["expect"]);
        assert_eq!(
            (&got["verdict"], &got["reason"]),
            (&expect["verdict"], &expect["reason"])
        );
        assert_eq!(got["n_blocks"], expect["blocks"]);
        for key in ["log_e", "speedup", "at_least", "at_most"] {
            match (got[key].as_f64(), expect[key].as_f64()) {
                (Some(a), Some(b)) => assert!((a - b).abs() < 1e-9, "{key}: {a} against {b}"),
                (a, b) => assert_eq!(a, b, "{key}"),
            }
        }
    }
}

#[test]
fn judge_names_the_malformed_line_after_the_results_before_it() {
    let good = r#"{"blocks": [[[1.02, 1.0]], {"pairs": [[1.03, 1.0], [1.01, 1.0]]}]}"#;
    for (bad, part) in [
        ("nonsense", "not a trial"),
        ("{\"blocks\": []}", "line 2"),
        ("{\"blocks\": [[]]}", "block"),
        ("{\"blocks\": [[[1.0, -1.0]]]}", "block 1, pair 1"),
        ("{\"blocks\": [[[1.0, 1.0]]], \"alpha\": 7}", "alpha"),
    ] {
        let outcome = judge(&format!("{good}\n{bad}\n{good}\n")).expect(2);
        assert_eq!(outcome.stdout.lines().count(), 1, "{bad}");
        outcome.says(&["line 2", part]);
    }
    judge("").expect(0);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = Playground::bare_folder();
    for args in [
        &["schema", "verdict"][..],
        &["completions", "bash"],
        &["man"],
    ] {
        let mut child = folder
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && stderr.is_empty(),
            "{args:?}: {stderr}"
        );
    }
}
