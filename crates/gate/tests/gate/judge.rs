//! What a judge says before anything is built.

use std::sync::Arc;

use outpace_gate::{GateError, GateOutcome, Harness, Judge, refused_by_policy};
use outpace_process::{Context, Launcher};
use outpace_record::{Baseline, Event, GateRequest, Kind, NoObserver, Observer, parse_config};
use outpace_repo::Repo;
use outpace_trial::machine;

use crate::lab::{CONFIG, Lab};

/// Names of what happened.
#[derive(Default)]
struct Events(Vec<String>);

impl Observer for Events {
    fn on(&mut self, event: &Event) {
        self.0.push(format!("{event:?}"));
    }
}

fn judge(
    repo: &Repo,
    request: &GateRequest,
    observer: &mut dyn Observer,
) -> Result<GateOutcome, GateError> {
    // No program is started: a supervisor that does nothing would not do.
    let launcher = Launcher::new(vec!["false".into()], Arc::default());
    let context = Context::new(launcher).unwrap();
    let config = parse_config(CONFIG, "outpace.toml").unwrap();
    Harness::new(repo, &config, &context, "0.1.0").judge(request, observer)
}

#[test]
fn a_patch_outside_of_the_policy_is_refused_by_the_judge_itself() {
    let lab = Lab::new();
    let request = lab.request("outpace.toml", "version = 1\n");
    let mut events = Events::default();
    let outcome = judge(&lab.repo, &request, &mut events).unwrap();
    assert_eq!((outcome.kind, outcome.timed), (Kind::Rejected, false));
    assert_eq!(outcome.verdicts.len(), 1);
    let verdict = &outcome.verdicts[0];
    assert_eq!(verdict.reason, outcome.reason);
    assert_eq!(verdict.patch.as_ref().unwrap().files, ["outpace.toml"]);
    assert!(
        events.0[0].contains("PolicyChecked { refused: Some("),
        "{:?}",
        events.0
    );
    assert_eq!(events.0.len(), 1, "nothing was built");
}

#[test]
fn the_difference_counts_and_not_what_the_request_says_of_it() {
    let lab = Lab::new();
    let forbidden = lab.request("outpace.toml", "version = 1\n");
    let harmless = lab.request("src/k", "changed\n");
    let mixed = GateRequest {
        patch: harmless.patch,
        ..forbidden
    };
    let outcome = judge(&lab.repo, &mixed, &mut NoObserver).unwrap();
    assert_eq!(outcome.kind, Kind::Rejected);
}

#[test]
fn comments_alone_are_the_same() {
    let lab = Lab::new();
    lab.write("src/k.py", "x = 1\n");
    lab.commit("a module");
    let request = lab.request("src/k.py", "x = 1\n\n# a comment\n");
    let outcome = judge(&lab.repo, &request, &mut NoObserver).unwrap();
    assert_eq!(outcome.kind, Kind::Same);
    assert_eq!(outcome.reason, "only comments and blanks differ");
}

#[test]
fn a_tree_that_is_not_here_is_made_from_the_patch() {
    let lab = Lab::new();
    let request = lab.request("outpace.toml", "version = 1\n");
    let elsewhere = Lab::new();
    let here = GateRequest {
        base: elsewhere.head().id,
        ..request
    };
    // Two repositories with equal files have equal trees, and the changed one is in the first only.
    let outcome = judge(&elsewhere.repo, &here, &mut NoObserver).unwrap();
    assert_eq!(outcome.kind, Kind::Rejected, "the policy was reached");
    let other = GateRequest {
        tree: "0123456789012345678901234567890123456789".into(),
        ..here.clone()
    };
    let error = judge(&elsewhere.repo, &other, &mut NoObserver).unwrap_err();
    assert!(error.to_string().contains("was it changed"), "{error}");
    let stale = GateRequest {
        patch: here.patch.replace(" version = 1", " version = 2"),
        ..other
    };
    let outcome = judge(&elsewhere.repo, &stale, &mut NoObserver).unwrap();
    assert_eq!(outcome.kind, Kind::Rejected);
    assert!(
        outcome.reason.contains("does not apply"),
        "{}",
        outcome.reason
    );
}

#[test]
fn names_that_are_not_there_are_errors() {
    let lab = Lab::new();
    let request = lab.request("src/k", "changed\n");
    let unknown = GateRequest {
        workloads: vec!["zoo".into()],
        ..request.clone()
    };
    let error = judge(&lab.repo, &unknown, &mut NoObserver).unwrap_err();
    assert!(error.to_string().contains("available: w"), "{error}");
    let unknown = GateRequest {
        base: "no-such-base".into(),
        ..request
    };
    let error = judge(&lab.repo, &unknown, &mut NoObserver).unwrap_err();
    assert!(matches!(error, GateError::Repo(_)), "{error}");
}

#[test]
fn a_damaged_baseline_is_said_before_a_build() {
    let lab = Lab::new();
    let path = Baseline::path(&machine().class(), "w");
    lab.write(&path, "{}");
    lab.commit("damaged");
    let request = lab.request("src/k", "changed\n");
    let mut events = Events::default();
    let error = judge(&lab.repo, &request, &mut events).unwrap_err();
    assert!(error.to_string().contains("is damaged"), "{error}");
    assert_eq!(events.0.len(), 1, "the policy only: {:?}", events.0);
}

#[test]
fn a_policy_can_be_asked_beforehand() {
    let lab = Lab::new();
    let policy = parse_config(CONFIG, "outpace.toml").unwrap().policy;
    let check = |path: &str| {
        let (base, tree) = (lab.head().tree, lab.request(path, "x\n").tree);
        refused_by_policy(&lab.repo, &policy, &base, &tree).unwrap()
    };
    assert_eq!(check("src/k"), None);
    assert!(check("Makefile").is_some_and(|why| why.contains("Makefile")));
}
