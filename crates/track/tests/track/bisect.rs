use outpace_track::{Answer, Bisection, Halves, Next};

use crate::common::Draws;

/// Runs a search whose commit `culprit` did it; returns where it ended and how many were asked.
fn search(n: usize, culprit: usize, unknown: &[usize]) -> (Next, usize) {
    let mut bisection = Bisection::new(n);
    for asked in 0.. {
        match bisection.next() {
            Next::Measure(index) => {
                let (good, bad) = bisection.ends();
                assert!(good < index && index < bad, "{index} in {good}..{bad}");
                let answer = match index {
                    _ if unknown.contains(&index) => Answer::Unknown,
                    _ if index < culprit => Answer::Good,
                    _ => Answer::Bad,
                };
                bisection.answer(index, answer);
            }
            end => return (end, asked),
        }
    }
    unreachable!()
}

#[test]
fn every_culprit_is_found_in_logarithmic_time() {
    for n in [2_usize, 3, 4, 7, 40, 41, 1000] {
        let most = Bisection::new(n).most_steps() as usize;
        assert!(most <= 10, "{n}: {most}");
        for culprit in 1..n {
            let (end, asked) = search(n, culprit, &[]);
            assert_eq!(end, Next::Found(culprit), "of {n}");
            assert!(asked <= most, "{asked} of {most} for {culprit} of {n}");
        }
    }
}

#[test]
fn commits_without_an_answer_widen_what_is_named() {
    assert_eq!(search(8, 3, &[4]).0, Next::Found(3));
    assert_eq!(search(8, 4, &[3]).0, Next::OneOf(3, 4));
    assert_eq!(search(8, 3, &[3]).0, Next::OneOf(3, 4));
    assert_eq!(search(5, 2, &[1, 2, 3]).0, Next::OneOf(1, 4));
    for unknown in 1..39 {
        let (end, _) = search(40, 20, &[unknown]);
        match end {
            Next::Found(culprit) => assert_eq!(culprit, 20),
            Next::OneOf(first, last) => assert!((first..=last).contains(&20) && last - first == 1),
            Next::Measure(_) => unreachable!(),
        }
    }
}

#[test]
fn an_answer_is_wrong_about_as_seldom_as_it_says() {
    let halves = Halves {
        change: -0.05,
        alpha: 0.01,
        max_blocks: 60,
    };
    let ask = |centre: f64, noise: f64, seed: u64| {
        let mut draws = Draws::new(seed);
        let mut x = Vec::new();
        loop {
            x.push(centre + noise * draws.normal());
            if let Some(answer) = halves.answer(&x) {
                return (answer, x.len());
            }
        }
    };
    for seed in 1..100 {
        assert_eq!(ask(0.0, 0.01, seed).0, Answer::Good, "{seed}");
        assert_eq!(ask(-0.05, 0.01, seed).0, Answer::Bad, "{seed}");
        assert!(ask(0.0, 0.01, seed).1 <= 20, "{seed}");
    }
    // Exactly between: nothing is proven, but for the error rate.
    let wrong = (1..=300).filter(|seed| ask(-0.025, 0.01, *seed).0 != Answer::Unknown);
    assert!(wrong.count() <= 9, "two questions at 1 % each, of 300");
}
