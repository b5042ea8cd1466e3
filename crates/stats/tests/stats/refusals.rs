//! What is refused, and how it is said.

use outpace_stats::{
    Evidence, Outcome, Pair, Reason, Rule, StatsError, block_log_ratio, judge, lower_bound,
};

#[test]
fn bad_blocks() {
    let check = |pairs: &[Pair], want: &str| {
        let error = block_log_ratio(pairs).expect_err("refused");
        assert_eq!(error.to_string(), want);
    };
    check(&[], "no pairs: a block needs at least one");
    let bad: [(Pair, &str); 7] = [
        ([0.0, 1.0], "0 and 1"),
        ([1.0, 0.0], "1 and 0"),
        ([-1.0, -1.0], "-1 and -1"),
        ([f64::NAN, 1.0], "NaN and 1"),
        ([1.0, f64::INFINITY], "1 and inf"),
        ([f64::INFINITY, 1.0], "inf and 1"),
        ([f64::INFINITY, f64::INFINITY], "inf and inf"),
    ];
    for (pair, shown) in bad {
        let want =
            format!("pair 2: the times are {shown}, both must be finite and above 0 seconds");
        check(&[[1.0, 1.0], pair], &want);
    }
}

#[test]
fn bad_trials() {
    let none: [Vec<Pair>; 0] = [];
    let rule = Rule::default();
    assert_eq!(judge(&none, &rule), Err(StatsError::NoBlocks));
    let error = judge(&[vec![[1.0, 1.0]], vec![]], &rule).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "block 2: no pairs: a block needs at least one"
    );
    let zero = [vec![[1.0, 1.0]], vec![[1.0, 1.0], [0.0, 1.0]]];
    let error = judge(&zero, &rule).expect_err("refused");
    assert!(
        error
            .to_string()
            .starts_with("block 2, pair 2: the times are 0 and 1"),
        "{error}"
    );
}

#[test]
fn bad_rules() {
    let check = |rule: Rule, want: &str| {
        let error = rule.validate().expect_err("refused");
        assert!(error.to_string().starts_with(want), "{error}");
        let same = Evidence::new(&rule).expect_err("refused");
        assert_eq!(same.to_string(), error.to_string()); // not ==, for NaN
    };
    let good = Rule::default();
    assert_eq!(good.validate(), Ok(()));
    assert_eq!(good.threshold_value(), 100.0);
    for alpha in [0.0, 1.0, -0.1, f64::NAN, f64::INFINITY] {
        check(Rule { alpha, ..good }, &format!("alpha is {alpha}:"));
        assert_eq!(lower_bound(&[0.1; 50], alpha), None);
    }
    for min_speedup in [-0.001, f64::NAN, f64::INFINITY] {
        let rule = Rule {
            min_speedup,
            ..good
        };
        check(rule, &format!("min_speedup is {min_speedup}:"));
    }
    for threshold in [0.0, 0.99, -5.0, f64::NAN, f64::INFINITY] {
        let rule = Rule {
            threshold: Some(threshold),
            ..good
        };
        check(rule, &format!("threshold is {threshold}:"));
    }
    let rule = Rule {
        max_blocks: 0,
        ..good
    };
    check(rule, "max_blocks is 0:");
}

#[test]
fn blocks_run_out() {
    let rule = Rule {
        max_blocks: 3,
        ..Rule::default()
    };
    let mut evidence = Evidence::new(&rule).unwrap();
    assert!(evidence.summary().speedup.is_nan());
    assert_eq!((evidence.push(0.1), evidence.push(0.1)), (None, None));
    let end = evidence.push(0.1).expect("three blocks are the most");
    assert_eq!(
        (end.outcome, end.reason),
        (Outcome::NotProven, Reason::BlocksExhausted)
    );
    assert_eq!(evidence.push(0.1), Some(end));
    assert_eq!(evidence.n_blocks(), 3);

    let few = judge(&[[[1.0, 1.0]]], &Rule::default()).unwrap();
    assert_eq!(few.reason.as_str(), "blocks exhausted");
    assert_eq!((few.summary.at_least, few.summary.at_most), (None, None));
}
