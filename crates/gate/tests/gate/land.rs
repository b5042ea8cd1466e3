//! What becomes of a proof, and where proofs go.

use outpace_gate::{GateError, Landing, Next, current_base, land, sync_default_branch};
use outpace_record::{Baseline, Document};
use outpace_repo::parse_trailers;

use crate::lab::{INTO, Lab, git, proven};

const CHANGED: &str = "one\n2\nthree\nfour\nfive\n";

#[test]
fn a_merge_has_patch_proof_baseline_and_trailers() {
    let lab = Lab::new();
    let request = lab.request("src/k", CHANGED);
    let landing = land(&lab.repo, &request, &proven(&request), INTO, 0).unwrap();
    let Landing::Merged(commit) = landing else {
        panic!("{landing:?}");
    };
    let merged = lab.repo.resolve(&commit).unwrap();
    assert_eq!(merged.parents, std::slice::from_ref(&request.base));
    let read = |path: &str| lab.repo.read(&merged.tree, path).unwrap();
    assert_eq!(read("src/k").unwrap(), CHANGED.as_bytes());
    let baseline = read(&Baseline::path("m", "w")).unwrap();
    let baseline = Baseline::from_json(&String::from_utf8(baseline).unwrap()).unwrap();
    assert_eq!(baseline.tokens_per_s, 110.0);
    let message = lab.repo.message(&commit).unwrap();
    assert!(message.starts_with("a patch\n\nsrc/k\n"), "{message}");
    assert!(message.contains("Outpace-Agent: a job"), "{message}");
    let verdict = &parse_trailers(&message).verdicts[0];
    let proof = format!("baselines/proofs/{}.json", &verdict[..16]);
    assert!(read(&proof).is_some(), "{proof}");
}

#[test]
fn a_branch_that_moved_gives_the_request_that_is_measured_next() {
    let lab = Lab::new();
    lab.commit_to_branch("other", "0");
    let request = lab.request("src/k", CHANGED);
    let now = lab.commit_to_branch("src/k", "one\ntwo\nthree\nfour\nfive\nsix\n");
    let landing = land(&lab.repo, &request, &proven(&request), INTO, 0).unwrap();
    let Landing::Moved {
        now: base,
        next: Next::Measure(next),
    } = landing
    else {
        panic!("{landing:?}");
    };
    assert_eq!((&base.id, &next.base), (&now, &now));
    let text = lab.repo.read(&next.tree, "src/k").unwrap().unwrap();
    assert_eq!(text, b"one\n2\nthree\nfour\nfive\nsix\n");
    assert!(next.patch.contains("-two\n+2\n"), "{}", next.patch);
    assert_eq!((&next.title, next.seed), (&request.title, request.seed));
    assert_eq!(
        lab.repo.branch_tip(INTO).unwrap(),
        Some(now),
        "nothing was merged"
    );
}

#[test]
fn what_else_a_move_can_mean() {
    let check = |path: &str, text: &str, moves: usize, expect: &str| {
        let lab = Lab::new();
        let request = lab.request("src/k", CHANGED);
        lab.commit_to_branch(path, text);
        let landing = land(&lab.repo, &request, &proven(&request), INTO, moves).unwrap();
        let Landing::Moved { next, .. } = landing else {
            panic!("{landing:?}");
        };
        let reason = next.reason();
        assert!(reason.contains(expect), "{path}, {moves}: {reason}");
    };
    check("other", "1", 0, "measured again");
    check("other", "1", 1, "measured again");
    check("other", "1", 2, "moved 3 times");
    check("src/k", "new\n", 0, "no longer applies");
    check(
        "outpace.toml",
        "version = 1\n",
        0,
        "outpace.toml of the branch changed",
    );
}

#[test]
fn what_was_judged_without_a_policy_is_never_merged() {
    let lab = Lab::new();
    let mut request = lab.request("src/k", CHANGED);
    request.policy = false;
    let landing = land(&lab.repo, &request, &proven(&request), INTO, 0);
    assert!(matches!(landing, Err(GateError::Usage(_))), "{landing:?}");
    assert_eq!(lab.repo.branch_tip(INTO).unwrap(), None);
}

#[test]
fn a_checked_out_branch_is_not_moved() {
    let lab = Lab::new();
    let request = lab.request("src/k", CHANGED);
    let landing = land(&lab.repo, &request, &proven(&request), "main", 0);
    assert!(matches!(landing, Err(GateError::Merge(_))), "{landing:?}");
}

#[test]
fn the_default_branch_catches_up_and_is_never_set_back() {
    let lab = Lab::new();
    let first = lab.head();
    let base = sync_default_branch(&lab.repo, INTO, first.clone()).unwrap();
    assert_eq!(
        (base.id, lab.repo.branch_tip(INTO).unwrap()),
        (first.id.clone(), None)
    );

    git(lab.repo.root(), &["branch", INTO]);
    lab.write("src/k", CHANGED);
    let second = lab.commit("second");
    let base = sync_default_branch(&lab.repo, INTO, second.clone()).unwrap();
    assert_eq!(base.id, second.id);
    assert_eq!(
        lab.repo.branch_tip(INTO).unwrap(),
        Some(second.id.clone()),
        "it catches up"
    );

    let ahead = lab.commit_to_branch("other", "1");
    let base = sync_default_branch(&lab.repo, INTO, second).unwrap();
    assert_eq!(base.id, ahead, "what was merged is the base");

    lab.write("src/k", "diverged\n");
    let third = lab.commit("third");
    let error = sync_default_branch(&lab.repo, INTO, third).unwrap_err();
    assert!(error.to_string().contains("have diverged"), "{error}");
}

#[test]
fn a_named_branch_stays_where_it_is() {
    let lab = Lab::new();
    let first = lab.head();
    assert_eq!(current_base(&lab.repo, INTO, &first.id).unwrap(), first);
    let tip = lab.commit_to_branch("other", "1");
    lab.write("src/k", CHANGED);
    let second = lab.commit("second");
    assert_eq!(current_base(&lab.repo, INTO, &second.id).unwrap().id, tip);
}
