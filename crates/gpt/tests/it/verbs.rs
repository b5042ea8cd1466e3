//! The verbs by hand.

use crate::support::{Place, TINY};
use serde_json::Value;

/// Validation of a small sample scatters by about 1 / sqrt(tokens); five times that is no accident.
fn sampling_error(tokens: f64) -> f64 {
    5.0 / tokens.sqrt()
}

fn evaluation(place: &Place, arguments: &str) -> Value {
    serde_json::from_str(&place.succeed("evaluate", arguments)).unwrap()
}

#[test]
fn training_learns_towards_the_entropy_floor_and_never_below() {
    let place = Place::new();
    let summary = place.succeed("train", "--steps 1 --save untrained");
    assert!(
        summary.contains("tokens/s") && summary.contains("GFLOP/s"),
        "{summary}"
    );
    place.succeed("train", "--steps 400 --save trained");
    let evaluate = |name| {
        evaluation(
            &place,
            &format!("--checkpoint {name} --data-seed 5 --tokens 16384"),
        )
    };
    let (untrained, trained) = (evaluate("untrained"), evaluate("trained"));
    let loss = |e: &Value| e["loss"].as_f64().unwrap();
    let floor = trained["entropy_floor"].as_f64().unwrap();
    assert!((loss(&untrained) - 32f64.ln()).abs() < 0.1, "{untrained}");
    assert!(
        loss(&trained) < floor + 0.35 * (loss(&untrained) - floor),
        "{trained}"
    );
    assert!(
        loss(&trained) > floor - sampling_error(16384.0),
        "{trained}"
    );
    let bits = trained["bits_per_byte"].as_f64().unwrap();
    assert!((bits * std::f64::consts::LN_2 - loss(&trained)).abs() < 1e-12);
    assert_eq!(trained["tokens"], 16384);
    assert!(
        trained["probability_sum_error"].as_f64().unwrap() < 1e-5,
        "{trained}"
    );
    assert_eq!(trained["causality_error"], 0.0);
    assert_ne!(
        loss(&trained),
        loss(&evaluation(
            &place,
            "--checkpoint trained --data-seed 6 --tokens 16384"
        ))
    );
}

#[test]
fn a_run_by_hand_can_be_resumed() {
    let place = Place::new();
    place.succeed("train", "--steps 4 --save whole");
    place.succeed("train", "--steps 2 --save half");
    place.succeed("train", "--steps 2 --checkpoint half --save resumed");
    let read = |name| std::fs::read(place.path(name)).unwrap();
    assert!(read("whole") == read("resumed"));
}

#[test]
fn what_is_exported_is_what_a_run_begins_from() {
    let place = Place::new();
    let seeds = "--model-seed 3 --data-seed 4";
    place.succeed("export", &format!("{seeds} --steps 2 --out start"));
    place.succeed("train", &format!("{seeds} --steps 0 --save untrained"));
    let read = |name| std::fs::read(place.path(name)).unwrap();
    let (start, untrained) = (read("start"), read("untrained"));
    let (start, untrained) = (
        safetensors::SafeTensors::deserialize(&start).unwrap(),
        safetensors::SafeTensors::deserialize(&untrained).unwrap(),
    );
    let weights: Vec<String> = start.names().into_iter().map(ToString::to_string).collect();
    for name in weights.iter().filter(|name| !name.starts_with("batches.")) {
        let (ours, theirs) = (start.tensor(name).unwrap(), untrained.tensor(name).unwrap());
        assert_eq!(
            (ours.shape(), ours.data()),
            (theirs.shape(), theirs.data()),
            "{name}"
        );
    }
    assert!(weights.len() > 10);
    let (inputs, targets) = (
        start.tensor("batches.inputs").unwrap(),
        start.tensor("batches.targets").unwrap(),
    );
    assert_eq!(inputs.shape(), [2, 64]);
    // Targets are the inputs moved by one token.
    assert_eq!(inputs.data()[4..64], targets.data()[..60]);
}

#[test]
fn text_is_learnt_and_spoken() {
    let place = Place::with_config(&TINY.replace("symbols = 32", "symbols = 256"));
    place.write("text", "abcdefghij\n".repeat(200));
    place.succeed("train", "--steps 150 --data text --save trained");
    let result = evaluation(
        &place,
        "--checkpoint trained --data text --data-seed 1 --tokens 1024",
    );
    assert!(result["entropy_floor"].is_null());
    assert!(result["loss"].as_f64().unwrap() < 0.5, "{result}");
    let sample = "--checkpoint trained --data text --prompt abc --length 12 --temperature 0";
    assert_eq!(place.succeed("sample", sample), "abcdefghij\nabcd\n");
}

#[test]
fn samples_of_the_language_repeat_with_their_seed() {
    let place = Place::new();
    place.succeed("train", "--steps 5 --save trained");
    let sample = |seed| {
        place.succeed(
            "sample",
            &format!(
                "--checkpoint trained --length 30 --prompt {} --seed {seed}",
                '\u{1}'
            ),
        )
    };
    assert_eq!(sample(1), sample(1));
    assert_ne!(sample(1), sample(2));
    assert_eq!(sample(1).split_whitespace().count(), 31);
}

#[test]
fn the_profile_adds_up() {
    let place = Place::new();
    let profile: Value = serde_json::from_str(&place.succeed("profile", "--steps 3")).unwrap();
    assert_eq!(profile["schema"], "outpace.profile/1");
    let operations = profile["operations"].as_array().unwrap();
    let share: f64 = operations
        .iter()
        .map(|o| o["share"].as_f64().unwrap())
        .sum();
    assert!((share - 1.0).abs() < 1e-9, "{share}");
    for name in [
        "adamw",
        "attention.backward",
        "attention.forward",
        "cross_entropy.backward",
        "cross_entropy.forward",
        "embedding.backward",
        "embedding.forward",
        "linear.backward",
        "linear.forward",
        "other",
        "relu_squared.backward",
        "relu_squared.forward",
        "rms_norm.backward",
        "rms_norm.forward",
    ] {
        assert!(operations.iter().any(|o| o["name"] == name), "{name}");
    }
}

#[test]
fn info_counts() {
    let text = Place::new().succeed("info", "");
    for line in [
        "parameters        7248",
        "tokens per step   64",
        "entropy floor     ",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn the_committed_configs_are_good() {
    for name in ["gpt-nano", "gpt-micro", "gpt-small", "gpt-124m"] {
        let path = format!("{}/configs/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let place = Place::with_config(&std::fs::read_to_string(path).unwrap());
        assert!(place.succeed("info", "").contains("nats a token"));
    }
}

#[test]
fn mistakes_of_the_user_exit_2_and_name_what_is_wrong() {
    let good = Place::new();
    good.succeed("train", "--steps 1 --save good");
    for (change, verb, arguments, expected) in [
        (
            ("width = 16", "width = 15"),
            "train",
            "",
            "tiny.toml: model.width = 15",
        ),
        (
            ("width = 16", "widht = 16"),
            "train",
            "",
            "unknown field `widht`",
        ),
        (("batch = 4", "batch = 0"), "info", "", "data.batch = 0"),
        (
            ("", ""),
            "train",
            "--precision bf16",
            "run.precision = \"bf16\" needs run.device = \"cuda\"",
        ),
        (
            ("", ""),
            "train",
            "--device gpu",
            "invalid value 'gpu' for '--device <DEVICE>'",
        ),
        (
            ("", ""),
            "train",
            "--steps x",
            "invalid value 'x' for '--steps <N>'",
        ),
        (
            ("", ""),
            "train",
            "--data nowhere",
            "model.symbols = 256, the config has 32",
        ),
        (
            ("", ""),
            "evaluate",
            "--checkpoint x --data-seed 1 --tokens 0",
            "--tokens 0",
        ),
        (("", ""), "sample", "--checkpoint x --prompt z", "byte 122"),
        (
            ("", ""),
            "sample",
            "--checkpoint x --prompt ! --temperature nan",
            "byte 33",
        ),
    ] {
        let place = Place::with_config(&TINY.replace(change.0, change.1));
        let output = place.run(verb, arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(expected), "{verb} {arguments}: {stderr}");
        assert_eq!(
            output.status.code(),
            Some(2),
            "{verb} {arguments}: {stderr}"
        );
    }
}

#[test]
fn files_that_are_wrong_exit_1_and_are_named() {
    let place = Place::new();
    place.write("garbage", "no checkpoint");
    let other = Place::with_config(&TINY.replace("width = 16", "width = 32"));
    other.succeed("train", "--steps 1 --save other");
    std::fs::copy(other.path("other"), place.path("other")).unwrap();
    for (name, expected) in [
        ("missing", "checkpoint missing: No such file"),
        ("garbage", "checkpoint garbage: "),
        ("other", "width: 32"),
    ] {
        for verb in ["evaluate --data-seed 1", "sample --prompt !", "train"] {
            let (verb, more) = verb.split_once(' ').unwrap_or((verb, ""));
            let more = more.replace('!', "\u{1}");
            let output = place.run(verb, &format!("--checkpoint {name} {more}"));
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(stderr.contains(expected), "{verb} {name}: {stderr}");
            assert_eq!(output.status.code(), Some(1), "{verb} {name}");
        }
    }
}

#[test]
fn help_of_every_verb_shows_an_example() {
    let place = Place::new();
    for verb in ["train", "evaluate", "sample", "profile", "info"] {
        assert!(
            place
                .succeed(verb, "--help")
                .contains("Example:\n  outpace-gpt"),
            "{verb}"
        );
    }
}

#[test]
fn the_cpu_holds_what_a_gpu_is_held_to() {
    let place = Place::new();
    let report = place.succeed("check", "");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["schema"], "outpace.check/1");
    assert_eq!(report["passed"], true, "{report}");
    let names: Vec<&str> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|check| check["name"].as_str())
        .collect();
    for expected in [
        "attention.gradient.0",
        "adamw.parameter",
        "model.gradient.head",
        "training.losses of 20 steps",
    ] {
        assert!(names.contains(&expected), "{expected}: {names:?}");
    }
}

#[test]
#[cfg(not(feature = "cuda"))]
fn a_program_without_cuda_says_how_to_get_it() {
    let place = Place::new();
    let output = place.run("train", "--device cuda");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("--features cuda"), "{stderr}");
    assert_eq!(output.status.code(), Some(2));
}
