//! Recorded noise: blocks of a program against itself, from a virtual machine of 2 cores. Trials
//! are put together from them as `doctor` does it, with gains that are known.
//!
//! `cargo test --release -p outpace-stats --test stats -- --ignored --nocapture recorded` prints
//! the table of docs/statistics.md. `ci/record_noise.py` wrote the files.

use outpace_stats::{Evidence, Outcome, Pair, Rule, Schedule};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

/// A file of `tests/data`.
#[derive(Deserialize)]
struct Recording {
    workload: String,
    /// Times in units of 100 ns.
    blocks: Vec<Vec<[u32; 2]>>,
}

impl Recording {
    fn blocks(&self) -> Vec<Vec<Pair>> {
        let seconds = |pair: &[u32; 2]| pair.map(|t| f64::from(t) * 1e-7);
        let of = |block: &Vec<[u32; 2]>| block.iter().map(seconds).collect();
        self.blocks.iter().map(of).collect()
    }
}

fn recordings() -> Vec<Recording> {
    ["aa-gpt-nano", "aa-python"]
        .iter()
        .map(|name| {
            let path = format!("{}/tests/data/{name}.json", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).expect("the recording is there");
            let recording: Recording = serde_json::from_str(&text).expect("it can be read");
            assert!(recording.blocks.len() >= 40, "{name}");
            recording
        })
        .collect()
}

/// Short blocks first, and blocks of one length, as they were before.
const SCHEDULES: [Schedule; 2] = [
    Schedule {
        pairs: 40,
        worth_starting: Some(2),
    },
    Schedule {
        pairs: 40,
        worth_starting: None,
    },
];

/// What a trial ended with, and the pairs that it took.
fn trial(
    recorded: &[Vec<Pair>],
    gain: f64,
    rule: &Rule,
    schedule: &Schedule,
    rng: &mut ChaCha8Rng,
) -> (Outcome, usize) {
    let mut evidence = Evidence::new(rule).expect("the rule is valid");
    let mut pairs = 0;
    loop {
        let length = rng.random_range(schedule.pairs(evidence.n_blocks()));
        let from = &recorded[rng.random_range(0..recorded.len())];
        let (first, swap) = (rng.random_range(0..from.len()), rng.random::<bool>());
        let run = from.iter().cycle().skip(first).take(length);
        let block: Vec<Pair> = run
            .map(|&[base, candidate]| match swap {
                true => [candidate, base / (1.0 + gain)],
                false => [base, candidate / (1.0 + gain)],
            })
            .collect();
        pairs += length;
        if let Some(decision) = evidence.push_block(&block).expect("times are positive") {
            return (decision.outcome, pairs);
        }
    }
}

/// Share that is called `faster`, and the median pairs of these.
fn faster(
    recorded: &[Vec<Pair>],
    gain: f64,
    rule: &Rule,
    schedule: &Schedule,
    trials: usize,
) -> (f64, usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    let mut pairs: Vec<usize> = (0..trials)
        .map(|_| trial(recorded, gain, rule, schedule, &mut rng))
        .filter(|(outcome, _)| *outcome == Outcome::Faster)
        .map(|(_, pairs)| pairs)
        .collect();
    pairs.sort_unstable();
    let share = pairs.len() as f64 / trials as f64;
    (share, pairs.get(pairs.len() / 2).copied().unwrap_or(0))
}

/// Programs are timed until a bound is worth quoting; here the first stage alone counts.
fn first_stage() -> Rule {
    Rule {
        bound_blocks: 0,
        ..Rule::default().of_programs()
    }
}

#[test]
fn recorded_noise_is_called_faster_by_chance_only() {
    const TRIALS: usize = 2000;
    for recording in recordings() {
        let blocks = recording.blocks();
        let rule = first_stage();
        for schedule in &SCHEDULES {
            for gain in [0.0, rule.min_speedup] {
                let (share, _) = faster(&blocks, gain, &rule, schedule, TRIALS);
                // alpha and three of its standard errors.
                let most = rule.alpha + 3.0 * (rule.alpha / TRIALS as f64).sqrt();
                assert!(share <= most, "{} {gain}: {share}", recording.workload);
            }
        }
    }
}

#[test]
fn short_blocks_first_prove_recorded_gains_sooner() {
    for recording in recordings() {
        let blocks = recording.blocks();
        let of = |gain: f64| {
            SCHEDULES.map(|schedule| faster(&blocks, gain, &first_stage(), &schedule, 300))
        };
        let [(short, few), (long, many)] = of(0.08);
        let name = &recording.workload;
        assert!(short > 0.9 && long > 0.9, "{name}: {short} {long}");
        assert!(
            2 * few <= many,
            "{name}: {few} pairs, {many} of full blocks"
        );
    }
}

#[test]
#[ignore = "minutes; part of the nightly checks"]
fn recorded() {
    println!(
        "| recording | gain | `faster`, short first | pairs | `faster`, full blocks | pairs |"
    );
    println!("|---|---|---|---|---|---|");
    for recording in recordings() {
        let blocks = recording.blocks();
        for gain in [0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08] {
            let trials = if gain <= 0.005 { 20_000 } else { 1000 };
            let [(short, few), (long, many)] =
                SCHEDULES.map(|schedule| faster(&blocks, gain, &first_stage(), &schedule, trials));
            println!(
                "| {} | {:+.1} % | {:.2} % | {few} | {:.2} % | {many} |",
                recording.workload,
                100.0 * gain,
                100.0 * short,
                100.0 * long,
            );
        }
    }
}
