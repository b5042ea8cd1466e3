//! How an attempt is closed: on the disk, in the history, for observers, and for later proposals.

use outpace_record::{CampaignState, Kind};
use outpace_repo::parse_trailers;

use crate::fake::{Answer, INTO, Idea, Lab, answers, says};

#[test]
fn a_proven_patch_is_merged_with_its_proof() {
    let lab = Lab::new();
    let ran = lab
        .campaign()
        .ideas(&[Idea::Line(0, "a")])
        .judged([says(Kind::Faster)])
        .run();
    let attempt = &ran.attempts()[0];
    assert_eq!(attempt.merged, lab.tip());
    let tip = lab.repo.resolve(INTO).unwrap();
    assert_eq!(tip.parents, [lab.head().id]);
    let trailers = parse_trailers(&lab.repo.message(&tip.id).unwrap());
    assert_eq!(trailers.verdicts, attempt.verdict_ids);
    let proofs = lab.repo.list(&tip.tree, &["baselines/**".into()]).unwrap();
    assert_eq!(proofs.len(), 2, "a proof and a baseline: {proofs:?}");
    assert_eq!(lab.history(), ["attempt", "verdict"]);
    assert_eq!(ran.campaign().start_tokens_per_s, Some(100.0));
}

#[test]
fn one_workload_that_is_slower_makes_no_merge() {
    let lab = Lab::new();
    let campaign = lab
        .campaign()
        .with(|c| c.workloads = vec!["w".into(), "v".into()]);
    let both = answers(Answer::Kinds(vec![Kind::Faster, Kind::Slower]));
    let ran = campaign.ideas(&[Idea::Line(0, "a")]).judged([both]).run();
    assert_eq!(ran.verdicts(), ["slower"]);
    assert_eq!(lab.tip(), None);
}

#[test]
fn nothing_else_is_merged() {
    for kind in [Kind::Slower, Kind::Same, Kind::NotProven] {
        let lab = Lab::new();
        let campaign = lab.campaign().ideas(&[Idea::Line(0, "a")]);
        let ran = campaign.judged([says(kind)]).run();
        assert_eq!(ran.attempts()[0].verdict, kind);
        assert_eq!((lab.tip(), &ran.attempts()[0].merged), (None, &None));
    }
}

#[test]
fn the_next_patch_goes_onto_the_merge() {
    let lab = Lab::new();
    let ran = lab
        .campaign()
        .ideas(&[Idea::Line(0, "a"), Idea::Line(4, "b")])
        .judged([says(Kind::Faster), says(Kind::Faster)])
        .run();
    assert_eq!(
        Some(&ran.requests[1].base),
        ran.attempts()[0].merged.as_ref()
    );
    let tip = lab.repo.resolve(INTO).unwrap();
    let text = lab.repo.read(&tip.tree, "src/k").unwrap().unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.starts_with("a\nline 1\n") && text.contains("\nb\n"),
        "{text}"
    );
}

#[test]
fn what_was_settled_is_not_judged_again() {
    let lab = Lab::new();
    let same = [Idea::Line(0, "a"), Idea::Line(0, "a")];
    let ran = lab
        .campaign()
        .ideas(&same)
        .judged([says(Kind::Slower)])
        .run();
    assert_eq!(ran.verdicts(), ["slower", "rejected"]);
    assert_eq!(
        ran.attempts()[1].reason,
        "already tried as number 1: slower"
    );
    assert_eq!(ran.attempts()[1].tested, None);
}

#[test]
fn an_agent_that_repeats_itself_is_broken() {
    let lab = Lab::new();
    let same = vec![Idea::Line(0, "a"); 9];
    let ran = lab.campaign().ideas(&same).judged([says(Kind::Same)]).run();
    assert!(
        ran.stopped().contains("3 times in a row"),
        "{}",
        ran.stopped()
    );
    assert_eq!(ran.attempts().len(), 4);
}

#[test]
fn a_refused_patch_is_refused_once() {
    let lab = Lab::new();
    let twice = [Idea::Forbidden, Idea::Forbidden];
    let ran = lab
        .campaign()
        .ideas(&twice)
        .judged([answers(Answer::Refused)])
        .run();
    assert_eq!(ran.verdicts(), ["rejected", "rejected"]);
    assert_eq!(
        ran.attempts()[1].reason,
        "already tried as number 1: rejected"
    );
}

#[test]
fn observers_hear_of_an_attempt_from_its_proposal_to_its_end() {
    let lab = Lab::new();
    let ideas = [Idea::Nothing, Idea::Line(0, "a")];
    let ran = lab
        .campaign()
        .ideas(&ideas)
        .judged([says(Kind::Same)])
        .run();
    assert_eq!(
        ran.events,
        [
            "proposal_started",
            "attempt_ended",
            "proposal_started",
            "attempt_started",
            "attempt_ended",
            "proposal_started"
        ]
    );
    assert_eq!(lab.history(), ["attempt", "attempt", "verdict"]);
}

#[test]
fn ctrl_c_between_two_attempts_keeps_both() {
    let lab = Lab::new();
    let ran = lab
        .campaign()
        .ideas(&[Idea::Line(0, "a"), Idea::Line(4, "b")])
        .judged([says(Kind::Same)])
        .cancelled_after(1)
        .run();
    assert_eq!(ran.campaign().state, CampaignState::Interrupted);
    assert_eq!(ran.stopped(), "interrupted");
    assert_eq!(ran.attempts().len(), 1);
}
