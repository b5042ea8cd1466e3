use outpace_track::{BUDGET, MIN_CHANGE, Proof, Settled};

use crate::common::blocks;

fn run(proof: Proof, change: f64, noise: f64, seed: u64) -> (Settled, usize) {
    let all = blocks(proof.max_blocks, change, noise, seed);
    let mut settled = (1..=all.len()).map(|n| (proof.settle(&all[..n]), n));
    let (settled, n) = settled.find(|(settled, _)| settled.is_some()).unwrap();
    (settled.unwrap(), n)
}

#[test]
fn a_slowdown_is_proven_and_a_small_one_is_not() {
    let proof = Proof::number(1, MIN_CHANGE);
    for seed in 1..30 {
        let (settled, n) = run(proof, -0.05, 0.005, seed);
        assert!(settled.proven && n <= 16, "{seed}: {settled:?} after {n}");
        assert!((settled.speedup + 0.049).abs() < 0.01, "{settled:?}");
        assert!(settled.at_most.unwrap() < -MIN_CHANGE / 2.0, "{settled:?}");
        assert!(!run(proof, -0.005, 0.005, seed).0.proven, "{seed}");
        assert!(!run(proof, 0.0, 0.005, seed).0.proven, "{seed}");
        assert!(!run(proof, 0.05, 0.005, seed).0.proven, "{seed}");
    }
}

#[test]
fn the_shares_of_all_trials_together_stay_in_the_budget() {
    let share = |t| Proof::number(t, MIN_CHANGE).alpha;
    assert!(share(1) > share(2) && share(2) > share(100));
    let sum: f64 = (1..200_000).map(share).sum();
    assert!(sum < BUDGET && sum > 0.9 * BUDGET, "{sum}");
}

#[test]
fn what_was_found_by_chance_is_hardly_ever_proven() {
    // As many fresh trials as flat series of all kinds of noise ask for in ten years of nights.
    let mut proven = 0;
    for index in 1..=120 {
        let noise = [0.002, 0.01, 0.05][index % 3];
        let settled = run(Proof::number(index, MIN_CHANGE), 0.0, noise, index as u64).0;
        proven += usize::from(settled.proven);
    }
    assert!(proven <= 1, "{proven} of 120 trials of equal programs");
}
