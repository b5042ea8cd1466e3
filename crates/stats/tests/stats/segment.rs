//! Where series change: labelled ones, flat ones looked at every night, and steps.

use std::collections::BTreeMap;
use std::path::Path;

use outpace_stats::{Reading, Segmentation, segment};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

fn readings(values: &[f64]) -> Vec<Reading> {
    let reading = |value: &f64| Reading {
        value: *value,
        sd: 0.0,
    };
    values.iter().map(reading).collect()
}

fn cuts(values: &[f64]) -> Vec<usize> {
    starts(&segment(&readings(values)))
}

fn starts(segmentation: &Segmentation) -> Vec<usize> {
    segmentation
        .segments
        .iter()
        .skip(1)
        .map(|s| s.start)
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Noise {
    Gauss,
    StudentT3,
    Wandering,
}

struct Series {
    rng: ChaCha8Rng,
    noise: Noise,
    last: f64,
}

impl Series {
    fn new(noise: Noise, seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            noise,
            last: 0.0,
        }
    }

    fn normal(&mut self) -> f64 {
        let (u, v): (f64, f64) = (self.rng.random(), self.rng.random());
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// Of deviation 1, but for Student's t, whose own is kept.
    fn draw(&mut self) -> f64 {
        match self.noise {
            Noise::Gauss => self.normal(),
            Noise::StudentT3 => {
                let chi: f64 = (0..3).map(|_| self.normal().powi(2)).sum();
                self.normal() / (chi / 3.0).sqrt()
            }
            Noise::Wandering => {
                self.last = 0.3 * self.last + (1.0 - 0.09_f64).sqrt() * self.normal();
                self.last
            }
        }
    }

    fn take(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.draw()).collect()
    }
}

/// Alarms of a series that is looked at every night: a change that no earlier night has reported
/// within five readings.
fn alarms(values: &[f64], first_night: usize) -> usize {
    let mut reported: Vec<usize> = Vec::new();
    for night in first_night..=values.len() {
        for cut in cuts(&values[..night]) {
            if !reported.iter().any(|known| known.abs_diff(cut) <= 5) {
                reported.push(cut);
            }
        }
    }
    reported.len()
}

fn alarms_of_flat_series(noise: Noise, series: u64, nights: usize) -> usize {
    let of_one = |seed| alarms(&Series::new(noise, 1000 + seed).take(nights), 4);
    (0..series).map(of_one).sum()
}

#[test]
fn flat_series_raise_hardly_an_alarm_in_a_year_of_nights() {
    let gauss = alarms_of_flat_series(Noise::Gauss, 100, 365);
    let t3 = alarms_of_flat_series(Noise::StudentT3, 100, 365);
    let wandering = alarms_of_flat_series(Noise::Wandering, 100, 365);
    println!(
        "alarms of 100 flat series in a year: {gauss} (Gauss), {t3} (t3), {wandering} (AR 0.3)"
    );
    assert!(gauss <= 5, "{gauss} of Gauss");
    assert!(t3 <= 5, "{t3} of Student's t with 3 degrees");
    assert!(wandering <= 25, "{wandering} of an autocorrelation of 0.3");
}

/// Nights until a step of `size` deviations is found, after so many nights without.
fn delay(before: usize, size: f64, seed: u64) -> usize {
    let mut series = Series::new(Noise::Gauss, seed);
    let mut values = series.take(before);
    for night in 1..=40 {
        values.push(size + series.draw());
        if cuts(&values).iter().any(|cut| cut.abs_diff(before) <= 5) {
            return night;
        }
    }
    99
}

#[test]
fn a_step_of_three_deviations_is_found_within_days() {
    let delays = |before, size| -> Vec<usize> {
        let mut delays: Vec<usize> = (0..100).map(|seed| delay(before, size, seed)).collect();
        delays.sort_unstable();
        delays
    };
    let within = |n: usize, delays: &[usize]| delays.iter().filter(|nights| **nights <= n).count();
    let (young, old) = (delays(60, 3.0), delays(200, 3.0));
    let medians = [2.0, 3.0, 5.0].map(|size| delays(200, size)[50]);
    let (six, nine) = (within(6, &old), within(9, &old));
    println!("3 deviations: within 6 nights {six} of 100, within 9 {nine}");
    println!("median nights of 2, 3, 5 deviations: {medians:?}");
    assert!(six >= 85 && nine >= 97, "{six} and {nine} of 100");
    assert!(within(9, &young) >= 90, "{young:?}");
    assert!(
        medians[0] <= 9 && medians[1] <= 5 && medians[2] <= 4,
        "{medians:?}"
    );
}

#[derive(Deserialize)]
struct Labelled {
    name: String,
    values: Vec<f64>,
    annotations: BTreeMap<String, Vec<usize>>,
}

/// F1 with a margin of 5: van den Burg and Williams 2020, section 3.
fn f1(found: &[usize], labelled: &Labelled) -> f64 {
    let with_start = |cuts: &[usize]| -> Vec<usize> {
        let mut all = vec![0];
        all.extend(cuts);
        all.sort_unstable();
        all.dedup();
        all
    };
    // Each mark counts once, and each prediction for one mark.
    let hits = |marks: &[usize], found: &[usize]| {
        let mut free: Vec<usize> = found.to_vec();
        let mut hits = 0;
        for mark in marks {
            let near = free
                .iter()
                .enumerate()
                .filter(|(_, f)| f.abs_diff(*mark) <= 5);
            if let Some((index, _)) = near.min_by_key(|(_, f)| f.abs_diff(*mark)) {
                free.remove(index);
                hits += 1;
            }
        }
        hits as f64
    };
    let found = with_start(found);
    let sets: Vec<Vec<usize>> = labelled
        .annotations
        .values()
        .map(|a| with_start(a))
        .collect();
    let union: Vec<usize> = with_start(&sets.concat());
    let precision = hits(&union, &found) / found.len() as f64;
    let recall = sets
        .iter()
        .map(|set| hits(set, &found) / set.len() as f64)
        .sum::<f64>()
        / sets.len() as f64;
    2.0 * precision * recall / (precision + recall)
}

/// Size-weighted Jaccard overlap of segments, averaged over annotators.
fn cover(found: &[usize], labelled: &Labelled) -> f64 {
    let n = labelled.values.len();
    let parts = |cuts: &[usize]| -> Vec<(usize, usize)> {
        let mut all = vec![0];
        all.extend(cuts.iter().filter(|c| **c > 0 && **c < n));
        all.push(n);
        all.sort_unstable();
        all.dedup();
        all.windows(2).map(|w| (w[0], w[1])).collect()
    };
    let found = parts(found);
    let of_annotator = |marks: &Vec<usize>| {
        let best = |a: (usize, usize)| {
            let overlap = |b: &(usize, usize)| {
                let both = a.1.min(b.1).saturating_sub(a.0.max(b.0)) as f64;
                both / (a.1.max(b.1) - a.0.min(b.0)) as f64
            };
            found.iter().map(overlap).fold(0.0, f64::max) * (a.1 - a.0) as f64
        };
        parts(marks).into_iter().map(best).sum::<f64>() / n as f64
    };
    let all: Vec<f64> = labelled.annotations.values().map(of_annotator).collect();
    all.iter().sum::<f64>() / all.len() as f64
}

#[test]
fn labelled_series_are_cut_where_people_cut_them() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/changepoint");
    let Ok(entries) = std::fs::read_dir(&dir) else {
        eprintln!("skipped: there are no labelled series here");
        return;
    };
    let (mut f1s, mut covers) = (Vec::new(), Vec::new());
    for entry in entries {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let labelled: Labelled = serde_json::from_str(&text).unwrap();
        let found = cuts(&labelled.values);
        let (f1, cover) = (f1(&found, &labelled), cover(&found, &labelled));
        println!("{}: {found:?} F1 {f1:.3} cover {cover:.3}", labelled.name);
        f1s.push(f1);
        covers.push(cover);
    }
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
    println!("F1 {:.3}, cover {:.3}", mean(&f1s), mean(&covers));
    assert!(mean(&f1s) >= 0.985, "F1 {}", mean(&f1s));
    assert!(mean(&covers) >= 0.945, "cover {}", mean(&covers));
}

#[test]
fn simple_series() {
    let check = |values: &[f64], expect: &[usize]| assert_eq!(cuts(values), expect, "{values:?}");
    check(&[], &[]);
    check(&[1.0], &[]);
    check(&[1.0, 2.0], &[]);
    check(&[5.0; 30], &[]);
    let step = [vec![1.0; 10], vec![2.0; 10]].concat();
    check(&step, &[10]);
    let mut outlier = Series::new(Noise::Gauss, 5).take(40);
    outlier[20] = 1e6;
    check(&outlier, &[]);
    outlier[20] = f64::NAN;
    outlier[21] = f64::INFINITY;
    check(&outlier, &[]);
    check(&[f64::NAN; 3], &[]);
    assert_eq!(segment(&readings(&[f64::NAN; 3])).segments.len(), 1);
}

#[test]
fn segments_are_without_a_gap_and_have_their_medians() {
    let mut series = Series::new(Noise::Gauss, 9);
    let values: Vec<f64> = (0..90)
        .map(|i| f64::from(i / 30) * 8.0 + series.draw())
        .collect();
    let found = segment(&readings(&values));
    assert_eq!(starts(&found), [30, 60]);
    assert_eq!(found.segments[0].start, 0);
    assert_eq!(found.segments[2].end, 90);
    for (index, part) in found.segments.iter().enumerate() {
        assert!((part.level - index as f64 * 8.0).abs() < 1.0, "{part:?}");
        assert!(part.sd > 0.1 && part.sd < 0.5, "{part:?}");
    }
    assert!(found.scale > 0.7 && found.scale < 1.4, "{}", found.scale);
}

#[test]
fn unit_origin_and_direction_do_not_matter() {
    for seed in 0..20 {
        let mut series = Series::new(Noise::StudentT3, seed);
        let values: Vec<f64> = (0..80)
            .map(|i| f64::from(i / 40) * 6.0 + series.draw())
            .collect();
        let expect = cuts(&values);
        let moved =
            |f: &dyn Fn(f64) -> f64| cuts(&values.iter().map(|v| f(*v)).collect::<Vec<_>>());
        assert_eq!(moved(&|v| v * 1024.0), expect);
        assert_eq!(moved(&|v| v + 64.0), expect);
        let mirrored = moved(&|v| -v);
        assert_eq!(mirrored.len(), expect.len());
        assert!(
            mirrored
                .iter()
                .zip(&expect)
                .all(|(a, b)| a.abs_diff(*b) <= 1)
        );
    }
}

#[test]
fn uncertain_readings_say_less() {
    let values = [vec![0.0, 0.1, -0.1, 0.05, -0.05, 0.1], vec![1.0, 1.1, 0.9]].concat();
    assert_eq!(cuts(&values), [6]);
    let uncertain: Vec<Reading> = values
        .iter()
        .map(|&value| Reading { value, sd: 1.0 })
        .collect();
    assert_eq!(starts(&segment(&uncertain)), [] as [usize; 0]);
}
