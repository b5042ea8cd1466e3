//! What both sides trained in isolated runs is compared, and what saving costs counts.

use outpace_stats::Outcome;
use outpace_trial::{SameModel, Settings, Side, Trial};

use crate::fake::{Manner, Note, settings, trial_with};

fn trial(base: Manner, candidate: Manner, seed: u64) -> (Trial, Vec<Note>) {
    let settings = Settings {
        same_model: Some(SameModel::default()),
        ..settings(seed)
    };
    trial_with(&settings, base, candidate)
}

fn faster() -> Manner {
    Manner {
        step_s: 0.020 / 1.08,
        ..Manner::default()
    }
}

fn fault(trial: &Trial) -> Option<&str> {
    trial.fault().map(|check| &check.name[..])
}

#[test]
fn work_that_is_left_out_after_the_checked_steps_is_found() {
    // Within the 1 % that losses may differ by from turn to turn.
    let candidate = Manner {
        loss_from: Some((30, 4.97)),
        ..faster()
    };
    for seed in 0..10 {
        let (trial, _) = trial(Manner::default(), candidate, seed);
        assert_eq!(fault(&trial), Some("isolated losses"), "seed {seed}");
    }
}

#[test]
fn an_honest_gain_is_confirmed_and_the_same_model_with_it() {
    for seed in 0..10 {
        let (trial, notes) = trial(Manner::default(), faster(), seed);
        assert_eq!(trial.decision.unwrap().outcome, Outcome::Faster);
        let compared = trial.checks.iter().find(|c| c.name == "isolated losses");
        assert!(compared.unwrap().passed, "seed {seed}: {:?}", trial.checks);
        // Both save in each isolated run, and the base where it trains once more, twice then.
        let saves = |side| notes.iter().filter(|n| **n == Note::Save(side)).count();
        assert_eq!(saves(Side::Candidate), trial.alone.len());
        let again = saves(Side::Base) - trial.alone.len();
        assert!(
            again.is_multiple_of(2) && (2..=6).contains(&again),
            "{again}"
        );
    }
}

#[test]
fn what_is_caught_up_with_while_it_saves_is_no_gain() {
    // A tenth of a second of 0.12 that it gains in a run.
    let candidate = Manner {
        save_s: 0.1,
        ..faster()
    };
    let (late, _) = trial(Manner::default(), candidate, 1);
    assert_eq!(fault(&late), Some("saving"), "{:?}", late.checks);
    let (both, _) = trial(
        Manner {
            save_s: 0.1,
            ..Manner::default()
        },
        candidate,
        1,
    );
    assert_eq!(fault(&both), None);
}

#[test]
fn a_base_that_drifts_from_itself_at_this_length_blames_nobody() {
    let drifting = Manner {
        loss_noise: 0.03,
        ..Manner::default()
    };
    let candidate = Manner {
        loss_noise: 0.03,
        ..faster()
    };
    let (trial, _) = trial(drifting, candidate, 2);
    assert_eq!(fault(&trial), None, "{:?}", trial.checks);
    let compared = trial.checks.iter().find(|c| c.name == "isolated losses");
    assert!(compared.unwrap().detail.contains("not compared"));
}

#[test]
fn nor_does_one_that_drifts_by_little_less_than_a_candidate_may() {
    // The worst of its steps is 0.5 to 1 % from itself, another time from 0.6 to 1.2 %.
    for seed in 0..40 {
        let noisy = |manner: Manner| Manner {
            loss_noise: 0.0025,
            ..manner
        };
        let (trial, _) = trial(noisy(Manner::default()), noisy(faster()), seed);
        assert_eq!(fault(&trial), None, "seed {seed}: {:?}", trial.checks);
    }
}

#[test]
fn ctrl_c_keeps_the_isolated_runs_that_were_measured() {
    let leaving = |manner: Manner| Manner {
        cancelled_after: Some(10),
        ..manner
    };
    let (trial, _) = trial(leaving(Manner::default()), leaving(faster()), 1);
    assert_eq!((trial.decision, trial.blocks.len()), (None, 8));
    assert!(
        (1..=2).contains(&trial.alone.len()),
        "{}",
        trial.alone.len()
    );
}

#[test]
fn a_gain_that_isolated_runs_do_not_show_is_no_fraud_of_saving() {
    let candidate = Manner {
        unsaid_s: 0.004,
        ..faster()
    };
    let (trial, _) = trial(Manner::default(), candidate, 3);
    assert_eq!(fault(&trial), None, "{:?}", trial.checks);
    assert_ne!(trial.decision.unwrap().outcome, Outcome::Faster);
}
