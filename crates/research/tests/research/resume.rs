//! A campaign goes on where another process left it.

use outpace_record::{CampaignState, Kind};

use crate::fake::{Answer, INTO, Idea, Lab, answers, says};

#[test]
fn time_and_test_indices_add_up() {
    let lab = Lab::new();
    let first = [
        says(Kind::NotProven).taking(30.0),
        says(Kind::Slower).taking(30.0),
    ];
    let ideas = [Idea::Line(0, "a"), Idea::Line(4, "b")];
    let campaign = lab.campaign().with(|c| c.max_experiments = Some(2));
    campaign.ideas(&ideas).judged(first).run();
    let ran = lab
        .resumed()
        .with(|c| c.max_experiments = Some(3))
        .ideas(&[Idea::Line(8, "c")])
        .judged([says(Kind::NotProven).taking(10.0)])
        .run();
    assert_eq!(ran.campaign().used_s, 70.0);
    assert_eq!(ran.attempts()[2].number, 3);
    assert_eq!(ran.attempts()[2].tested, Some(3));
    assert_eq!(ran.attempts()[2].at_s, 70.0);
}

#[test]
fn a_limit_that_is_used_up_already_ends_it_at_once() {
    let lab = Lab::new();
    let campaign = lab.campaign().with(|c| c.max_experiments = Some(1));
    campaign
        .ideas(&[Idea::Line(0, "a")])
        .judged([says(Kind::Same)])
        .run();
    let ran = lab.resumed().ideas(&[Idea::Line(4, "b")]).run();
    assert_eq!(ran.stopped(), "1 attempts were made");
}

#[test]
fn the_patch_that_ctrl_c_cut_off_is_judged_first() {
    let lab = Lab::new();
    let cut = [answers(Answer::Interrupted(3))];
    let ran = lab
        .campaign()
        .ideas(&[Idea::Line(0, "a")])
        .judged(cut)
        .run();
    assert_eq!(ran.campaign().state, CampaignState::Interrupted);
    let attempt = &ran.attempts()[0];
    assert_eq!(
        (attempt.verdict, &*attempt.reason),
        (Kind::NotProven, "interrupted")
    );
    assert_eq!(attempt.tested, Some(1), "its samples were seen");
    assert_eq!(attempt.verdicts[0].n_blocks, 3, "and are kept");

    let ran = lab.resumed().judged([says(Kind::Faster)]).run();
    let attempt = &ran.attempts()[1];
    assert_eq!(attempt.title, ran.attempts()[0].title);
    assert_eq!((attempt.number, attempt.tested), (2, Some(2)));
    assert_eq!(attempt.merged, lab.tip());
    assert_eq!(
        ran.events[0], "attempt_started",
        "no agent was asked for it"
    );
}

#[test]
fn one_that_was_cut_off_before_its_first_block_keeps_its_test_index() {
    let lab = Lab::new();
    let cut = [answers(Answer::Interrupted(0))];
    lab.campaign()
        .ideas(&[Idea::Line(0, "a")])
        .judged(cut)
        .run();
    let ran = lab.resumed().judged([says(Kind::Same)]).run();
    let tested: Vec<Option<u64>> = ran.attempts().iter().map(|a| a.tested).collect();
    assert_eq!(tested, [None, Some(1)]);
}

#[test]
fn one_that_was_cut_off_is_no_attempt_of_the_limit() {
    let lab = Lab::new();
    let cut = [answers(Answer::Interrupted(3))];
    let campaign = lab.campaign().with(|c| c.max_experiments = Some(1));
    campaign.ideas(&[Idea::Line(0, "a")]).judged(cut).run();
    let ran = lab.resumed().judged([says(Kind::Same)]).run();
    assert_eq!(ran.verdicts(), ["not_proven", "same"]);
    assert_eq!(ran.stopped(), "1 attempts were made");
}

#[test]
fn what_was_cut_off_goes_onto_what_came_meanwhile() {
    let lab = Lab::new();
    let cut = [answers(Answer::Interrupted(3))];
    lab.campaign()
        .ideas(&[Idea::Line(0, "a")])
        .judged(cut)
        .run();
    lab.commit_to_branch("other", "1");
    let ran = lab.resumed().judged([says(Kind::Faster)]).run();
    let tip = lab.repo.resolve(INTO).unwrap();
    assert_eq!(ran.attempts()[1].merged.as_ref(), Some(&tip.id));
    assert!(lab.repo.read(&tip.tree, "other").unwrap().is_some());
}

#[test]
fn what_was_cut_off_and_no_longer_applies_is_left_to_the_agent() {
    let lab = Lab::new();
    let cut = [answers(Answer::Interrupted(3))];
    lab.campaign()
        .ideas(&[Idea::Line(0, "a")])
        .judged(cut)
        .run();
    lab.commit_to_branch("src/k", "all new\n");
    let ran = lab.resumed().run();
    assert_eq!(ran.attempts().len(), 1);
    assert_eq!(ran.stopped(), "the script is over");
}

/// A campaign whose process was killed after its proof was on the disk. `merged`: the merge was
/// made.
fn killed(merged: bool) -> Lab {
    let lab = Lab::new();
    lab.campaign()
        .ideas(&[Idea::Line(0, "a")])
        .judged([says(Kind::Faster)])
        .run();
    let path = lab.repo.state_dir().join("campaigns/c/attempts/00001.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut attempt: serde_json::Value = serde_json::from_str(&text).unwrap();
    attempt["merged"] = serde_json::Value::Null;
    std::fs::write(&path, attempt.to_string()).unwrap();
    if !merged {
        lab.git(&["update-ref", "-d", &format!("refs/heads/{INTO}")]);
    }
    lab
}

#[test]
fn a_kill_after_the_merge_is_noticed_by_its_trailer() {
    let lab = killed(true);
    let tip = lab.tip();
    let ran = lab.resumed().run();
    assert_eq!(ran.attempts()[0].merged, tip);
    assert_eq!(lab.tip(), tip, "it is merged once");
    assert_eq!(ran.events[0], "note");
}

#[test]
fn a_kill_after_the_merge_is_noticed_below_other_commits_too() {
    let lab = killed(true);
    let merge = lab.tip();
    lab.commit_to_branch("other", "1");
    let ran = lab.resumed().run();
    assert_eq!(ran.attempts()[0].merged, merge);
}

#[test]
fn a_kill_before_the_merge_loses_nothing() {
    let lab = killed(false);
    let ran = lab.resumed().run();
    assert_eq!(ran.verdicts(), ["faster"]);
    assert!(lab.tip().is_some());
    assert_eq!(ran.attempts()[0].merged, lab.tip());
}

#[test]
fn a_kill_before_the_merge_and_a_branch_that_moved_since_is_measured_again() {
    let lab = killed(false);
    lab.commit_to_branch("other", "1");
    let ran = lab.resumed().judged([says(Kind::Faster)]).run();
    assert_eq!(ran.verdicts(), ["not_proven", "faster"]);
    assert_eq!(ran.attempts()[0].verdicts[0].verdict, Kind::Faster);
    assert_eq!(ran.attempts()[1].merged, lab.tip());
}

#[test]
fn a_finished_campaign_can_be_extended() {
    let lab = Lab::new();
    let ran = lab.campaign().run();
    assert_eq!(ran.campaign().state, CampaignState::Finished);
    let ran = lab
        .resumed()
        .ideas(&[Idea::Line(0, "a")])
        .judged([says(Kind::Same)])
        .run();
    assert_eq!(ran.verdicts(), ["same"]);
}
