//! The step protocol over a real socket with the real binary.

use crate::support::{Place, TINY};
use serde_json::{Value, json};

#[test]
fn hello_says_what_the_workload_is() {
    let peer = Place::new().connect();
    let hello = &peer.hello;
    assert_eq!(hello["type"], "hello");
    assert_eq!(hello["protocol"], 1);
    assert_eq!(hello["tokens_per_step"], 64);
    assert_eq!(hello["parameters"], 2 * 32 * 16 + 2 * 12 * 256 + 5 * 16);
    assert!(hello["flops_per_token"].as_f64().unwrap() > 3e4);
    assert_eq!(
        hello["can"],
        json!(["perturb", "save", "resume", "predict"])
    );
    peer.stop();
}

#[test]
fn equal_seeds_give_equal_bits_at_any_turn_length_and_number_of_threads() {
    let (two, one) = (
        Place::new(),
        Place::with_config(&TINY.replace("threads = 2", "threads = 1")),
    );
    let (mut a, mut b) = (two.connect(), one.connect());
    a.start(&json!({}));
    b.start(&json!({}));
    let whole = a.steps(6);
    assert_eq!(whole, [b.steps(1), b.steps(2), b.steps(3)].concat());
    a.start(&json!({}));
    assert_eq!(a.steps(6), whole, "a second start begins again");
    for other in [
        json!({"data_seed": 10}),
        json!({"model_seed": 8}),
        json!({"perturb_ulps": 1}),
    ] {
        a.start(&other);
        let losses = a.steps(6);
        assert_ne!(losses, whole, "{other}");
        if other["perturb_ulps"] == 1 {
            let drift = losses.iter().zip(&whole).map(|(x, y)| (x - y).abs());
            assert!(
                drift.fold(0.0, f64::max) < 1e-4,
                "one unit in the last place is innocent"
            );
        }
    }
    a.stop();
    b.stop();
}

#[test]
fn a_resumed_run_continues_with_equal_bits() {
    let place = Place::new();
    let mut peer = place.connect();
    peer.start(&json!({}));
    peer.steps(3);
    peer.save(&place.path("three"));
    let expected = peer.steps(3);
    peer.save(&place.path("six"));
    peer.stop();
    let mut again = place.connect();
    again.start(&json!({"checkpoint": place.path("three")}));
    assert_eq!(again.steps(3), expected);
    again.save(&place.path("again"));
    let read = |name| std::fs::read(place.path(name)).unwrap();
    assert!(
        read("six") == read("again"),
        "equal runs write equal checkpoints"
    );
    again.stop();
}

#[test]
fn a_loss_that_is_not_finite_is_null() {
    let place = Place::with_config(&TINY.replace("1e-2", "1e30"));
    let mut peer = place.connect();
    peer.start(&json!({}));
    let answer = peer.ask(&json!({"type": "step", "n": 12}));
    let losses = answer["losses"].as_array().unwrap();
    assert!(losses[0].is_f64() && losses[11].is_null(), "{answer}");
    peer.stop();
}

#[test]
fn hanging_up_ends_the_program() {
    let mut peer = Place::new().connect();
    peer.hang_up();
    assert!(peer.end().success());
    let mut peer = Place::new().connect();
    peer.start(&json!({}));
    peer.hang_up();
    assert!(peer.end().success());
}

#[test]
fn requests_that_cannot_be_answered_get_an_error_and_exit_1() {
    let long = format!(r#"{{"type":"{}"}}"#, "x".repeat(1 << 20));
    for (message, expected) in [
        ("hello?", "not in the step protocol"),
        ("{}", "missing field `type`"),
        (r#"{"type":"dance"}"#, "unknown variant `dance`"),
        (r#"{"type":"start"}"#, "missing field"),
        (
            r#"{"type":"start","model_seed":-1,"data_seed":0}"#,
            "invalid value: integer `-1`",
        ),
        (
            r#"{"type":"start","model_seed":1,"data_seed":0,"perturb_ulps":2}"#,
            "perturb_ulps 2",
        ),
        (
            r#"{"type":"start","model_seed":1,"data_seed":0,"checkpoint":"/nowhere"}"#,
            "/nowhere",
        ),
        (r#"{"type":"step","n":1}"#, "`step` before `start`"),
        (r#"{"type":"save","path":"x"}"#, "`save` before `start`"),
        (&long, "more than 1024 KiB"),
    ] {
        let mut peer = Place::new().connect();
        peer.say(message);
        let answer = peer.hear();
        assert_eq!(answer["type"], "error", "{message:.80}");
        let text = answer["message"].as_str().unwrap();
        assert!(text.contains(expected), "{message:.80}: {text}");
        assert_eq!(peer.end().code(), Some(1), "{message:.80}");
    }
}

#[test]
fn steps_and_paths_that_cannot_be_are_refused() {
    for (request, expected) in [
        (json!({"type": "step", "n": 0}), "n = 0"),
        (json!({"type": "step", "n": 1_000_000}), "n = 1000000"),
        (json!({"type": "save", "path": "/nowhere/x"}), "/nowhere/x"),
    ] {
        let mut peer = Place::new().connect();
        peer.start(&json!({}));
        let answer: Value = peer.ask(&request);
        assert_eq!(answer["type"], "error", "{answer}");
        assert!(
            answer["message"].as_str().unwrap().contains(expected),
            "{answer}"
        );
        assert_eq!(peer.end().code(), Some(1));
    }
}
