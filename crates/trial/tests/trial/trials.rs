//! What a trial tells and keeps, in figures that follow from its blocks.

use outpace_record::{Event, NoObserver, Observer};
use outpace_stats::{Evidence, Outcome, Rule};
use outpace_trial::{Settings, Side, SideError, Trial, run_trial};

use crate::fake::{FakeExecutor, Manner, settings};

/// Every event, as it came.
#[derive(Default)]
struct Kept(Vec<Event>);

impl Observer for Kept {
    fn on(&mut self, event: &Event) {
        self.0.push(event.clone());
    }
}

fn observed(base: Manner, candidate: Manner, rule: Rule) -> (Trial, FakeExecutor, Vec<Event>) {
    let mut executor = FakeExecutor::new(base, candidate, 7);
    let settings = Settings {
        rule,
        ..settings(7)
    };
    let mut kept = Kept::default();
    let trial = run_trial(&mut executor, &settings, &mut kept).unwrap();
    (trial, executor, kept.0)
}

fn trial(base: Manner, candidate: Manner) -> Trial {
    observed(base, candidate, Rule::default()).0
}

#[test]
fn what_a_candidate_does_outside_of_its_timed_turns_is_noticed() {
    let honest = Manner {
        step_s: 0.016,
        ..Manner::default()
    };
    let check = |name: &str, candidate: Manner| {
        let trial = trial(Manner::default(), candidate);
        let fault = trial.fault().unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(fault.name, name);
        assert_eq!(trial.decision, None);
    };
    check(
        "timed losses",
        Manner {
            first_loss: Some(4.9),
            ..honest
        },
    );
    let trial = trial(Manner::default(), honest);
    assert_eq!(trial.fault(), None);
    assert_eq!(trial.decision.unwrap().outcome, Outcome::Faster);
    assert!(trial.alone.len() >= 5, "isolated runs confirm it");
}

#[test]
fn overhead_and_throughput_follow_from_the_turns() {
    let (base, candidate) = (Manner::exact(0.020), Manner::exact(0.016));
    let (trial, executor, _) = observed(base, candidate, Rule::default());
    let tokens = trial.tokens_per_s.unwrap();
    assert!((tokens.base - 1024.0 / 0.020).abs() < 0.01, "{tokens:?}");
    assert!(
        (tokens.candidate - 1024.0 / 0.016).abs() < 0.01,
        "{tokens:?}"
    );
    let n = trial.blocks.len() as f64;
    let turns_s: f64 = trial.blocks.iter().flat_map(|b| &b.pairs).flatten().sum();
    let warmup_s = f64::from(trial.plan.warmup_turns) * 0.036;
    let expected = 1.0 - turns_s / (turns_s + n * (2.0 * 0.1 + warmup_s));
    assert!((trial.overhead - expected).abs() < 1e-6, "{trial:?}");
    let all_s = outpace_trial::Executor::clock(&executor).now_s();
    assert!((trial.trial_s - all_s).abs() < 1e-9, "the pilot counts too");
}

#[test]
fn a_turn_of_several_steps_trains_on_the_tokens_of_all() {
    let trial = trial(Manner::exact(0.004), Manner::exact(0.004));
    assert_eq!(trial.plan.steps_per_turn, 5);
    let tokens = trial.tokens_per_s.unwrap();
    assert!((tokens.base - 1024.0 / 0.004).abs() < 0.01, "{tokens:?}");
}

#[test]
fn ctrl_c_before_the_first_block_leaves_nothing_to_judge() {
    let leaves = Manner {
        cancelled_after: Some(0),
        ..Manner::default()
    };
    let trial = trial(leaves, leaves);
    assert_eq!((trial.decision, trial.blocks.len()), (None, 0));
    assert_eq!((trial.overhead, trial.tokens_per_s), (0.0, None));
    assert_eq!(trial.checks, []);
}

#[test]
fn every_block_has_fresh_seeds_that_both_sides_share() {
    let seeds = || {
        let (_, executor, _) = observed(Manner::default(), Manner::exact(0.016), Rule::default());
        executor.shared.seeds.borrow().clone()
    };
    let seeds = (seeds(), seeds());
    assert_eq!(seeds.0, seeds.1, "they are drawn from the trial's seed");
    let mut drawn = Vec::new();
    for of_block in seeds.0.chunks(2) {
        assert_eq!(of_block[0], of_block[1]);
        drawn.extend(of_block[0]);
    }
    assert!(drawn.iter().all(|seed| *seed < 1 << 53), "{drawn:?}");
    assert!(drawn.iter().any(|seed| *seed >= 1 << 50), "{drawn:?}");
    let n = drawn.len();
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), n, "none is used twice");
}

#[test]
fn progress_says_how_far_the_evidence_is_and_how_long_the_rest_takes() {
    let check = |candidate: Manner, rule: Rule, some_sums: bool| {
        let (trial, _, events) = observed(Manner::default(), candidate, rule);
        let (mut pairs, mut done_s) = (0.0, 0.0);
        let mut evidence = Evidence::new(&rule).unwrap();
        let (mut blocks, mut any_sums) = (trial.blocks.iter(), false);
        for event in &events {
            let Event::Block {
                log_e,
                threshold,
                sums,
                speedup,
                at_least,
                left_s,
                n_blocks,
                ..
            } = event
            else {
                continue;
            };
            let block = blocks.next().unwrap();
            evidence.push_block(&block.pairs).unwrap();
            pairs += block.pairs.len() as f64 + f64::from(trial.plan.warmup_turns);
            done_s += 2.0 * 0.1;
            let n = *n_blocks as f64;
            let block_s = (done_s + pairs * (0.020 + candidate.step_s)) / n;
            let summary = evidence.summary();
            assert_eq!((*log_e, *speedup), (summary.log_e, summary.speedup));
            assert_eq!((*threshold, *at_least), (100.0, summary.at_least));
            let proven = evidence.gain_is_proven();
            let needed = rule.sum_threshold.filter(|_| proven);
            assert_eq!(*sums, needed.map(|needed| (evidence.sum_log_e(), needed)));
            any_sums |= sums.is_some();
            let (so_far, needed) = sums.unwrap_or((*log_e, 100.0));
            let for_bounds = rule.bound_blocks.min(rule.max_blocks) as f64 - n;
            let left = (needed.ln() - so_far) / (so_far / n);
            let left = left.max(for_bounds);
            assert_eq!(left_s.is_some(), so_far > 0.0, "{event:?}");
            if let Some(left_s) = left_s {
                let expected = left.ceil().max(0.0) * block_s;
                assert!((left_s - expected).abs() <= 0.02 * expected, "{event:?}");
            }
        }
        assert_eq!(blocks.next(), None, "every block is told");
        assert_eq!(any_sums, some_sums);
        let left = events.iter().rev().find_map(|event| match event {
            Event::Block { left_s, .. } => Some(*left_s),
            _ => None,
        });
        left.unwrap()
    };
    let faster = Manner {
        step_s: 0.019,
        ..Manner::default()
    };
    let done = Some(0.0);
    assert_eq!(check(faster, Rule::default(), false), done);
    assert_eq!(check(faster, Rule::default().of_programs(), true), done);
    let slower = Manner {
        step_s: 0.021,
        ..Manner::default()
    };
    assert_eq!(check(slower, Rule::default(), false), None);
}

#[test]
fn the_pilot_is_told_with_what_it_planned() {
    let (trial, _, events) = observed(Manner::default(), Manner::default(), Rule::default());
    let [Event::PilotStarted { workload }, ended, ..] = &events[..] else {
        panic!("{events:?}")
    };
    let planned = Event::PilotEnded {
        workload: workload.clone(),
        steps_per_turn: trial.plan.steps_per_turn,
        warmup_turns: trial.plan.warmup_turns,
        pairs: trial.plan.pairs,
        block_s: trial.plan.block_s,
        gpus: None,
    };
    assert_eq!((&workload[..], ended), ("w", &planned));
}

#[test]
fn a_side_that_fails_in_the_pilot_is_named() {
    let bad = Manner {
        fails_to_close: true,
        ..Manner::default()
    };
    for side in Side::BOTH {
        let mut sides = [Manner::default(); 2];
        sides[side.index()] = bad;
        let mut executor = FakeExecutor::new(sides[0], sides[1], 7);
        let error = run_trial(&mut executor, &settings(7), &mut NoObserver).unwrap_err();
        assert_eq!(error.is_candidate(), side == Side::Candidate, "{error}");
        assert!(error.to_string().contains(side.as_str()), "{error}");
    }
}

#[test]
fn a_rule_that_cannot_be_used_is_the_fault_of_neither_side() {
    let mut executor = FakeExecutor::new(Manner::default(), Manner::default(), 7);
    let rule = Rule {
        alpha: 2.0,
        ..Rule::default()
    };
    let settings = Settings {
        rule,
        ..settings(7)
    };
    let error = run_trial(&mut executor, &settings, &mut NoObserver).unwrap_err();
    assert!(matches!(error, SideError::Stats(_)), "{error}");
    assert!(!error.is_candidate() && !error.is_cancelled() && !error.is_own_end());
}
