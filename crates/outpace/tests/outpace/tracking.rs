//! Every commit: backfill, regressions, bisection, the history of a team, the nightly page.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::campaign::signal;
use crate::playground::{Playground, SETTINGS, git_in, outpace_in};

/// The first commit of the planted slowdown, of 14.
const SLOW_FROM: usize = 8;

/// A branch of 14 commits; one makes training slower, one cannot run.
fn branch() -> (Playground, Vec<String>) {
    // Turns that outlast what a busy machine does in between.
    let longer = |config: &str| config.replace("min_turn_ms = 1", "min_turn_ms = 3");
    let play = Playground::with_config(SETTINGS, longer);
    let mut commits = Vec::new();
    for n in 1..=14 {
        let spin = if n < SLOW_FROM { 400 } else { 560 };
        let text = format!("spin = {spin}\nrate = 0.01\nmode = \"good\"\n# {n}\n");
        play.write("settings.toml", &text);
        if n == 4 {
            std::fs::remove_file(play.path().join("settings.toml")).unwrap();
        }
        commits.push(play.commit(&format!("commit {n}")));
    }
    (play, commits)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// How often each commit has a run.
fn runs(play: &Playground) -> BTreeMap<String, usize> {
    let all = play
        .outpace(&["history", "export", "--kind", "run"])
        .expect(0);
    let mut runs = BTreeMap::new();
    for run in lines(&all.stdout) {
        *runs
            .entry(run["commit"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    runs
}

#[test]
fn a_slowdown_is_found_proven_named_and_accepted() {
    let (play, commits) = branch();
    let before = play.user_state();
    let range = format!("{}~1..HEAD", commits[0]);
    let told = play.outpace(&["bench", &range, "--blocks", "8"]).expect(0);
    let told = told.says(&["13 measured", "1 failed and passed over", "outpace.toml of"]);
    assert_eq!(told.stdout.lines().count(), 13, "{}", told.stdout);
    // Again: nothing is measured twice, and the failure is passed over until it is asked for.
    let again = play.outpace(&["bench", &range]).expect(0);
    again.says(&["13 in the history already", "1 failed before"]);
    play.outpace(&["bench", &range, "--missing"])
        .expect(0)
        .says(&["1 failed and passed over"]);
    assert!(runs(&play).values().all(|n| *n == 1));
    assert_eq!(play.user_state(), before);

    let found = play.outpace(&["regressions", "--json"]).expect(3).json();
    let slow = &commits[SLOW_FROM - 1];
    assert_eq!(found["alarms"], 1, "{found}");
    let changes = found["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{found}");
    assert_eq!(changes[0]["named"], **slow);
    assert!(changes[0]["speedup"].as_f64().unwrap() < -0.1, "{found}");

    let named = play
        .outpace(&["bisect", &commits[0], "HEAD", "--json"])
        .expect(0)
        .json();
    assert_eq!(named["found"], serde_json::json!([slow]), "{named}");
    assert!(named["confirmed"].as_f64().unwrap() < -0.1);

    play.outpace(&["regressions", "--bless", slow, "--reason", "worth it"])
        .expect(0);
    let accepted = play
        .outpace(&["regressions", "--known", "--json"])
        .expect(0)
        .json();
    assert_eq!(accepted["changes"][0]["standing"], "accepted");
    play.outpace(&["regressions", "--unbless", slow]).expect(0);
    play.outpace(&["regressions", "--known"])
        .expect(3)
        .says(&["REGRESSION", "--bless"]);
    let since = ["regressions", "--known", "--since", slow];
    play.outpace(&since).expect(0).says(&["0 changes"]);

    let site = play.path().join(".git/site");
    play.outpace(&["report", "--nightly", "--out", site.to_str().unwrap()])
        .expect(0);
    let page = std::fs::read_to_string(site.join("index.html")).unwrap();
    assert!(
        page.contains("regression") && page.contains(&slow[..9]),
        "{page}"
    );
}

#[test]
fn a_commit_that_was_not_measured_is_named_and_accepted() {
    let (play, commits) = branch();
    // The commit before the slowdown is passed over.
    let skipped = &commits[SLOW_FROM - 2];
    for range in [
        format!("{}~1..{skipped}~1", commits[0]),
        format!("{skipped}..HEAD"),
    ] {
        play.outpace(&["bench", &range, "--blocks", "8"]).expect(0);
    }
    let found = play.outpace(&["regressions", "--json"]).expect(3).json();
    let change = &found["changes"][0];
    let lies_between = (change["n_commits"].as_u64(), &change["named"]);
    match lies_between {
        (Some(2), Value::Null) => {}
        other => panic!("{other:?} in {found}"),
    }
    play.outpace(&["regressions", "--bless", skipped]).expect(0);
    play.outpace(&["regressions", "--known"])
        .expect(0)
        .says(&["accepted"]);
}

#[test]
fn what_is_not_slower_is_searched_nowhere() {
    let (play, commits) = branch();
    let args = ["bisect", &commits[0], &commits[5]];
    play.outpace(&args)
        .expect(1)
        .says(&["no slowdown of 1 % is proven"]);
    play.outpace(&["bisect", "HEAD", &commits[0]])
        .expect(2)
        .says(&["not in the history of"]);
    play.outpace(&["bisect", "HEAD", "HEAD"]).expect(2);
}

#[test]
fn kills_lose_nothing_and_nothing_is_measured_twice() {
    let (play, commits) = branch();
    let range = format!("{}~1..HEAD", commits[0]);
    let mut done: BTreeMap<String, usize> = BTreeMap::new();
    for round in 0..10_u64 {
        let mut child = play.start(&["bench", &range, "--blocks", "5"]);
        std::thread::sleep(Duration::from_millis(200 + 337 * round % 1900));
        signal(child.id(), "KILL");
        child.wait().unwrap();
        let now = runs(&play);
        assert!(
            done.keys().all(|commit| now.contains_key(commit)),
            "{done:?} {now:?}"
        );
        done = now;
    }
    play.outpace(&["bench", &range, "--blocks", "5"]).expect(0);
    let all = runs(&play);
    assert_eq!(all.len(), 13);
    assert!(all.values().all(|n| *n == 1), "{all:?}");
    let out = play.git(&["fsck", "--strict", "--no-dangling"]);
    assert_eq!(out, "");
}

#[test]
fn an_anchor_that_fails_is_replaced_by_a_measured_bridge() {
    let play = Playground::new(SETTINGS);
    play.write("other.toml", SETTINGS);
    play.write("settings.toml", &SETTINGS.replace("400", "300"));
    let both = play.commit("both settings");
    play.outpace(&["bench", "HEAD~1..HEAD", "--anchor", "HEAD~1"])
        .expect(0);
    let config = std::fs::read_to_string(play.path().join("outpace.toml")).unwrap();
    play.write(
        "outpace.toml",
        &config.replace("settings.toml", "other.toml"),
    );
    play.git(&["rm", "-q", "settings.toml"]);
    play.commit("only the other one");
    let run = play.outpace(&["bench", "--json"]).expect(0);
    let run = run
        .says(&["does not run any more", "measuring beside"])
        .json();
    let beside = &run["beside"];
    assert_eq!(beside["anchor"], *both);
    let bridge = beside["bridge"]["log_ratio"].as_f64().unwrap();
    assert!(
        bridge > 0.05,
        "the second commit is faster than the first: {bridge}"
    );
    let known = play
        .outpace(&["history", "export", "--format", "csv"])
        .expect(0);
    assert_eq!(known.stdout.lines().count(), 3);
}

#[test]
fn history_from_before_outpace_toml_is_measured_with_a_config_from_elsewhere() {
    let play = Playground::new(SETTINGS);
    let config = std::fs::read_to_string(play.path().join("outpace.toml")).unwrap();
    play.git(&["rm", "-q", "outpace.toml"]);
    play.write("settings.toml", &format!("{SETTINGS}# a\n"));
    play.git(&["add", "-A"]);
    play.git(&["commit", "-q", "--amend", "-m", "before outpace"]);
    play.write("settings.toml", &format!("{SETTINGS}# b\n"));
    play.commit("still before");
    play.outpace(&["bench", "HEAD"])
        .expect(2)
        .says(&["has no outpace.toml"]);
    let file = play.path().join(".git/elsewhere.toml");
    std::fs::write(&file, &config).unwrap();
    let args = ["bench", "HEAD~1..HEAD", "--config", file.to_str().unwrap()];
    play.outpace(&args)
        .expect(0)
        .says(&["1 measured", "elsewhere.toml"]);
    play.write("outpace.toml", &config);
    play.commit("begin with outpace");
    play.outpace(&["bench", "HEAD~2..HEAD"])
        .expect(0)
        .says(&["1 in the history already"]);
    play.outpace(&["bench", "--config", "nowhere"])
        .expect(2)
        .says(&["neither a file nor"]);
}

#[test]
fn a_team_shares_its_history() {
    let play = Playground::new(SETTINGS);
    play.outpace(&["bench", "--blocks", "2"]).expect(0);
    let bare = play.path().join(".git/team.git");
    play.git(&["init", "-q", "--bare", bare.to_str().unwrap()]);
    play.git(&["remote", "add", "origin", bare.to_str().unwrap()]);
    play.git(&["push", "-q", "origin", "main"]);
    play.outpace(&["history", "push"])
        .expect(0)
        .says(&["has all 1 record now"]);
    let clone = play.path().join(".git/clone");
    play.git(&[
        "clone",
        "-q",
        "-b",
        "main",
        bare.to_str().unwrap(),
        clone.to_str().unwrap(),
    ]);
    outpace_in(&clone, &["history", "pull"])
        .expect(0)
        .says(&["1 new record"]);
    let csv = outpace_in(&clone, &["history", "export", "--format", "csv"]).expect(0);
    assert_eq!(csv.stdout.lines().count(), 2, "{}", csv.stdout);
    let parquet = clone.join("runs.parquet");
    let args = [
        "history",
        "export",
        "--format",
        "parquet",
        "--out",
        parquet.to_str().unwrap(),
    ];
    outpace_in(&clone, &args).expect(0);
    let bytes = std::fs::read(&parquet).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    // An export that is imported gives the same records again.
    let lines = outpace_in(&clone, &["history", "export"]).expect(0).stdout;
    let file = clone.join("all.jsonl");
    std::fs::write(&file, lines).unwrap();
    let import = ["history", "import", file.to_str().unwrap()];
    outpace_in(&clone, &import)
        .expect(0)
        .says(&["0 of them new"]);
    play.git(&["update-ref", "-d", "refs/outpace/history"]);
    play.outpace(&import).expect(0).says(&["1 of them new"]);
    assert_eq!(git_in(&clone, &["fsck", "--strict", "--no-dangling"]), "");
    play.outpace(&["history", "pull", "nowhere"])
        .expect(5)
        .says(&["nowhere"]);
}

/// Figures of another tool, a line each.
fn figures(n: usize) -> String {
    let line = |n: usize| {
        serde_json::json!({
            "schema": "outpace.imported/1", "tool": "t", "series": format!("s{n}"), "value": 1.0,
            "unit": "s", "smaller_is_better": true, "finished": "2026-03-01T00:00:00Z",
        })
    };
    let lines: Vec<String> = (0..n).map(|n| line(n).to_string()).collect();
    lines.join("\n")
}

#[test]
fn a_push_and_a_pull_that_are_killed_leave_nothing_half_written() {
    const RECORDS: usize = 400;
    let play = Playground::new(SETTINGS);
    play.write("figures.jsonl", &figures(RECORDS));
    play.outpace(&["history", "import", "figures.jsonl"])
        .expect(0);
    let bare = play.path().join(".git/team.git");
    play.git(&["init", "-q", "--bare", bare.to_str().unwrap()]);
    play.git(&["remote", "add", "origin", bare.to_str().unwrap()]);
    let clone = Playground::new(SETTINGS);
    clone.git(&["remote", "add", "origin", bare.to_str().unwrap()]);
    for (play, verb) in [(&play, "push"), (&clone, "pull")] {
        for round in 0..10_u64 {
            let mut child = play.start(&["history", verb]);
            std::thread::sleep(Duration::from_millis(3 + round * 7));
            signal(child.id(), "KILL");
            child.wait().unwrap();
            assert_eq!(git_in(&bare, &["fsck", "--strict", "--no-dangling"]), "");
        }
        // git's own lock of a killed push is left to it; a second try passes.
        play.outpace(&["history", verb]).expect(0);
        let all = play.outpace(&["history", "list", "--json"]).expect(0);
        assert_eq!(all.stdout.lines().count(), RECORDS, "after {verb}");
        assert_eq!(play.git(&["fsck", "--strict", "--no-dangling"]), "");
    }
}

#[test]
fn results_of_another_tool_are_searched_for_changes() {
    let play = Playground::new(SETTINGS);
    let level = |n: usize| if n < 15 { 1.0 } else { 1.2 };
    let line = |n: usize| {
        let wobble = [0.0, 0.004, -0.003, 0.002, -0.004][n % 5];
        serde_json::json!({
            "schema": "outpace.imported/1", "tool": "hyperfine", "series": "sort",
            "value": level(n) + wobble, "unit": "s", "smaller_is_better": true,
            "finished": format!("2026-03-{:02}T00:00:00Z", n + 1),
        })
        .to_string()
    };
    let text: Vec<String> = (0..28).map(line).collect();
    play.write("figures.jsonl", &text.join("\n"));
    play.outpace(&["history", "import", "figures.jsonl"])
        .expect(0)
        .says(&["28 of them new"]);
    // Found; with another tool's figures nothing can be proven, so it is no alarm.
    let found = play
        .outpace(&["regressions", "--known", "--json"])
        .expect(0)
        .json();
    let change = &found["changes"][0];
    assert_eq!(
        (&change["standing"], &found["alarms"]),
        (&"found".into(), &0.into())
    );
    assert!(
        (change["found"].as_f64().unwrap() + 1.0 / 6.0).abs() < 0.01,
        "{found}"
    );
    play.write("negative.jsonl", &text[0].replace("1.0", "-1.0"));
    play.outpace(&["history", "import", "negative.jsonl"])
        .expect(2)
        .says(&["negative.jsonl, line 1", "`value` is -1"]);
    play.write("broken.json", "{\"results\": [{\"command\": 5}]}");
    play.outpace(&["history", "import", "broken.json"])
        .expect(2)
        .says(&["broken.json"]);
}

#[test]
fn a_change_that_is_not_about_speed_has_to_be_not_slower() {
    let play = Playground::new(SETTINGS);
    let text = SETTINGS.replace("rate = 0.01", "rate = 0.010");
    let patch = play.patch("same.patch", "settings.toml", &text);
    let patch = patch.to_str().unwrap();
    let summary = play.path().join(".git/summary.md");
    std::fs::write(&summary, "before\n").unwrap();
    let args = |margin: &'static str| {
        vec![
            "gate",
            "--patch",
            patch,
            "--require",
            "not-slower",
            "--margin",
            margin,
        ]
    };
    let mut all = args("0.9");
    all.extend(["--json", "--summary", summary.to_str().unwrap()]);
    let verdict = play.outpace(&all).expect(0).json();
    assert_eq!(verdict["verdict"], "not_slower", "{verdict}");
    assert_eq!(verdict["margin"], 0.9);
    let text = std::fs::read_to_string(&summary).unwrap();
    assert!(
        text.starts_with("before\n") && text.contains("not slower"),
        "{text}"
    );
    let slower = play.patch(
        "slow.patch",
        "settings.toml",
        &SETTINGS.replace("400", "700"),
    );
    let slow = [
        "gate",
        "--patch",
        slower.to_str().unwrap(),
        "--require",
        "not-slower",
    ];
    play.outpace(&slow).expect(3);
    let merge = [&slow[..], &["--merge"]].concat();
    play.outpace(&merge)
        .expect(2)
        .says(&["--merge merges what is proven faster"]);
    let mut bad = args("7");
    bad.push("--json");
    play.outpace(&bad).expect(2).says(&["above 0 and below 1"]);
}

#[test]
fn a_recorded_trial_is_measured_again_and_a_stale_baseline_refuses() {
    let play = Playground::new(SETTINGS);
    let patch = play.patch(
        "fast.patch",
        "settings.toml",
        &SETTINGS.replace("400", "250"),
    );
    let patch = patch.to_str().unwrap();
    play.outpace(&["gate", "--patch", patch, "--merge"])
        .expect(0);
    play.git(&["merge", "-q", "--ff-only", "outpace/main"]);
    let entry = play
        .outpace(&["history", "list", "--kind", "verdict", "--json"])
        .expect(0);
    let id = lines(&entry.stdout)[0]["id"].as_str().unwrap().to_owned();
    let again = play
        .outpace(&["reproduce", &id[..12], "--json"])
        .expect(0)
        .json();
    assert_eq!(again["agrees"], true, "{again}");
    let proofs = play.git(&["ls-files", "baselines/proofs"]);
    play.outpace(&["reproduce", &proofs])
        .expect(0)
        .says(&["AGREES"]);
    play.outpace(&["reproduce", "ffffffff"])
        .expect(2)
        .says(&["no verdict has an id"]);

    let check = play
        .outpace(&["baseline", "check", "--json"])
        .expect(0)
        .json();
    assert_eq!(check["holds"], true, "{check}");
    play.outpace(&["baseline", "accept"])
        .expect(0)
        .says(&["holds, or is accepted already"]);
    // The same check with another result, as a machine gives that has changed.
    let mut stale = check;
    stale["holds"] = false.into();
    stale["finished"] = "2099-01-01T00:00:00Z".into();
    let file = play.path().join(".git/stale.jsonl");
    std::fs::write(&file, stale.to_string()).unwrap();
    play.outpace(&["history", "import", file.to_str().unwrap()])
        .expect(0);
    let slower = play.patch("p", "settings.toml", &SETTINGS.replace("400", "260"));
    let gate = ["gate", "--patch", slower.to_str().unwrap()];
    play.outpace(&gate)
        .expect(5)
        .says(&["stale", "outpace baseline accept"]);
}
