//! Workloads that misbehave: as a base it is the environment's fault, as a candidate the patch's.

use crate::playground::{Outcome, Playground, SETTINGS, toys_alive};

fn with_mode(mode: &str) -> String {
    SETTINGS.replace("good", mode)
}

#[track_caller]
fn check(mode: &str, parts: &[&str]) {
    let play = Playground::new(&with_mode(mode));
    play.outpace(&["bench", "--processes", "1"])
        .expect(5)
        .says(parts);

    let play = Playground::new(SETTINGS);
    let patch = play.patch("p.patch", "settings.toml", &with_mode(mode));
    let outcome = play
        .outpace(&["gate", "--patch", patch.to_str().unwrap(), "--json"])
        .expect(4);
    let verdict = outcome.json();
    assert_eq!(verdict["verdict"], "rejected");
    let reason = verdict["reason"].as_str().unwrap();
    for part in parts {
        assert!(reason.contains(part), "`{part}` is missing in: {reason}");
    }
    assert_eq!(toys_alive(play.path()), Vec::<String>::new());
}

#[test]
fn it_exits() {
    check(
        "exit",
        &[
            "ended before it connected",
            "exit code 7",
            "the data set is not there",
        ],
    );
}

#[test]
fn it_dies_in_the_middle() {
    check("die", &["exit code 9", "out of cheese"]);
}

#[test]
fn it_never_connects() {
    check("silent", &["did not connect", "OUTPACE_SOCKET"]);
}

#[test]
fn it_hangs() {
    check("hang", &["no answer to `step` within 3 s"]);
}

#[test]
fn it_prints_garbage() {
    check("garbage", &["not in the step protocol", "all is well"]);
}

#[test]
fn it_floods_the_socket() {
    check("flood", &["more than 1024 KiB"]);
}

#[test]
fn its_loss_is_no_number() {
    check("nan", &["loss of step 4 is not a finite number"]);
}

#[test]
fn it_reports_an_error() {
    check("complain", &["the tokenizer is missing"]);
}

#[test]
fn it_answers_before_it_is_asked() {
    check("early", &["it answered"]);
}

/// The verdict of a gate for the toy in another mode, with so many thousand iterations a step.
fn gated(mode: &str, spin: u32) -> Outcome {
    // Steps of some milliseconds, so that what it does to the other side is a part of a turn.
    let slow = |mode: &str, spin: u32| {
        let spin = format!("spin = {spin}");
        with_mode(mode).replace("spin = 400", &spin)
    };
    let play = Playground::with_config(&slow("good", 4000), |config| {
        config.replace("[gate]\n", "[gate]\nmax_seconds = 40\n")
    });
    let patch = play.patch("p.patch", "settings.toml", &slow(mode, spin));
    play.outpace(&["gate", "--patch", patch.to_str().unwrap(), "--json"])
}

#[test]
#[ignore = "long: ci/nightly.sh"]
fn what_it_does_to_the_base_or_before_the_clock_is_no_gain() {
    // On a busy machine the whole run may take too long, or the blocks may not suffice to prove
    // even what it seems to gain; faster it is in no case.
    for mode in ["ahead", "thread", "child"] {
        let outcome = gated(mode, 4000);
        assert_ne!(outcome.code, 0, "{mode}: {}", outcome.stderr);
    }
}

#[test]
fn it_stops_the_base_now_and_then() {
    // Whether the base then ends in time is chance: without a verdict it is no gain either.
    let outcome = gated("stops", 4000);
    assert_ne!(outcome.code, 0, "{}", outcome.stdout);
}

#[test]
fn a_longer_start_and_prefetching_are_honest() {
    let verdict = gated("long_start", 2000).json();
    let reason = verdict["reason"].as_str().unwrap();
    assert_eq!(verdict["verdict"], "faster", "{reason}");
    // How much it gains depends on what else the other core does.
    let verdict = gated("prefetch", 4000).json();
    let reason = verdict["reason"].as_str().unwrap();
    assert_ne!(verdict["verdict"], "rejected", "{reason}");
}

#[test]
#[ignore = "long: ci/nightly.sh"]
fn what_it_leaves_out_after_the_checked_steps_or_moves_into_saving_is_no_gain() {
    // Whether the blocks suffice to prove what it seems to gain depends on the machine; faster it
    // is in no case.
    for (mode, says) in [
        ("leaves_out", "after"),
        ("catches_up", "write its checkpoint"),
        ("leaves_out_beside", ""),
        ("slow_save", ""),
    ] {
        let outcome = gated(mode, 4000);
        assert_ne!(outcome.code, 0, "{mode}: {}", outcome.stderr);
        let verdict = outcome.json();
        let reason = verdict["reason"].as_str().unwrap();
        let refused = verdict["verdict"] == "rejected";
        assert!(!refused || reason.contains(says), "{mode}: {reason}");
    }
}

#[test]
fn what_a_checkpoint_holds_besides_parameters_may_go() {
    let verdict = gated("no_mask", 2000).json();
    assert_eq!(verdict["verdict"], "faster", "{}", verdict["reason"]);
    let checks = verdict["checks"].as_array().unwrap();
    let parameters = checks.iter().find(|c| c["name"] == "parameters").unwrap();
    let detail = parameters["detail"].as_str().unwrap();
    assert!(detail.contains("gone: mask"), "{detail}");
}

#[test]
fn a_base_that_does_not_repeat_itself_measures_its_own_envelope() {
    let play = Playground::new(&with_mode("atomics"));
    let faster = with_mode("atomics").replace("400", "200");
    let patch = play.patch("p.patch", "settings.toml", &faster);
    let gate = ["gate", "--patch", patch.to_str().unwrap(), "--json"];
    let verdict = play.outpace(&gate).json();
    assert_eq!(verdict["verdict"], "faster", "{}", verdict["reason"]);
    // Beyond the cap nothing can be compared, and no candidate is blamed.
    let play = Playground::new(&with_mode("drifts"));
    let faster = with_mode("drifts").replace("400", "200");
    let patch = play.patch("p.patch", "settings.toml", &faster);
    let gate = ["gate", "--patch", patch.to_str().unwrap()];
    let says = ["differs by", "from its own", "no candidate may"];
    play.outpace(&gate).expect(5).says(&says);
}

#[test]
fn it_does_the_work_of_many_turns_in_one() {
    // Turns of one step, so that of each block's nine three are long, however busy the machine is.
    let play = Playground::with_config(SETTINGS, |config| {
        config.replace("min_turn_ms = 1\n", "min_turn_ms = 0.001\n")
    });
    let patch = play.patch("p.patch", "settings.toml", &with_mode("gathers"));
    let gate = ["gate", "--patch", patch.to_str().unwrap(), "--json"];
    let verdict = play.outpace(&gate).json();
    // A busy machine hides the reason in turns this short. The tests of trials, whose clock is
    // counted, hold the guard to its words.
    assert_ne!(verdict["verdict"], "faster", "{verdict}");
}

#[test]
fn it_hands_in_the_checkpoint_of_another() {
    let play = Playground::new(SETTINGS);
    let patch = play.patch("p.patch", "settings.toml", &with_mode("thief"));
    play.outpace(&["gate", "--patch", patch.to_str().unwrap()])
        .expect(4)
        .says(&["of its update"]);
}

#[test]
fn what_it_writes_where_it_runs_is_gone_at_the_next_start() {
    let play = Playground::new(&with_mode("marks"));
    play.outpace(&["bench", "--processes", "3"]).expect(0);
}

#[test]
fn it_speaks_another_version() {
    check("version", &["version 9"]);
}

#[test]
fn what_it_leaves_behind_is_ended() {
    let play = Playground::new(&with_mode("orphan"));
    play.outpace(&["bench", "--processes", "1"]).expect(0);
    assert_eq!(toys_alive(play.path()), Vec::<String>::new());
}

#[test]
fn a_program_that_is_not_there() {
    let play = Playground::with_config(SETTINGS, |config| {
        config.replace("\"{toy}\", \"train\"", "\"/no/such/program\"")
    });
    play.outpace(&["bench"])
        .expect(5)
        .says(&["/no/such/program"]);
}

#[test]
fn whole_commands_are_timed_too() {
    let change = |config: &str| {
        config
            .replace("\"train\",", "\"whole\",")
            .replace("timeout", "protocol = \"process\"\ntimeout")
    };
    let play = Playground::with_config(&SETTINGS.replace("400", "80000"), change);
    let patch = play.patch(
        "p.patch",
        "settings.toml",
        &SETTINGS.replace("400", "40000"),
    );
    let outcome = play
        .outpace(&["gate", "--patch", patch.to_str().unwrap(), "--json"])
        .expect(0);
    let verdict = outcome.json();
    assert_eq!(verdict["verdict"], "faster");
    // A trial stops as soon as the smallest gain is proven: no larger bound is promised, however
    // large the gain is.
    assert!(
        verdict["at_least"].as_f64() > verdict["min_speedup"].as_f64(),
        "{verdict}"
    );
    assert!(verdict["speedup"].as_f64().unwrap() > 0.2, "{verdict}");
}

#[test]
fn verify_must_pass_on_the_candidate() {
    let change = |config: &str| {
        config.replace(
            "timeout",
            "verify = [\"{toy}\", \"verify\", \"settings.toml\"]\ntimeout",
        )
    };
    let play = Playground::with_config(SETTINGS, change);
    let patch = play.patch("p.patch", "settings.toml", &with_mode("unverified"));
    play.outpace(&["gate", "--patch", patch.to_str().unwrap()])
        .expect(4)
        .says(&["`verify` failed"]);
}
