//! The time-to-loss track on a program that learns eight symbols: what is faster, what is not, and
//! who cheats.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::campaign::signal;
use crate::playground::{Outcome, Playground, example, toy};

const SETTINGS: &str = "rate = 0.01\nspin = 1000\nbatch = 100\nmode = \"good\"\n";

const CONFIG: &str = r#"version = 1
[workload.learner]
track = "time-to-loss"
run = ["{learner}", "train", "settings.toml"]
text = ["{learner}", "text", "settings.toml"]
target_loss = 1.2
max_steps = 150
evaluate_every = 2
evaluate_tokens = 1024
timeout = "3s"
[policy]
editable = ["settings.toml"]
[gate]
pairs = 9
min_turn_ms = 1
max_blocks = 30
[[tunable]]
file = "settings.toml"
key = "rate"
from = 0.0025
to = 0.08
log = true
"#;

fn playground() -> Playground {
    let learner = example("learner").to_string_lossy().into_owned();
    let config = CONFIG.replace("{learner}", &learner);
    Playground::with_config(SETTINGS, |_| config)
}

fn gate(play: &Playground, settings: &str, more: &[&str]) -> Outcome {
    let patch = play.patch("p.patch", "settings.toml", settings);
    let arguments = ["gate", "--patch", patch.to_str().unwrap()];
    play.outpace(&[&arguments[..], more].concat())
}

#[test]
fn a_recipe_that_learns_sooner_is_merged_and_audited() {
    // Four times as fast: short steps are timed on a machine that does other things.
    let play = playground();
    let sooner = SETTINGS.replace("0.01", "0.04");
    let outcome = gate(&play, &sooner, &["--merge", "--title", "learn faster"]).expect(0);
    outcome.says(&[
        "seeds      learner: runs to 1.2 nats, fresh seeds",
        "FASTER",
        "1.2 nats in",
        "less time",
        "12 seeds",
        "merged",
        "into outpace/main",
    ]);
    let message = play.git(&["log", "-1", "--format=%B", "outpace/main"]);
    assert!(message.contains("Outpace-Proven: learner +"), "{message}");
    play.outpace(&["audit", "outpace/main"])
        .expect(0)
        .says(&["verified", "1 merge"]);
    let id = message
        .lines()
        .find_map(|line| line.strip_prefix("Outpace-Verdict: "));
    play.outpace(&["reproduce", id.unwrap()])
        .expect(0)
        .says(&["both bounds allow the same gain"]);
}

#[test]
fn a_rerun_goes_on_from_the_seeds_that_are_known() {
    let play = playground();
    let config = std::fs::read_to_string(play.path().join("outpace.toml")).unwrap();
    play.write(
        "outpace.toml",
        &config.replace("max_blocks = 30", "max_blocks = 6"),
    );
    play.commit("six seeds");
    let sooner = SETTINGS.replace("0.01", "0.04");
    // Six seeds give an e-value of 40 at most.
    gate(&play, &sooner, &[])
        .expect(1)
        .says(&["seeds exhausted"]);
    gate(&play, &sooner, &[])
        .expect(0)
        .says(&["goes on from 6 seeds of", "FASTER", "12 seeds"]);
}

#[test]
fn a_kill_loses_no_finished_seed() {
    let play = playground();
    let sooner = SETTINGS.replace("0.01", "0.04");
    let patch = play.patch("p.patch", "settings.toml", &sooner);
    let mut running = play.start(&["gate", "--patch", patch.to_str().unwrap()]);
    let kept = play.path().join(".git/outpace/unfinished");
    let begin = Instant::now();
    let is_whole = |path: &Path| path.extension().is_some_and(|e| e == "json");
    let whole = || kept.read_dir().into_iter().flatten().flatten();
    while !whole().any(|entry| is_whole(&entry.path())) {
        assert!(begin.elapsed() < Duration::from_secs(120), "no seed ended");
        std::thread::sleep(Duration::from_millis(1));
    }
    running.kill().unwrap();
    running.wait().unwrap();
    gate(&play, &sooner, &[])
        .expect(0)
        .says(&["goes on from", "seed", "of", "FASTER", "12 seeds"]);
    assert_eq!(kept.read_dir().unwrap().count(), 0);
}

#[test]
fn step_time_that_was_cut_off_is_measured_again() {
    let play = playground();
    let base = SETTINGS.replace("spin = 1000", "spin = 2000");
    play.write("settings.toml", &base);
    play.commit("steps of a few milliseconds");
    let settings = base.replace("0.01", "0.04").replace("2000", "3000");
    let patch = play.patch("p.patch", "settings.toml", &settings);
    let gate = ["gate", "--patch", patch.to_str().unwrap()];
    let mut running = play
        .command(&[&gate[..], &["--progress", "json"]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(running.stderr.take().unwrap()).lines();
    let mut until = |text: &str| {
        let found = lines.any(|line| line.unwrap().contains(text));
        assert!(found, "it never says {text}");
    };
    until("a step of the candidate takes longer");
    until("\"event\":\"block\"");
    signal(running.id(), "INT");
    lines.for_each(drop);
    assert_eq!(running.wait().unwrap().code(), Some(130));
    let verdict = play.outpace(&[&gate[..], &["--json"]].concat()).expect(0);
    let blocks = verdict.json()["blocks"].as_array().unwrap().len();
    assert!(blocks >= 12, "{blocks}");
}

#[test]
fn seeds_of_other_data_are_no_evidence() {
    let play = Playground::with_config(SETTINGS, |_| {
        let learner = example("learner").to_string_lossy().into_owned();
        let config = CONFIG.replace("{learner}", &learner);
        let config = config.replace("max_blocks = 30", "max_blocks = 6");
        config.replace("[policy]", "data = [\"corpus\"]\n[policy]")
    });
    play.write(".gitignore", "corpus\n");
    play.commit("data");
    let corpus = play.path().join("corpus");
    let sooner = SETTINGS.replace("0.01", "0.04");
    std::fs::write(&corpus, "one").unwrap();
    gate(&play, &sooner, &[]).expect(1);
    std::fs::write(&corpus, "two").unwrap();
    let other = gate(&play, &sooner, &["--json"]).expect(1);
    assert_eq!(other.json()["earlier_seeds"].as_u64().unwrap_or(0), 0);
    gate(&play, &sooner, &[])
        .expect(0)
        .says(&["goes on from 6 seeds of"]);
}

#[test]
fn a_recipe_and_a_kernel_each_win_on_their_own_track() {
    let play = playground();
    let config = std::fs::read_to_string(play.path().join("outpace.toml")).unwrap();
    let toy = format!(
        "reads = [\"settings.toml\"]\n[workload.toy]\nrun = [\"{toy}\", \"train\", \"toy.toml\"]\n\
         evaluate = [\"{toy}\", \"evaluate\", \"toy.toml\"]\nreads = [\"toy.toml\"]\n\
         timeout = \"3s\"\ncheck_steps = 8\n[policy]\n",
        toy = toy().display()
    );
    let config = config.replace("[policy]\n", &toy);
    play.write(
        "outpace.toml",
        &config.replace("[\"settings.toml\"]\n[gate]", "[\"*.toml\"]\n[gate]"),
    );
    play.write("toy.toml", crate::playground::SETTINGS);
    play.commit("a workload of each track");
    let both = |file: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(play.path().join(file)).unwrap();
        let patch = play.patch("p.patch", file, &text.replace(from, to));
        let patch = patch.to_str().unwrap();
        play.outpace(&["gate", "--patch", patch, "-w", "toy", "-w", "learner"])
            .expect(0)
    };
    let lines = |outcome: &Outcome| -> Vec<String> {
        let words = |line: &str| {
            line.split_whitespace()
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
        };
        outcome.stdout.lines().map(words).collect()
    };
    let recipe = both("settings.toml", "0.01", "0.04");
    assert_eq!(lines(&recipe), ["toy same", "learner FASTER"], "{recipe:?}");
    let kernel = both("toy.toml", "400", "250");
    assert_eq!(lines(&kernel), ["toy FASTER", "learner same"], "{kernel:?}");
}

#[test]
fn not_slower_is_for_the_other_track() {
    let play = playground();
    let more = ["--require", "not-slower"];
    gate(&play, &SETTINGS.replace("0.01", "0.04"), &more)
        .expect(2)
        .says(&["the time-to-loss track does not judge `not-slower`"]);
}

#[test]
fn a_proof_with_other_curves_does_not_pass_the_audit() {
    let play = playground();
    gate(&play, &SETTINGS.replace("0.01", "0.04"), &["--merge"]).expect(0);
    play.git(&["checkout", "-q", "outpace/main"]);
    let files = play.git(&["ls-files", "baselines/proofs"]);
    let text = std::fs::read_to_string(play.path().join(&files)).unwrap();
    let forged = text.replacen("\"target_loss\": 1.2", "\"target_loss\": 1.4", 1);
    assert_ne!(forged, text);
    play.write(&files, &forged);
    play.git(&["add", "-A"]);
    play.git(&["commit", "-q", "--amend", "--no-edit"]);
    play.outpace(&["audit", "HEAD"]).expect(4);
}

#[test]
#[ignore = "long: ci/nightly.sh"]
fn what_it_learns_later_and_what_its_steps_cost_are_weighed() {
    let play = playground();
    let verdict = |settings: &str| {
        let outcome = gate(&play, settings, &["--json"]);
        let json = outcome.json();
        let kind = json[0]["verdict"].as_str().or(json["verdict"].as_str());
        (outcome.code, kind.unwrap_or_default().to_owned())
    };
    let later = SETTINGS.replace("0.01", "0.005");
    assert_eq!(verdict(&later), (3, "slower".to_owned()));
    // Better at the same number of steps, each of which takes three times as long.
    let dearer = SETTINGS
        .replace("0.01", "0.015")
        .replace("spin = 1000", "spin = 3000");
    assert_ne!(verdict(&dearer).0, 0);
    // So much better that steps which take longer pay. Turns outlast what a busy machine does in
    // between: that steps of microseconds take no three times as long is hard to prove.
    let config = std::fs::read_to_string(play.path().join("outpace.toml")).unwrap();
    play.write(
        "outpace.toml",
        &config.replace("min_turn_ms = 1", "min_turn_ms = 5"),
    );
    play.commit("longer turns");
    let larger = SETTINGS
        .replace("0.01", "0.04")
        .replace("spin = 1000", "spin = 1500");
    let outcome = gate(&play, &larger, &[]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
}

#[test]
fn a_cheat_is_named() {
    let play = playground();
    for (mode, says) in [
        (
            "unnormalised",
            "are no probabilities: those of one position sum to",
        ),
        ("changes_its_mind", "change after they were made"),
        (
            "within_tolerance",
            "are better when they are made than when they are opened",
        ),
        ("peeks", "depend on what comes later"),
        ("knows_too_much", "and the text an entropy of"),
        ("nan", "have NaN, which is no logarithm of a probability"),
        (
            "positive",
            "have 0.5, which is no logarithm of a probability",
        ),
        ("short", "the workload returned"),
        (
            "memorises",
            "in a process that went on from a checkpoint and had not seen the text",
        ),
        (
            "never_again",
            "the base can be asked again from its checkpoints",
        ),
        ("silent", "no answer to `predict` within 3 s"),
        ("mute", "`predict` is not in `can` of its `hello`"),
    ] {
        let settings = SETTINGS.replace("good", mode).replace("0.01", "0.015");
        let outcome = gate(&play, &settings, &[]);
        assert_eq!(outcome.code, 4, "{mode}: {outcome:?}");
        outcome.says(&[says]);
    }
}

#[test]
fn steps_that_become_slower_later_are_seen() {
    let play = playground();
    // Blocks take few steps, a run to the loss 40: what the blocks say of a step would not hold.
    let settings = SETTINGS
        .replace("good", "slows_down")
        .replace("0.01", "0.012");
    let settings = settings.replace("spin = 1000", "spin = 2000");
    let outcome = gate(&play, &settings, &[]);
    assert_ne!(outcome.code, 0, "{outcome:?}");
}

#[test]
#[ignore = "long: ci/nightly.sh"]
fn what_is_trained_where_no_step_is_counted_is_no_gain() {
    let play = playground();
    // Long beside the start of a process, which takes its time on a busy machine.
    let settings = SETTINGS.replace("spin = 1000", "spin = 8000");
    play.write("settings.toml", &settings);
    play.commit("steps of ten milliseconds");
    for mode in ["trains_when_asked", "trains_first"] {
        let outcome = gate(&play, &settings.replace("good", mode), &["--json"]);
        let checks = &outcome.json()["checks"];
        assert_eq!(outcome.code, 4, "{mode}: {checks}");
        outcome.says(&["outside of its steps (start, checkpoints, answers)"]);
    }
}

#[test]
fn tune_finds_a_better_recipe() {
    let play = playground();
    let arguments = ["research", "--agent", "tune", "--max-experiments", "3"];
    play.outpace(&[&arguments[..], &["--into", "outpace/main"]].concat())
        .expect(0)
        .says(&["rate 0.01 -> 0.02", "merged", "less time since the start"]);
    play.outpace(&["audit", "outpace/main"]).expect(0);
}
