//! When a campaign ends, and what its attempts cost of the error budget.

use outpace_gate::GateError;
use outpace_record::{CampaignState, Kind};
use outpace_stats::e_lond_threshold;

use crate::fake::{Answer, Idea, Lab, answers, says};

fn lines(n: usize) -> Vec<Idea> {
    const TEXTS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    (0..n).map(|i| Idea::Line(4 * i, TEXTS[i])).collect()
}

fn not_proven(n: usize) -> Vec<crate::fake::Step> {
    (0..n).map(|_| says(Kind::NotProven)).collect()
}

#[test]
fn the_time_budget_ends_it() {
    let lab = Lab::new();
    let script = [
        says(Kind::NotProven).taking(40.0),
        says(Kind::Slower).taking(40.0),
    ];
    let campaign = lab.campaign().with(|c| c.budget_s = Some(60.0));
    let ran = campaign.ideas(&lines(5)).judged(script).run();
    assert_eq!(ran.stopped(), "the time budget is used up");
    assert_eq!(ran.verdicts(), ["not_proven", "slower"]);
    assert_eq!(ran.campaign().used_s, 80.0);
    assert_eq!(ran.campaign().state, CampaignState::Finished);
}

#[test]
fn a_budget_that_is_reached_exactly_is_used_up() {
    let lab = Lab::new();
    let campaign = lab.campaign().with(|c| c.budget_s = Some(1.0));
    let ran = campaign.ideas(&lines(2)).judged(not_proven(1)).run();
    assert_eq!(ran.stopped(), "the time budget is used up");
}

#[test]
fn the_agents_time_counts() {
    let lab = Lab::new();
    let campaign = lab.campaign().with(|c| c.budget_s = Some(60.0));
    let ran = campaign
        .ideas(&lines(5))
        .agent_takes(59.0)
        .judged(not_proven(1))
        .run();
    assert_eq!(ran.attempts()[0].propose_s, 59.0);
    assert_eq!(ran.attempts()[0].total_s, 60.0);
    assert_eq!(ran.attempts()[0].at_s, 60.0);
}

#[test]
fn the_number_of_attempts_ends_it() {
    let lab = Lab::new();
    let campaign = lab.campaign().with(|c| c.max_experiments = Some(3));
    let ran = campaign.ideas(&lines(5)).judged(not_proven(3)).run();
    assert_eq!(ran.stopped(), "3 attempts were made");
    let numbers: Vec<usize> = ran.attempts().iter().map(|a| a.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn an_agent_without_another_idea_ends_it() {
    let lab = Lab::new();
    let ran = lab.campaign().run();
    assert_eq!(ran.stopped(), "the script is over");
    assert!(ran.attempts().is_empty());
    assert_eq!(ran.campaign().state, CampaignState::Finished);
}

#[test]
fn an_agent_that_leaves_nothing_three_times_is_broken() {
    let lab = Lab::new();
    let nothing = [Idea::Nothing, Idea::Nothing, Idea::Nothing, Idea::Nothing];
    let ran = lab.campaign().ideas(&nothing).run();
    assert!(
        ran.stopped().contains("3 times in a row"),
        "{}",
        ran.stopped()
    );
    assert_eq!(ran.attempts().len(), 3);
    let lab = Lab::new();
    let ran = lab.campaign().ideas(&nothing).ending_by_itself().run();
    assert_eq!(ran.stopped(), "the script is over", "`tune` ends by itself");
    let lab = Lab::new();
    let mixed = [
        Idea::Nothing,
        Idea::Nothing,
        Idea::Line(0, "a"),
        Idea::Nothing,
    ];
    let ran = lab.campaign().ideas(&mixed).judged(not_proven(1)).run();
    assert_eq!(
        ran.stopped(),
        "the script is over",
        "one of them was a patch"
    );
}

#[test]
fn every_candidate_that_is_timed_takes_the_threshold_of_its_own_test_index() {
    let lab = Lab::new();
    let script = [
        says(Kind::NotProven),
        says(Kind::Faster),
        answers(Answer::Refused),
        says(Kind::NotProven),
        says(Kind::Faster),
        says(Kind::NotProven),
    ];
    let ran = lab.campaign().ideas(&lines(6)).judged(script).run();
    let tested: Vec<Option<u64>> = ran.attempts().iter().map(|a| a.tested).collect();
    let expect = [Some(1), Some(2), None, Some(3), Some(4), Some(5)];
    assert_eq!(tested, expect, "what was never timed takes no index");
    let merges: Vec<u64> = ran.attempts().iter().map(|a| a.merges_before).collect();
    assert_eq!(merges, [0, 0, 1, 1, 1, 2]);
    let expect = [(1, 0), (2, 0), (3, 1), (3, 1), (4, 1), (5, 2)];
    for (request, (t, merges)) in ran.requests.iter().zip(expect) {
        let threshold = e_lond_threshold(t, merges, 0.05).max(100.0);
        assert_eq!(request.rule.threshold, Some(threshold), "t = {t}");
    }
    let thresholds: Vec<_> = ran.requests.iter().map(|r| r.rule.threshold).collect();
    assert!(thresholds[3] > thresholds[0], "{thresholds:?}");
}

#[test]
fn the_threshold_is_never_below_that_of_a_single_gate() {
    let lab = Lab::new();
    let campaign = lab.campaign().with(|c| c.fdr = 1.0);
    let config = campaign.configured(|c| c.gate.fdr = 1.0);
    let ran = config.ideas(&lines(1)).judged(not_proven(1)).run();
    assert!(e_lond_threshold(1, 0, 1.0) < 100.0);
    assert_eq!(ran.requests[0].rule.threshold, Some(100.0));
}

#[test]
fn rules_are_no_laxer_than_the_campaign_began_with() {
    let check = |alpha: f64, fdr: f64, min_speedup: f64, expect: (f64, f64, f64)| {
        let lab = Lab::new();
        let campaign = lab.campaign().configured(|config| {
            (config.gate.alpha, config.gate.fdr) = (alpha, fdr);
            config.gate.min_speedup = min_speedup;
        });
        let ran = campaign.ideas(&lines(1)).judged(not_proven(1)).run();
        let rule = ran.requests[0].rule;
        let threshold = e_lond_threshold(1, 0, expect.1).max(1.0 / expect.0);
        assert_eq!(
            (rule.alpha, rule.threshold, rule.min_speedup),
            (expect.0, Some(threshold), expect.2)
        );
    };
    check(0.2, 0.4, 0.0, (0.01, 0.05, 0.005));
    check(0.001, 0.02, 0.02, (0.001, 0.02, 0.02));
}

#[test]
fn a_request_carries_what_is_judged() {
    let lab = Lab::new();
    let campaign = lab
        .campaign()
        .with(|c| c.workloads = vec!["w".into(), "v".into()]);
    let both = answers(Answer::Kinds(vec![Kind::Same, Kind::NotProven]));
    let ran = campaign
        .configured(|c| c.gate.campaign_max_blocks = 17)
        .ideas(&lines(1))
        .judged([both])
        .run();
    let request = &ran.requests[0];
    assert_eq!(request.workloads, ["w", "v"]);
    assert_eq!(request.base, lab.head().id);
    assert_eq!(request.agent.as_deref(), Some("script"));
    assert_eq!(request.title, "attempt at src/k");
    assert!(request.patch.contains("+a"), "{}", request.patch);
    assert!(request.policy && !request.aa);
    assert_eq!((request.rule.max_blocks, request.rule.screen), (17, true));
    let attempt = &ran.attempts()[0];
    assert_eq!(attempt.verdict, Kind::NotProven, "the decisive one");
    assert_eq!(attempt.verdicts.len(), 2);
    assert_eq!((attempt.build_s, attempt.check_s), (0.25, 0.5));
}

#[test]
fn seeds_follow_from_a_given_one_and_from_nothing_else() {
    let seeds = |given: bool, seed: u64| {
        let lab = Lab::new();
        let campaign = lab
            .campaign()
            .with(|c| (c.seed, c.seed_was_given) = (seed, given));
        let ran = campaign.ideas(&lines(2)).judged(not_proven(2)).run();
        let seeds: Vec<u64> = ran.requests.iter().map(|r| r.seed).collect();
        assert!(seeds.iter().all(|s| *s < 1 << 53) && seeds[0] != seeds[1]);
        seeds
    };
    assert_eq!(seeds(true, 7), seeds(true, 7));
    assert_ne!(seeds(true, 7), seeds(true, 8));
    assert_ne!(seeds(false, 7), seeds(false, 7));
}

#[test]
fn three_trials_without_a_verdict_end_it() {
    let lab = Lab::new();
    let passing = || answers(Answer::NoVerdict { lost: false });
    let script = [passing(), says(Kind::Same), passing(), passing(), passing()];
    let ran = lab.campaign().ideas(&lines(6)).judged(script).run();
    let Err(GateError::Environment(reason)) = &ran.result else {
        panic!("{:?}", ran.result);
    };
    assert!(reason.contains("3 trials in a row"), "{reason}");
    let (campaign, attempts) = lab.on_disk();
    assert_eq!(campaign.state, CampaignState::Interrupted);
    assert_eq!(attempts.len(), 5);
    // It may have been timed, so its index is used.
    assert_eq!(attempts[4].tested, Some(5));
    assert_eq!(
        attempts[4].verdicts.len(),
        1,
        "what was settled before is kept"
    );
    // Another process may have more luck with the machine.
    let ran = lab
        .resumed()
        .ideas(&lines(8)[6..7])
        .judged(not_proven(1))
        .run();
    assert_eq!(ran.stopped(), "the script is over");
}

#[test]
fn a_machine_that_is_lost_ends_it_at_once_and_the_attempt_is_kept() {
    let lab = Lab::new();
    let script = [answers(Answer::NoVerdict { lost: true })];
    let ran = lab.campaign().ideas(&lines(2)).judged(script).run();
    assert!(matches!(ran.result, Err(GateError::Environment(_))));
    let (_, attempts) = lab.on_disk();
    assert_eq!(attempts[0].reason, "no verdict: the GPU is gone");
    assert_eq!(attempts[0].verdict, Kind::NotProven);
}

#[test]
fn a_base_that_fails_ends_it_and_no_attempt_is_closed() {
    let lab = Lab::new();
    let script = [answers(Answer::Environment)];
    let ran = lab.campaign().ideas(&lines(2)).judged(script).run();
    assert!(matches!(ran.result, Err(GateError::Environment(_))));
    let (campaign, attempts) = lab.on_disk();
    assert_eq!(campaign.stopped_because.as_deref(), Some("the base fails"));
    assert!(attempts.is_empty());
}

#[test]
fn profiles_are_made_once_a_base() {
    let lab = Lab::new();
    let script = [
        says(Kind::NotProven),
        says(Kind::Faster),
        says(Kind::NotProven),
    ];
    let ran = lab
        .campaign()
        .ideas(&lines(3))
        .judged(script)
        .wanting_profiles()
        .run();
    assert_eq!(ran.profiled.len(), 2, "the merge is another base");
    assert_eq!(ran.profiled[0], lab.head().id);
    assert_eq!(Some(&ran.profiled[1]), lab.tip().as_ref());
    assert_eq!(
        ran.profiles_seen, 4,
        "the agent sees it each time it is asked"
    );
    let ran = Lab::new().campaign().ideas(&[]).run();
    assert!(
        ran.profiled.is_empty(),
        "an agent that wants none costs none"
    );
}
