//! What a trial does, in which order, and what it makes of it.

use outpace_record::{Block, Event, NoObserver, Observer};
use outpace_stats::{Outcome, Reason, Rule};
use outpace_trial::{
    BlockPlan, Earlier, Placement, Plan, Settings, Side, Trial, run_block, run_trial,
};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::fake::{FakeExecutor, Manner, Note, settings, trial_with};

fn trial(base: Manner, candidate: Manner, seed: u64) -> (Trial, Vec<Note>) {
    trial_with(&settings(seed), base, candidate)
}

fn faster(by: f64) -> Manner {
    Manner {
        step_s: 0.020 / (1.0 + by),
        ..Manner::default()
    }
}

#[test]
fn the_verdict_follows_the_truth() {
    for seed in 0..20 {
        let outcome = |candidate| {
            trial(Manner::default(), candidate, seed)
                .0
                .decision
                .unwrap()
                .outcome
        };
        assert_eq!(outcome(faster(0.03)), Outcome::Faster, "seed {seed}");
        assert_eq!(outcome(faster(-0.03)), Outcome::Slower, "seed {seed}");
        assert_ne!(outcome(faster(0.0)), Outcome::Faster, "seed {seed}");
    }
}

#[test]
fn every_block_is_a_fresh_process_of_each_side() {
    let (trial, notes) = trial(Manner::default(), faster(0.05), 1);
    let count = |note: &Note| notes.iter().filter(|n| *n == note).count();
    let blocks = trial.blocks.len() + trial.alone.len();
    assert_eq!(
        count(&Note::Open(Side::Base)),
        blocks + 1,
        "one a block and one for the pilot"
    );
    assert_eq!(count(&Note::Open(Side::Candidate)), blocks + 1);
    assert_eq!(
        count(&Note::Close(Side::Base)),
        blocks + 1,
        "all are ended in good order"
    );
    let lengths: Vec<usize> = trial.blocks.iter().map(|b| b.pairs.len()).collect();
    assert!(lengths.iter().all(|n| (2..=22).contains(n)), "{lengths:?}");
    assert!(lengths.iter().any(|n| *n != lengths[0]), "they are drawn");
    let tokens = trial.tokens_per_s.unwrap();
    assert!(
        (tokens.base - 1024.0 / 0.020).abs() < 0.02 * tokens.base,
        "{tokens:?}"
    );
}

#[test]
fn order_is_drawn_at_random_and_from_the_seed_alone() {
    let first_of_pairs = |seed| {
        let (trial, notes) = trial(Manner::default(), faster(0.05), seed);
        let turns: Vec<Side> = notes
            .iter()
            .filter_map(|n| {
                if let Note::Turn(side, _) = n {
                    Some(*side)
                } else {
                    None
                }
            })
            .collect();
        // Behind the pilot come pairs only, and then isolated runs.
        let turns_of = |blocks: &[Block]| -> usize {
            let of = |b: &Block| 2 * (b.pairs.len() + trial.plan.warmup_turns as usize);
            blocks.iter().map(of).sum()
        };
        let end = turns.len() - turns_of(&trial.alone);
        let paired = &turns[end - turns_of(&trial.blocks)..end];
        assert!(
            paired.chunks(2).all(|pair| pair[0] != pair[1]),
            "each side takes one turn in each pair"
        );
        paired.iter().step_by(2).copied().collect::<Vec<_>>()
    };
    let order = first_of_pairs(3);
    let base_first = order.iter().filter(|side| **side == Side::Base).count();
    assert!(
        base_first * 4 > order.len() && base_first * 4 < 3 * order.len(),
        "{base_first} of {}",
        order.len()
    );
    assert_eq!(order, first_of_pairs(3));
    assert_ne!(order, first_of_pairs(4));
}

#[test]
fn short_steps_are_gathered_into_turns() {
    let quick = Manner {
        step_s: 0.003,
        ..Manner::default()
    };
    let (trial, notes) = trial(
        quick,
        Manner {
            step_s: 0.0028,
            ..quick
        },
        5,
    );
    assert_eq!(trial.plan.steps_per_turn, 7);
    assert!(notes.contains(&Note::Turn(Side::Candidate, 7)));
}

#[test]
fn what_a_candidate_does_to_look_fast_is_noticed() {
    let check = |candidate: Manner, name: &str| {
        let (trial, _) = trial(Manner::default(), candidate, 7);
        let fault = trial
            .fault()
            .unwrap_or_else(|| panic!("{name} was not noticed"));
        assert_eq!(fault.name, name);
        assert!(
            trial.decision.is_none() && trial.blocks.len() <= 3,
            "it ends at once"
        );
    };
    check(
        Manner {
            loss: 4.9,
            ..faster(0.2)
        },
        "timed losses",
    );
    check(
        Manner {
            loss: f64::NAN,
            ..faster(0.2)
        },
        "timed losses",
    );
    check(
        Manner {
            tokens: 512,
            ..faster(0.2)
        },
        "tokens",
    );
    let (honest, _) = trial(
        Manner::default(),
        Manner {
            idle_s: 0.0005,
            loss: 5.01,
            ready_s: 0.2,
            ..faster(0.2)
        },
        7,
    );
    assert!(honest.fault().is_none(), "{:?}", honest.fault());
}

#[test]
fn work_that_is_gathered_in_a_few_turns_is_no_gain() {
    let rule = Rule::default().of_programs();
    let found = |candidate: Manner, seed: u64| {
        let mut executor = FakeExecutor::new(Manner::default(), candidate, seed);
        let settings = Settings {
            rule,
            ..settings(seed)
        };
        run_trial(&mut executor, &settings, &mut NoObserver).unwrap()
    };
    for seed in 0..5 {
        let gathers = Manner {
            gathers: Some(5),
            ..Manner::default()
        };
        let trial = found(gathers, seed);
        assert_eq!(trial.fault().expect("it was not noticed").name, "sums");
        assert!(trial.blocks.len() <= 12);
        // One that is faster all the same is not as fast as its median says.
        let trial = found(
            Manner {
                step_s: 0.015,
                ..gathers
            },
            seed,
        );
        assert_eq!(trial.fault().expect("it was not noticed").name, "sums");
        let trial = found(faster(0.03), seed);
        assert_eq!(trial.decision.unwrap().outcome, Outcome::Faster);
        assert!(trial.checks.iter().any(|check| check.name == "sums"));
    }
}

#[test]
fn a_gain_that_is_there_side_by_side_alone_is_none() {
    // Each turn leaves work that is not in its time: in isolated runs the next one waits for it.
    let candidate = Manner {
        unsaid_s: 0.004,
        ..faster(0.1)
    };
    let (trial, _) = trial(Manner::default(), candidate, 3);
    assert_eq!(trial.fault(), None);
    assert_eq!(trial.decision.unwrap().reason, Reason::NotConfirmed);
    assert!(trial.evidence.gain_is_proven());
    assert!(!trial.alone.is_empty() && trial.alone.len() < 24);
    assert!(trial.refuted.unwrap().contains("runs"));
}

#[test]
fn work_made_ahead_in_the_start_is_no_gain() {
    // A fifth of 70 steps' work is done before the clock: 0.28 s of start.
    let candidate = Manner {
        ready_s: 0.38,
        ahead: Some((70, 0.004)),
        ..Manner::default()
    };
    for seed in 0..5 {
        let (trial, _) = trial(Manner::default(), candidate, seed);
        assert_eq!(
            trial.decision.unwrap().reason,
            Reason::NotConfirmed,
            "{seed}"
        );
    }
}

#[test]
fn what_an_honest_candidate_may_do_is_no_fault() {
    let check = |candidate: Manner| {
        let (trial, _) = trial(Manner::default(), candidate, 4);
        assert_eq!(trial.fault(), None);
        assert_eq!(trial.decision.unwrap().outcome, Outcome::Faster);
        trial
    };
    let longer = check(Manner {
        ready_s: 1.0,
        ..faster(0.2)
    });
    // 0.9 s pay for 270 turns that are 3.3 ms shorter.
    assert!(longer.alone.iter().all(|block| block.pairs.len() >= 540));
    check(Manner {
        cold_s: 1.0,
        ..faster(0.2)
    });
    check(Manner {
        exit_s: 1.0,
        ..faster(0.2)
    });
    let prefetches = check(Manner {
        idle_s: 0.010,
        ..faster(0.2)
    });
    assert!(
        prefetches
            .checks
            .iter()
            .any(|check| check.name == "waiting")
    );
}

#[test]
fn a_start_that_pays_for_more_than_the_time_limit_is_not_proven() {
    let candidate = Manner {
        ready_s: 30.0,
        ..faster(0.1)
    };
    let mut executor = FakeExecutor::new(Manner::default(), candidate, 1);
    let settings = Settings {
        max_s: 500.0,
        ..settings(1)
    };
    let trial = run_trial(&mut executor, &settings, &mut NoObserver).unwrap();
    assert_eq!(trial.decision.unwrap().reason, Reason::TimeExhausted);
    assert!(trial.refuted.unwrap().contains("max_seconds"));
}

#[test]
fn a_workload_that_cannot_live_beside_itself_is_timed_one_after_the_other() {
    let port = |manner| Manner {
        needs_the_port: true,
        ..manner
    };
    let (found, _) = trial(port(Manner::default()), port(faster(0.1)), 2);
    assert_eq!(found.decision.unwrap().outcome, Outcome::Faster);
    assert_eq!(found.plan.placement, Placement::Alternating);
    let line = found.checks.iter().find(|check| check.name == "placement");
    assert!(line.unwrap().detail.contains("one process after the other"));
    // A candidate that cannot live beside the base is its own fault.
    let run = |base, candidate| {
        let mut executor = FakeExecutor::new(base, candidate, 2);
        run_trial(&mut executor, &settings(2), &mut NoObserver)
    };
    let mut refused = run(Manner::default(), port(faster(0.1)));
    for seed in 3..20 {
        // Which of both starts first is drawn.
        let mut executor = FakeExecutor::new(Manner::default(), port(faster(0.1)), seed);
        refused = refused.and(run_trial(&mut executor, &settings(seed), &mut NoObserver));
    }
    assert!(refused.unwrap_err().is_candidate());
}

#[test]
fn how_long_blocks_are_moves_no_seed_and_no_order() {
    let firsts = |ready_s: f64| {
        let slow = |manner| Manner { ready_s, ..manner };
        let mut executor = FakeExecutor::new(slow(Manner::default()), slow(faster(0.05)), 5);
        let trial = run_trial(&mut executor, &settings(5), &mut NoObserver).unwrap();
        let shared = &executor.shared;
        let seeds = shared.seeds.borrow()[..20].to_vec();
        let opened = |note: &Note| match note {
            Note::Open(side) => Some(*side),
            _ => None,
        };
        let order: Vec<Side> = shared.notes.borrow().iter().filter_map(opened).collect();
        (seeds, order[..20].to_vec(), trial.blocks[0].pairs.len())
    };
    let (quick, slow) = (firsts(0.05), firsts(0.3));
    assert_ne!(quick.2, slow.2, "a slow start makes blocks longer");
    assert_eq!((quick.0, quick.1), (slow.0, slow.1));
}

#[test]
fn where_not_to_be_slower_is_enough_a_gain_that_is_not_confirmed_is_no_failure() {
    let candidate = Manner {
        unsaid_s: 0.004,
        ..faster(0.1)
    };
    let mut executor = FakeExecutor::new(Manner::default(), candidate, 3);
    let settings = Settings {
        rule: Rule {
            margin: Some(0.01),
            ..Rule::default()
        },
        ..settings(3)
    };
    let trial = run_trial(&mut executor, &settings, &mut NoObserver).unwrap();
    assert_eq!(trial.decision.unwrap().reason, Reason::NotSlowerProven);
}

#[test]
fn a_trial_ends_after_its_seconds_too() {
    let mut executor = FakeExecutor::new(Manner::default(), Manner::default(), 1);
    let settings = Settings {
        max_s: 5.0,
        ..settings(1)
    };
    let trial = run_trial(&mut executor, &settings, &mut NoObserver).unwrap();
    assert_eq!(trial.decision.unwrap().reason, Reason::TimeExhausted);
    assert!(
        trial.trial_s > 5.0 && trial.trial_s < 7.0,
        "{}",
        trial.trial_s
    );
}

#[test]
fn a_side_that_fails_is_named() {
    let broken = Manner {
        fails_at: Some(9),
        ..Manner::default()
    };
    let run = |base, candidate| {
        run_trial(
            &mut FakeExecutor::new(base, candidate, 1),
            &settings(1),
            &mut NoObserver,
        )
    };
    let error = run(Manner::default(), broken).unwrap_err();
    assert!(
        error.is_candidate()
            && error
                .to_string()
                .contains("the candidate failed: it reports: it broke"),
        "{error}"
    );
    let error = run(broken, Manner::default()).unwrap_err();
    assert!(
        !error.is_candidate() && error.to_string().contains("the base failed"),
        "{error}"
    );
}

#[test]
fn ctrl_c_keeps_what_was_measured() {
    let leaving = Manner {
        cancelled_after: Some(3),
        ..Manner::default()
    };
    let (trial, _) = trial(leaving, leaving, 1);
    assert_eq!((trial.decision, trial.blocks.len()), (None, 3));
    assert!(trial.fault().is_none());
}

#[test]
fn progress_is_told_block_by_block() {
    struct Count(Vec<usize>);
    impl Observer for Count {
        fn on(&mut self, event: &Event) {
            if let Event::Block { n_blocks, .. } = event {
                self.0.push(*n_blocks);
            }
        }
    }
    let mut count = Count(Vec::new());
    let mut executor = FakeExecutor::new(Manner::default(), faster(0.05), 2);
    let trial = run_trial(&mut executor, &settings(2), &mut count).unwrap();
    assert_eq!(count.0, (1..=trial.blocks.len()).collect::<Vec<_>>());
    assert!(
        trial.overhead > 0.0 && trial.overhead < 0.5,
        "{}",
        trial.overhead
    );
}

#[test]
fn where_both_do_not_fit_one_lives_after_the_other() {
    let plan = Plan {
        steps_per_turn: 2,
        warmup_turns: 3,
        pairs: 4,
        worth_starting: 5,
        turn_s: 0.04,
        block_s: 1.0,
        placement: Placement::Alternating,
    };
    let block = BlockPlan {
        plan,
        model_seed: 1,
        data_seed: 2,
        probe_before: Some(1),
        save: false,
    };
    let quiet = |step_s| Manner {
        step_s,
        noise: 0.0,
        launch_noise: 0.0,
        ..Manner::default()
    };
    let mut firsts = Vec::new();
    for seed in 0..20 {
        let mut executor = FakeExecutor::new(quiet(0.020), quiet(0.010), seed);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let measured = run_block(&mut executor, &block, &mut rng).unwrap();
        assert_eq!(measured.pairs, vec![[0.040, 0.020]; 4]);
        assert_eq!(measured.idle_cpu_s, None, "nobody waits");
        let notes = executor.shared.notes.borrow();
        let Note::Open(first) = notes[0] else {
            panic!("{notes:?}")
        };
        let life = |side| {
            let turns = vec![Note::Turn(side, 2); 7];
            [vec![Note::Open(side)], turns, vec![Note::Close(side)]].concat()
        };
        let second = Side::BOTH[1 - first.index()];
        assert_eq!(*notes, [life(first), life(second)].concat());
        firsts.push(first);
    }
    let base_first = firsts.iter().filter(|side| **side == Side::Base).count();
    assert!(
        (4..=16).contains(&base_first),
        "the order is drawn: {firsts:?}"
    );
}

#[test]
fn a_trial_goes_on_from_an_earlier_one() {
    let neutral = Manner::default();
    let (first, _) = trial(neutral, faster(0.004), 3);
    assert_ne!(first.decision.unwrap().outcome, Outcome::Faster);
    let n = first.blocks.len();
    let mut executor = FakeExecutor::new(neutral, faster(0.05), 4);
    let settings = Settings {
        rule: Rule {
            max_blocks: 100 + n,
            earlier_blocks: n,
            ..Rule::default()
        },
        earlier: Earlier {
            blocks: first.blocks.clone(),
            alone: Vec::new(),
            seeds: Vec::new(),
            equal_steps: None,
            confirmed_steps: false,
            layout: Some([first.plan.steps_per_turn + 1, first.plan.warmup_turns]),
        },
        ..settings(4)
    };
    let second = run_trial(&mut executor, &settings, &mut NoObserver).unwrap();
    assert_eq!(second.blocks[..n], first.blocks[..]);
    assert!(second.blocks.len() > n, "what was there decides nothing");
    assert_eq!(second.plan.steps_per_turn, first.plan.steps_per_turn + 1);
    // Evidence counts what was seen before: blocks without a gain weigh against it.
    let fresh = trial(neutral, faster(0.05), 4).0;
    assert!(second.blocks.len() - n > fresh.blocks.len(), "{n}");
}
