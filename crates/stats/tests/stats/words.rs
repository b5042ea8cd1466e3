//! Words that records hold, messages, and the constants of the rules.

use outpace_stats::{
    Decision, Outcome, Reason, Rule, SCREEN_BLOCKS, SCREEN_E_BELOW, SCREEN_LOG_E, StatsError,
    e_lond_threshold, gamma, log_e, log_e_limit,
};

#[test]
fn reasons_their_outcomes_and_their_words() {
    for (reason, outcome, sentence, word) in [
        (
            Reason::GainProven,
            Outcome::Faster,
            "gain proven above the minimum",
            "faster",
        ),
        (
            Reason::SlowerProven,
            Outcome::Slower,
            "proven slower than the base",
            "slower",
        ),
        (
            Reason::DifferenceBelowMinimum,
            Outcome::Same,
            "difference proven below the minimum",
            "same",
        ),
        (
            Reason::NotSlowerProven,
            Outcome::NotSlower,
            "proven not slower by the margin",
            "not_slower",
        ),
        (
            Reason::ScreenedOut,
            Outcome::NotProven,
            "screened out",
            "not_proven",
        ),
        (
            Reason::BlocksExhausted,
            Outcome::NotProven,
            "blocks exhausted",
            "not_proven",
        ),
        (
            Reason::SeedsExhausted,
            Outcome::NotProven,
            "seeds exhausted",
            "not_proven",
        ),
        (
            Reason::SumsUnproven,
            Outcome::NotProven,
            "the median turn is faster, all turns together are not proven to be",
            "not_proven",
        ),
    ] {
        assert_eq!(Decision::from(reason), Decision { outcome, reason });
        assert_eq!((reason.as_str(), outcome.as_str()), (sentence, word));
        assert_eq!(
            format!("{reason}|{outcome:<12}|"),
            format!("{sentence}|{word:<12}|")
        );
        assert_eq!(format!("{reason:>70}"), format!("{sentence:>70}"));
    }
}

#[test]
fn the_rules() {
    let single = Rule {
        min_speedup: 0.005,
        alpha: 0.01,
        threshold: None,
        screen: false,
        max_blocks: 100,
        sum_threshold: None,
        margin: None,
        bound_blocks: 0,
        bounds_always: false,
        earlier_blocks: 0,
    };
    assert_eq!(Rule::default(), single);
    let campaign = Rule {
        min_speedup: 0.02,
        threshold: Some(900.0),
        screen: true,
        max_blocks: 48,
        ..single
    };
    assert_eq!(campaign.threshold_value(), 900.0);
    let programs = Rule {
        sum_threshold: Some(900.0),
        bound_blocks: 12,
        bounds_always: false,
        earlier_blocks: 0,
        ..campaign
    };
    assert_eq!(campaign.of_programs(), programs);
    assert_eq!(single.of_programs().sum_threshold, Some(100.0));
    let isolated = Rule {
        min_speedup: 0.0,
        alpha: 0.05,
        threshold: Some(20.0),
        screen: false,
        max_blocks: 24,
        sum_threshold: Some(1.0),
        margin: None,
        bound_blocks: 0,
        bounds_always: false,
        earlier_blocks: 0,
    };
    assert_eq!(Rule::isolated(), isolated);
    assert_eq!(
        (SCREEN_BLOCKS, SCREEN_LOG_E, SCREEN_E_BELOW),
        (4, -1.0, 5.0)
    );
    // Five blocks are the fewest that can show a gain in isolated runs.
    assert!(log_e_limit(4) < 20f64.ln() && 20f64.ln() <= log_e_limit(5));
}

#[test]
fn rules_at_the_edge_of_their_ranges() {
    let edge = Rule {
        min_speedup: 0.0,
        alpha: 1.0 - f64::EPSILON,
        threshold: Some(1.0),
        screen: false,
        max_blocks: 1,
        sum_threshold: Some(1.0),
        margin: None,
        bound_blocks: 0,
        bounds_always: false,
        earlier_blocks: 0,
    };
    assert_eq!(edge.validate(), Ok(()));
    for sum_threshold in [0.5, f64::INFINITY, f64::NAN] {
        let rule = Rule {
            sum_threshold: Some(sum_threshold),
            ..edge
        };
        assert!(matches!(rule.validate(), Err(StatsError::BadThreshold(_))));
    }
}

#[test]
fn messages_say_what_is_allowed() {
    for (error, message) in [
        (
            StatsError::NoBlocks,
            "no blocks: a trial needs at least one",
        ),
        (
            StatsError::EmptyBlock,
            "no pairs: a block needs at least one",
        ),
        (
            StatsError::BadAlpha(2.0),
            "alpha is 2: it must be above 0 and below 1",
        ),
        (
            StatsError::BadMinSpeedup(-0.5),
            "min_speedup is -0.5: it must be finite and at least 0 (0.005 means 0.5 %)",
        ),
        (
            StatsError::BadThreshold(0.5),
            "threshold is 0.5: it must be finite and at least 1",
        ),
        (
            StatsError::NoMaxBlocks,
            "max_blocks is 0: it must be at least 1",
        ),
    ] {
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn the_first_threshold_of_a_campaign_and_a_budget_of_nothing() {
    assert_eq!(gamma(0), 0.0);
    let first = 1.0 / (0.05 * gamma(1));
    assert!((e_lond_threshold(1, 0, 0.05) - first).abs() < 1e-9);
    assert!((e_lond_threshold(1, 3, 0.05) - first / 4.0).abs() < 1e-9);
    assert_eq!(e_lond_threshold(1, 0, 0.0), f64::INFINITY);
}

#[test]
fn clear_blocks_reach_the_limit_of_the_e_value() {
    assert_eq!(log_e_limit(0), 0.0);
    for n in 1..12 {
        let clear = log_e(&vec![f64::INFINITY; n], 0.0);
        assert!((clear - log_e_limit(n)).abs() < 1e-12, "{n}: {clear}");
    }
}
