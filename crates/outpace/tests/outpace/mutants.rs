//! Rules that no other test of the command needs: a gate that has lost one of them fails here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::playground::{OUT_OF_THE_BOX, Outcome, Playground, SETTINGS};

fn gate(play: &Playground, settings: &str, more: &[&str]) -> Outcome {
    let patch = play.patch("p.patch", "settings.toml", settings);
    let args = ["gate", "--patch", patch.to_str().unwrap()];
    play.outpace(&[&args[..], more].concat())
}

fn names(verdict: &Value) -> Vec<&str> {
    let checks = verdict["checks"].as_array().unwrap();
    checks.iter().map(|c| c["name"].as_str().unwrap()).collect()
}

fn check<'a>(verdict: &'a Value, name: &str) -> Option<&'a Value> {
    let mut checks = verdict["checks"].as_array().unwrap().iter();
    checks.find(|check| check["name"] == name)
}

/// Whether the most that the machine of this verdict can do is known: with a GPU or with matrix
/// units it is not.
fn peak_is_known(verdict: &Value) -> bool {
    let machine = &verdict["machine"];
    let simd = machine["simd"].as_array().unwrap();
    let has = |name: &str| simd.contains(&name.into());
    let has_gpus = machine["gpus"].as_array().is_some_and(|g| !g.is_empty());
    let is_measured = has("avx2") && has("fma") && !cfg!(debug_assertions);
    is_measured && machine["arch"] == "x86_64" && !has("amx_tile") && !has_gpus
}

#[test]
fn a_proven_verdict_has_every_check_and_more_arithmetic_than_the_machine_does_is_refused() {
    let slow = SETTINGS.replace("spin = 400", "spin = 4000");
    let fast = SETTINGS.replace("spin = 400", "spin = 200");
    let play = Playground::new(&slow);
    let verdict = gate(&play, &fast, &["--json"]).expect(0).json();
    let of_all = [
        "losses",
        "parameters",
        "validation",
        "entropy floor",
        "probabilities",
        "causality",
        "whole run",
        "tokens",
        "timed losses",
        "sums",
        "isolated losses",
        "isolated parameters",
        "isolated validation",
        "isolated entropy floor",
        "isolated probabilities",
        "isolated causality",
        "alone",
    ];
    let plausible = check(&verdict, "plausible");
    assert_eq!(plausible.is_some(), peak_is_known(&verdict), "{verdict}");
    let expected = of_all.into_iter().chain(plausible.map(|_| "plausible"));
    assert_eq!(names(&verdict), expected.collect::<Vec<_>>());

    // The base claims half of what the machine can do; the candidate is many times as fast.
    if let Some(plausible) = plausible {
        let limit = plausible["allowed"].as_f64().unwrap();
        let tokens_per_s = verdict["tokens_per_s"]["base"].as_f64().unwrap();
        let flops = format!("flops = {}\n", 0.5 * limit / tokens_per_s);
        play.write("settings.toml", &format!("{slow}{flops}"));
        play.commit("claim more");
        let verdict = gate(&play, &format!("{fast}{flops}"), &["--json"]);
        let verdict = verdict.expect(4).json();
        assert_eq!(check(&verdict, "plausible").unwrap()["passed"], false);
    }
}

#[test]
fn a_candidate_saves_its_checkpoint_as_the_base_does() {
    let play = Playground::new(SETTINGS);
    let settings = SETTINGS.replace("good", "no_save");
    let verdict = gate(&play, &settings, &["--json"]).expect(4).json();
    let checkpoint = check(&verdict, "checkpoint").unwrap();
    assert_eq!(checkpoint["passed"], false, "{verdict}");
}

#[test]
fn tolerance_that_earlier_changes_used_up_is_counted_from_the_anchor() {
    // Each change moves the losses by four fifths of what one patch may move them.
    let settings = |spin: u32, changes: u32| {
        let scale = 1.0 + f64::from(changes) * 7.6e-7;
        format!("# settings of the toy\nspin = {spin}\nscale = {scale}\nmode = \"good\"\n")
    };
    let play = Playground::new(&settings(400, 0));
    gate(&play, &settings(200, 1), &["--merge"])
        .expect(0)
        .says(&["merged"]);
    play.git(&["merge", "-q", "--ff-only", "outpace/main"]);
    play.write("settings.toml", &settings(200, 2));
    play.commit("by hand");
    let verdict = gate(&play, &settings(100, 3), &["--json"]).expect(4).json();
    assert_eq!(check(&verdict, "losses").unwrap()["passed"], true);
    assert_eq!(check(&verdict, "anchor").unwrap()["passed"], false);
    let reason = verdict["reason"].as_str().unwrap();
    assert!(reason.contains("from the anchor's"), "{reason}");
}

#[test]
fn of_several_workloads_each_needs_as_many_times_the_evidence_and_none_is_screened() {
    let other = "[workload.other]\nrun = [\"{toy}\", \"train\", \"other.toml\"]\n\
                 reads = [\"other.toml\"]\ntimeout = \"3s\"\ncheck_steps = 8\n";
    let play = Playground::with_config(SETTINGS, |config| format!("{config}{other}"));
    play.write("other.toml", SETTINGS);
    let base = play.commit("another workload");
    let patch = play.patch("p.patch", "settings.toml", &SETTINGS.replace("400", "100"));
    play.git(&["apply", patch.to_str().unwrap()]);
    play.git(&["add", "settings.toml"]);
    let request = json!({
        "schema": "outpace.request/1",
        "base": base,
        "tree": play.git(&["write-tree"]),
        "patch": std::fs::read_to_string(&patch).unwrap(),
        "workloads": ["toy", "other"],
        "rule": {
            "min_speedup": 0.005,
            "alpha": 0.01,
            "threshold": 250.0,
            "screen": true,
            "max_blocks": 40,
        },
        "seed": 1,
    });
    play.write(".git/request.json", &request.to_string());
    let outcome = play
        .outpace(&["gate", "--request", ".git/request.json", "--json"])
        .expect(0);
    let lines = outcome.stdout.lines();
    let verdicts: Vec<Value> = lines.map(|l| serde_json::from_str(l).unwrap()).collect();
    let said = |key: &str| verdicts.iter().map(|v| v[key].clone()).collect::<Vec<_>>();
    assert_eq!(said("verdict"), ["faster", "same"]);
    assert_eq!(said("threshold"), [500.0, 500.0]);
    assert_eq!(said("screen"), [false, false]);
    let log_e = verdicts[0]["log_e"].as_f64().unwrap();
    assert!(log_e >= 500.0_f64.ln(), "the trial went on until then");
}

/// Paths of everything below a directory.
fn all_below(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let below = entries.flat_map(|entry| {
        let path = entry.path();
        let is_dir = entry.file_type().unwrap().is_dir();
        let mut found = if is_dir { all_below(&path) } else { Vec::new() };
        found.push(path);
        found
    });
    below.collect()
}

#[test]
fn nothing_of_a_candidates_target_folder_but_its_named_artefacts_outlives_its_build() {
    // Each build tells what it finds in its target folder, below `.git`, and leaves two files
    // there.
    let script = "set -e; cd \"$OUTPACE_TARGET\"; spin=$(sed -n \"s/^spin = //p\" \"$OUTPACE_TREE/settings.toml\"); \
         echo $spin: $(find . -type f | sort) >> ../../../../found; \
         mkdir -p hidden/.deep; touch left-by-$spin hidden/.deep/left-by-$spin; \
         cp \"$OUTPACE_TREE/settings.toml\" artefact; test $spin != 111";
    let play = Playground::with_config(SETTINGS, |config| {
        let build = format!("[workload.toy]\nbuild = [\"sh\", \"-c\", '{script}']\n");
        config.replace("[workload.toy]\n", &build).replace(
            "\"settings.toml\"]\nevaluate",
            "\"{target}/artefact\"]\nevaluate",
        )
    });
    // Another model, so that the trial is not waited for.
    let other_model = |spin: &str| {
        let settings = SETTINGS.replace("400", spin);
        gate(&play, &settings.replace("0.01", "0.02"), &[OUT_OF_THE_BOX]).expect(4)
    };
    other_model("300").says(&["loss differs"]);
    other_model("111").says(&["does not build"]);
    other_model("200").says(&["loss differs"]);
    let found = std::fs::read_to_string(play.path().join(".git/found")).unwrap();
    let of_base = "./hidden/.deep/left-by-400 ./left-by-400";
    // A base begins from the cache of the base before it, a candidate from that of its base.
    let again = format!("400: {of_base}\n");
    let expected = ["300", "111", "200"].map(|spin| format!("{spin}: {of_base}\n"));
    let [a, b, c] = &expected;
    assert_eq!(found, format!("400:\n{a}{again}{b}{again}{c}"));
    let left: BTreeSet<String> = all_below(&play.path().join(".git/outpace"))
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("left-by-"))
        .collect();
    assert_eq!(left, BTreeSet::from(["left-by-400".to_owned()]));
}
