//! The branch is at another commit when a proof is there.

use outpace_gate::GateError;
use outpace_record::Kind;

use crate::fake::{INTO, Idea, Lab, Step, says};

fn faster() -> Step {
    says(Kind::Faster)
}

#[test]
fn it_is_measured_again_as_an_attempt_with_a_test_index_of_its_own() {
    let lab = Lab::new();
    let script = [faster().while_branch_gets("other", "1"), faster()];
    let ran = lab
        .campaign()
        .ideas(&[Idea::Line(0, "a")])
        .judged(script)
        .run();
    assert_eq!(ran.verdicts(), ["not_proven", "faster"]);
    let [lost, merged] = ran.attempts() else {
        panic!("{:?}", ran.verdicts());
    };
    assert_eq!(lost.reason, "proven, but the branch moved; measured again");
    assert_eq!(lost.verdicts[0].verdict, Kind::Faster, "its proof is kept");
    assert_eq!((lost.tested, merged.tested), (Some(1), Some(2)));
    assert_eq!(merged.title, lost.title);
    assert_eq!(merged.merged, lab.tip());
    let tip = lab.repo.resolve(INTO).unwrap();
    assert!(
        lab.repo.read(&tip.tree, "other").unwrap().is_some(),
        "both are there"
    );
    assert!(ran.events.iter().any(|name| name == "branch_moved"));
}

#[test]
fn limits_do_not_keep_it_from_being_measured_again() {
    let lab = Lab::new();
    let script = [faster().while_branch_gets("other", "1"), faster()];
    let campaign = lab.campaign().with(|c| c.max_experiments = Some(1));
    let ran = campaign.ideas(&[Idea::Line(0, "a")]).judged(script).run();
    assert_eq!(ran.verdicts(), ["not_proven", "faster"]);
    assert_eq!(ran.stopped(), "2 attempts were made");
}

#[test]
fn after_three_times_it_is_given_up() {
    let lab = Lab::new();
    let moves = |n: usize| faster().while_branch_gets("other", n.to_string());
    let script = [moves(1), moves(2), moves(3)];
    let ran = lab
        .campaign()
        .ideas(&[Idea::Line(0, "a")])
        .judged(script)
        .run();
    assert_eq!(ran.verdicts(), ["not_proven"; 3]);
    let last = &ran.attempts()[2].reason;
    assert_eq!(
        last,
        "proven, but the branch moved 3 times; propose it again"
    );
}

#[test]
fn what_was_lost_may_be_proposed_again() {
    let lab = Lab::new();
    let moves = |n: usize| faster().while_branch_gets("other", n.to_string());
    let script = [moves(1), moves(2), moves(3), faster()];
    let twice = [Idea::Line(0, "a"), Idea::Line(0, "a")];
    let ran = lab.campaign().ideas(&twice).judged(script).run();
    assert_eq!(ran.attempts().len(), 4);
    assert_eq!(ran.attempts()[3].merged, lab.tip());
}

#[test]
fn a_patch_that_no_longer_applies_is_not_proven_and_its_proof_is_kept() {
    let lab = Lab::new();
    let script = [faster().while_branch_gets("src/k", "all new\n")];
    let ran = lab
        .campaign()
        .ideas(&[Idea::Line(0, "a")])
        .judged(script)
        .run();
    assert_eq!(ran.verdicts(), ["not_proven"]);
    let attempt = &ran.attempts()[0];
    assert!(
        attempt.reason.contains("no longer applies"),
        "{}",
        attempt.reason
    );
    assert_eq!(attempt.verdicts[0].verdict, Kind::Faster);
    assert_eq!(attempt.verdict_ids.len(), 1);
}

#[test]
fn other_rules_end_it() {
    let lab = Lab::new();
    let script = [faster().while_branch_gets("outpace.toml", "version = 1\n")];
    let ran = lab
        .campaign()
        .ideas(&[Idea::Line(0, "a")])
        .judged(script)
        .run();
    let Err(GateError::Environment(reason)) = &ran.result else {
        panic!("{:?}", ran.result);
    };
    assert!(reason.contains("outpace.toml"), "{reason}");
    let (_, attempts) = lab.on_disk();
    assert_eq!(attempts[0].verdict, Kind::NotProven);
    assert_eq!(
        attempts[0].verdicts[0].verdict,
        Kind::Faster,
        "its proof is kept"
    );
}

#[test]
fn a_branch_that_is_gone_loses_no_proof() {
    let lab = Lab::new();
    lab.commit_to_branch("other", "1");
    let script = [faster().while_it(|repo| {
        let path = repo.root().join(".git/refs/heads").join(INTO);
        std::fs::remove_file(path).unwrap();
    })];
    let ran = lab
        .campaign()
        .ideas(&[Idea::Line(0, "a")])
        .judged(script)
        .run();
    assert_eq!(ran.verdicts(), ["faster"], "it is made anew");
    let tip = lab.repo.resolve(INTO).unwrap();
    assert_eq!(tip.parents, [ran.requests[0].base.clone()]);
}

#[test]
fn commits_between_two_attempts_are_the_next_base() {
    let lab = Lab::new();
    let script = [
        says(Kind::NotProven).while_branch_gets("other", "1"),
        says(Kind::NotProven),
    ];
    let ideas = [Idea::Line(0, "a"), Idea::Line(4, "b")];
    let ran = lab.campaign().ideas(&ideas).judged(script).run();
    assert_eq!(Some(&ran.requests[1].base), lab.tip().as_ref());
}
