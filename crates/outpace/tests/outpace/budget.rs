//! The error budget of a branch, and trials that go on from earlier ones.

use serde_json::Value;

use crate::playground::{Outcome, Playground, SETTINGS};

/// A patch of the toy that takes so many thousand iterations a step.
fn spin(thousands: u32) -> String {
    SETTINGS.replace("400", &thousands.to_string())
}

fn gate(play: &Playground, settings: &str, more: &[&str]) -> Outcome {
    let patch = play.patch("p.patch", "settings.toml", settings);
    let mut args = vec!["gate", "--patch", patch.to_str().unwrap(), "--json"];
    args.extend(more);
    play.outpace(&args)
}

fn records(play: &Playground, kind: &str) -> Vec<Value> {
    let listed = play.outpace(&["history", "export", "--kind", kind]);
    let lines = listed.expect(0).stdout;
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// Few blocks, so that a trial ends without a proof.
fn with_few_blocks(settings: &str) -> Playground {
    Playground::with_config(settings, |config| {
        config.replace("max_blocks = 40", "max_blocks = 6")
    })
}

#[test]
fn a_rerun_goes_on_and_the_history_tells_how_the_verdict_was_reached() {
    let play = with_few_blocks(SETTINGS);
    let first = gate(&play, &spin(200), &[]).expect(1).json();
    assert_eq!(first["n_blocks"], 6, "too few for any proof");
    let second = gate(&play, &spin(200), &[]);
    assert!(
        second.stderr.contains("goes on from 6 blocks"),
        "{}",
        second.stderr
    );
    let second = second.json();
    assert_eq!(second["earlier_blocks"], 6);
    let six = |verdict: &Value| verdict["blocks"].as_array().unwrap()[..6].to_vec();
    assert_eq!(six(&second), six(&first));
    assert_eq!(second["verdict"], "faster", "{}", second["reason"]);
    let id = records(&play, "test-result")[1]["record"].clone();
    let shown = play.outpace(&["history", "show", id.as_str().unwrap()]);
    shown
        .expect(0)
        .says(&["6 blocks, 6 in all", "not_proven", "12 in all"]);
    // What was proven is measured anew.
    let third = gate(&play, &spin(200), &[]).json();
    assert_eq!(third["continues"], Value::Null);
}

#[test]
fn each_candidate_that_is_timed_for_a_branch_takes_an_index_whoever_gates_it() {
    let play = with_few_blocks(SETTINGS);
    gate(&play, &spin(399), &["--merge"]).expect(1);
    gate(&play, &spin(398), &["--merge"]).expect(1);
    let again = gate(&play, &spin(398), &["--merge"]);
    assert!(again.stderr.contains("goes on from"), "{}", again.stderr);
    // Nothing is to be merged: no index.
    gate(&play, &spin(397), &[]);
    let index = |value: &Value| value["test"]["index"].as_u64();
    let tests: Vec<Option<u64>> = records(&play, "test").iter().map(index).collect();
    assert_eq!(tests, [Some(1), Some(2), Some(2), None]);
    let research = ["research", "--agent", "tune", "--max-experiments", "1"];
    play.outpace(&research).expect(0);
    let tests: Vec<Option<u64>> = records(&play, "test").iter().map(index).collect();
    assert_eq!(
        tests.last(),
        Some(&Some(3)),
        "a campaign goes on in the same budget"
    );
    let attempts = records(&play, "attempt");
    assert_eq!(attempts[0]["tested"], 3);
    let verdicts = records(&play, "verdict");
    let needed = verdicts.last().unwrap()["threshold"].as_f64().unwrap();
    assert!((needed - 324.4).abs() < 1.0, "{needed}");
}

#[test]
fn a_killed_trial_keeps_its_index_and_is_not_gone_on_from() {
    let play = Playground::with_config(&spin(40_000), |config| {
        config.replace("timeout = \"3s\"", "timeout = \"30s\"")
    });
    let patch = play.patch("p.patch", "settings.toml", &spin(39_999));
    let args = [
        "gate",
        "--patch",
        patch.to_str().unwrap(),
        "--merge",
        "--progress",
        "json",
    ];
    let mut running = play.start(&args);
    let begun = std::time::Instant::now();
    while records(&play, "test").is_empty() {
        assert!(begun.elapsed().as_secs() < 120, "no trial began");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(records(&play, "test-result").is_empty());
    let mut running = play.start(&args);
    while records(&play, "test").len() < 2 {
        assert!(begun.elapsed().as_secs() < 240, "no second trial began");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    running.kill().unwrap();
    running.wait().unwrap();
    let tests = records(&play, "test");
    assert_eq!(tests[1]["test"]["index"], 2);
}
