//! The base against itself: what is measured, and what it forecasts.

use outpace_record::{Block, Event, Observer};
use outpace_stats::{Rule, Schedule, standard_deviation};
use outpace_trial::{Noise, Side, measure_noise};

use crate::fake::{FakeExecutor, Manner, Note, settings};

struct Blocks(Vec<(usize, f64)>);

impl Observer for Blocks {
    fn on(&mut self, event: &Event) {
        if let Event::SideBlock {
            n_blocks,
            log_ratio,
            ..
        } = event
        {
            self.0.push((*n_blocks, *log_ratio));
        }
    }
}

fn noise(sides: [Manner; 2]) -> (Noise, FakeExecutor, Blocks) {
    let mut executor = FakeExecutor::new(sides[0], sides[1], 7);
    let mut blocks = Blocks(Vec::new());
    let noise = measure_noise(&mut executor, &settings(7), 6, &mut blocks).unwrap();
    (noise, executor, blocks)
}

#[test]
fn noise_is_the_deviation_of_as_many_blocks_as_were_asked_for() {
    let (noise, executor, told) = noise([Manner::default(); 2]);
    assert_eq!(noise.log_ratios.len(), 6);
    assert_eq!(noise.sd, standard_deviation(&noise.log_ratios));
    assert!(noise.sd > 0.0);
    let expected = (1..).zip(&noise.log_ratios).map(|(n, x)| (n, *x));
    assert_eq!(told.0, expected.collect::<Vec<_>>());
    assert_eq!((noise.placement, noise.conditions), (None, None));
    let notes = executor.shared.notes.borrow();
    let opened = |side| notes.iter().filter(|n| **n == Note::Open(side)).count();
    assert_eq!(Side::BOTH.map(opened), [7, 7], "the pilot starts both");
}

#[test]
fn a_block_compares_base_with_candidate_in_this_order() {
    let (noise, _, _) = noise([Manner::exact(0.020), Manner::exact(0.010)]);
    for log_ratio in noise.log_ratios {
        assert!((log_ratio - 2.0_f64.ln()).abs() < 1e-6, "{log_ratio}");
    }
}

#[test]
fn every_block_of_noise_has_seeds_of_its_own() {
    let (_, executor, _) = noise([Manner::default(); 2]);
    let seeds = executor.shared.seeds.borrow();
    let mut drawn: Vec<u64> = Vec::new();
    for of_both in seeds.chunks(2) {
        assert_eq!(of_both[0], of_both[1]);
        drawn.extend(of_both[0]);
    }
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), 14, "two for the pilot and two a block");
}

#[test]
fn a_forecast_counts_blocks_as_a_trial_would_take_them_and_isolated_runs() {
    let pairs = |x: f64| vec![[x.exp(), 1.0]; 40];
    let block = |x| Block {
        pairs: pairs(x),
        ..Block::default()
    };
    let noise = Noise {
        blocks: [-0.01, 0.0, 0.01].map(block).to_vec(),
        log_ratios: vec![-0.01, 0.0, 0.01],
        sd: 0.01,
        block_s: 100.0,
        schedule: Schedule {
            pairs: 40,
            worth_starting: Some(0),
        },
        ready_s: 0.0,
        overhead: 0.2,
        placement: None,
        conditions: None,
    };
    let rule = Rule::default();
    let (blocks, seconds) = noise.forecast(0.05, &rule);
    assert_eq!(blocks, Some(12), "no fewer, for the bounds");
    // 20 s of start a block, 2 s a pair, 10 pairs; 5 isolated runs of 100 pairs.
    let expected = 12.0 * (20.0 + 20.0) + 5.0 * (20.0 + 200.0);
    assert!((seconds.unwrap() - expected).abs() < 1e-6, "{seconds:?}");
    assert_eq!(noise.forecast(0.0, &rule), (None, None));
}
