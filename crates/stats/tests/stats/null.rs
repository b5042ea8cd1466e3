//! The published table: false `faster` of 20,000 simulated trials under five shapes of noise, at no
//! gain and at a gain of just the minimum, where trials go on up to ten times.
//!
//! `cargo test --release -p outpace-stats --test stats -- --ignored --nocapture twenty_thousand`

use crate::simulate::{Machine, NOISES, evidence_of};
use outpace_stats::{Pair, Rule, sums, trajectory};

const TRIALS: usize = 20_000;
const RUNS: usize = 10;

/// The first block at which a trial of programs would say `faster`, were it to go on for ever.
fn first_faster(blocks: &[Vec<Pair>], rule: &Rule) -> Option<usize> {
    let [x, y] = evidence_of(blocks);
    let no_minimum = Rule {
        min_speedup: 0.0,
        ..*rule
    };
    let need = rule.threshold_value().ln();
    let mut totals = [0.0; 2];
    let both = trajectory(&x, rule)
        .into_iter()
        .zip(trajectory(&y, &no_minimum));
    let found = both.zip(blocks).position(|((gain, sum), block)| {
        let [base, candidate] = sums(block);
        totals = [totals[0] + base, totals[1] + candidate];
        gain >= need && sum >= need && totals[1] <= totals[0]
    });
    found.map(|at| at + 1)
}

#[test]
#[ignore = "minutes; part of the nightly checks"]
fn twenty_thousand() {
    let rule = Rule::default().of_programs();
    let most = RUNS * rule.max_blocks;
    println!(
        "| noise | no gain, one trial | gain = minimum, one trial | gain = minimum, ten runs |"
    );
    println!("|---|---|---|---|");
    for (seed, noise) in NOISES.into_iter().enumerate() {
        let mut machine = Machine::new(noise, seed as u64 + 100);
        let (mut none, mut one, mut ten) = (0, 0, 0);
        for _ in 0..TRIALS {
            let blocks = |machine: &mut Machine, gain: f64, n: usize| -> Vec<Vec<Pair>> {
                machine.rest();
                (0..n).map(|_| machine.block(gain).to_vec()).collect()
            };
            let equal = blocks(&mut machine, 0.0, rule.max_blocks);
            none += usize::from(first_faster(&equal, &rule).is_some());
            let at_minimum = blocks(&mut machine, rule.min_speedup, most);
            let first = first_faster(&at_minimum, &rule);
            one += usize::from(first.is_some_and(|n| n <= rule.max_blocks));
            ten += usize::from(first.is_some());
        }
        let share = |n: usize| 100.0 * n as f64 / TRIALS as f64;
        println!(
            "| {noise:?} | {:.2} % | {:.2} % | {:.2} % |",
            share(none),
            share(one),
            share(ten)
        );
        for wrong in [none, one, ten] {
            assert!(share(wrong) <= 100.0 * rule.alpha, "{noise:?}: {wrong}");
        }
    }
}
