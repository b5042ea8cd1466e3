//! What one block does, and what it keeps of what it saw.

use outpace_record::Block;
use outpace_trial::{BlockPlan, Placement, Plan, Side, WorkloadError, run_block};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::fake::{FakeExecutor, Manner, Note};

/// Three warm-up turns of two steps, then four pairs.
fn plan(placement: Placement) -> BlockPlan {
    BlockPlan {
        plan: Plan {
            steps_per_turn: 2,
            warmup_turns: 3,
            pairs: 4,
            worth_starting: 5,
            turn_s: 0.04,
            block_s: 1.0,
            placement,
        },
        model_seed: 11,
        data_seed: 22,
        probe_before: None,
        save: false,
    }
}

const PLACEMENTS: [Placement; 2] = [Placement::CoResident, Placement::Alternating];

fn run(
    sides: [Manner; 2],
    placement: Placement,
    seed: u64,
) -> (Result<Block, (Side, WorkloadError)>, FakeExecutor) {
    let mut executor = FakeExecutor::new(sides[0], sides[1], seed);
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let block = run_block(&mut executor, &plan(placement), &mut rng);
    (block, executor)
}

#[track_caller]
fn near(found: Option<[f64; 2]>, expected: [f64; 2]) {
    let found = found.unwrap();
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn the_figures_of_each_side_are_its_own() {
    let base = Manner {
        ready_s: 0.3,
        peak_mib: 100.4,
        ..Manner::exact(0.020)
    };
    let candidate = Manner {
        ready_s: 0.5,
        peak_mib: 200.6,
        ..Manner::exact(0.010)
    };
    for placement in PLACEMENTS {
        for seed in 0..4 {
            let block = run([base, candidate], placement, seed).0.unwrap();
            assert_eq!(block.pairs, [[0.040, 0.020]; 4]);
            near(block.ready_s, [0.3, 0.5]);
            near(block.wall_s, [0.3 + 7.0 * 0.040, 0.5 + 7.0 * 0.020]);
            assert_eq!(block.peak_mib, Some([100.0, 201.0]), "whole MiB");
            assert_eq!((block.idle_gpu, block.gpus.len()), (None, 0));
        }
    }
}

#[test]
fn cpu_time_between_two_turns_is_charged_to_the_side_that_waits() {
    let idle = |idle_s: f64| Manner {
        idle_s,
        ..Manner::exact(0.020)
    };
    for seed in 0..4 {
        let sides = [idle(0.002), idle(0.006)];
        let block = run(sides, Placement::CoResident, seed).0.unwrap();
        // Of each of seven turns, those of the warm-up too, the half that the fake uses before it.
        near(block.idle_cpu_s, [7.0 * 0.001, 7.0 * 0.003]);
        let block = run(sides, Placement::Alternating, seed).0.unwrap();
        assert_eq!(block.idle_cpu_s, None, "no side waits");
    }
}

#[test]
fn the_first_process_to_start_is_drawn() {
    for placement in PLACEMENTS {
        let base_first = (0..40).filter(|&seed| {
            let (_, executor) = run([Manner::exact(0.02); 2], placement, seed);
            executor.shared.notes.borrow()[0] == Note::Open(Side::Base)
        });
        let base_first = base_first.count();
        assert!((8..=32).contains(&base_first), "{base_first} of 40");
    }
}

#[test]
fn both_sides_start_from_the_seeds_of_the_block() {
    for placement in PLACEMENTS {
        let (_, executor) = run([Manner::exact(0.02); 2], placement, 1);
        assert_eq!(*executor.shared.seeds.borrow(), [[11, 22]; 2]);
    }
}

#[test]
fn one_after_the_other_a_turn_lasts_until_the_next_one() {
    let hides = Manner {
        unsaid_s: 0.005,
        ..Manner::exact(0.010)
    };
    let sides = [Manner::exact(0.020), hides];
    let block = run(sides, Placement::Alternating, 1).0.unwrap();
    assert_eq!(block.pairs, [[0.040, 0.025]; 4]);
    let block = run(sides, Placement::CoResident, 1).0.unwrap();
    assert_eq!(block.pairs, [[0.040, 0.020]; 4], "CPU time tells there");
}

#[test]
fn the_side_that_fails_is_named_whatever_it_fails_at() {
    let good = Manner::exact(0.02);
    let ways = [
        Manner {
            fails_to_open: true,
            ..good
        },
        Manner {
            fails_at: Some(2),
            ..good
        },
        Manner {
            fails_at: Some(5),
            ..good
        },
        Manner {
            fails_to_close: true,
            ..good
        },
    ];
    for placement in PLACEMENTS {
        for bad in ways {
            for side in Side::BOTH {
                let mut sides = [good; 2];
                sides[side.index()] = bad;
                let (named, error) = run(sides, placement, 3).0.unwrap_err();
                assert_eq!(named, side, "{error}");
            }
        }
    }
}
