//! How a trial's blocks follow from what the pilot shows.

use outpace_trial::{Placement, Plan, Side, pilot};

use crate::fake::{FakeExecutor, Manner, Note};

const READY_S: f64 = 0.1;

/// The plan for a base like this (turns of 20 ms, 40 pairs), and how many steps each side took.
fn piloted(base: Manner, whole: bool, sides: &[Side]) -> (Plan, [usize; 2]) {
    let mut executor = FakeExecutor::new(base, Manner::exact(0.001), 1);
    executor.whole = whole;
    let plan = pilot(&mut executor, sides, 0.020, 40, [1, 2]).unwrap();
    let notes = executor.shared.notes.borrow();
    let steps = |side| notes.iter().filter(|n| **n == Note::Turn(side, 1)).count();
    (plan, Side::BOTH.map(steps))
}

#[test]
fn the_pilot_looks_for_a_second_at_twelve_to_a_hundred_steps() {
    let check = |step_s: f64, expected: usize| {
        let (_, steps) = piloted(Manner::exact(step_s), false, &Side::BOTH);
        assert_eq!(steps, [expected, 3], "{step_s}");
    };
    check(0.021, 48);
    check(0.25, 12);
    check(0.001, 100);
    // Longer than a second, and not longer than 20 s.
    check(0.0625, 17);
    check(3.0, 7);
    check(2.5, 9);
    let (_, steps) = piloted(Manner::exact(0.25), false, &[Side::Base]);
    assert_eq!(steps, [12, 0]);
}

#[test]
fn a_block_is_planned_from_the_settled_time() {
    let (plan, _) = piloted(Manner::exact(0.008), false, &Side::BOTH);
    let expected = Plan {
        steps_per_turn: 3,
        warmup_turns: 2,
        pairs: 40,
        worth_starting: (READY_S / 0.024).ceil() as usize + 2,
        turn_s: 0.024,
        block_s: 2.0 * (READY_S + 0.024 * 42.0),
        placement: Placement::CoResident,
    };
    assert_eq!(
        Plan {
            turn_s: expected.turn_s,
            block_s: expected.block_s,
            ..plan
        },
        expected
    );
    assert!((plan.turn_s - expected.turn_s).abs() < 1e-9, "{plan:?}");
    assert!((plan.block_s - expected.block_s).abs() < 1e-9, "{plan:?}");
}

#[test]
fn a_turn_has_one_step_at_least_and_as_many_as_a_message_holds_at_most() {
    let steps = |step_s: f64| {
        let (plan, _) = piloted(Manner::exact(step_s), false, &Side::BOTH);
        plan.steps_per_turn
    };
    assert_eq!(steps(0.020), 1);
    assert_eq!(steps(0.019), 2);
    assert_eq!(steps(1e-8), 40_000);
}

#[test]
fn a_block_of_long_turns_has_fewer_pairs() {
    let pairs = |step_s: f64| {
        let (plan, _) = piloted(Manner::exact(step_s), false, &Side::BOTH);
        plan.pairs
    };
    assert_eq!(pairs(0.37), 40);
    assert_eq!(pairs(0.74), 20);
    assert_eq!(pairs(40.0), 5);
}

#[test]
fn a_whole_command_is_one_turn_and_is_never_warm() {
    let (plan, steps) = piloted(Manner::exact(0.004), true, &Side::BOTH);
    assert_eq!(steps, [1, 1]);
    assert_eq!((plan.steps_per_turn, plan.warmup_turns), (1, 0));
    assert_eq!((plan.pairs, plan.placement), (40, Placement::CoResident));
    assert!((plan.turn_s - 0.004).abs() < 1e-9, "{plan:?}");
    assert!((plan.block_s - 2.0 * 0.004 * 40.0).abs() < 1e-9, "{plan:?}");
}
