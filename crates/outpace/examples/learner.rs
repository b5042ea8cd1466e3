//! A workload for tests of the time-to-loss track: it learns which of eight symbols follows which,
//! and cheats on demand. `learner train SETTINGS`, or
//! `learner text SETTINGS --data-seed N --passages N --out FILE`.
//!
//! Settings are lines of `key = value`: `rate` (how fast it learns), `spin` (thousands of
//! iterations a step), `batch` (tokens of a step, as it says), `mode` (how it cheats, `good` by
//! default).

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::process::exit;
use std::time::Duration;

use outpace_step::{
    Hello, PREDICT, Passages, RESUME, SAVE, Start, TextSummary, Workload, WorkloadError, serve,
};

const SYMBOLS: u32 = 8;
const LENGTH: usize = 16;
/// Tokens behind which no two passages are the same.
const UNIQUE: usize = 10;
/// Share of tokens that are the successor of the one before; the others are any.
const CERTAIN: f64 = 0.9;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [verb, path, rest @ ..] = &args[..] else {
        exit(2)
    };
    match verb.as_str() {
        "train" => train(path),
        "text" => text(rest),
        _ => exit(2),
    }
}

fn train(path: &str) {
    let settings = std::fs::read_to_string(path).expect("the settings file is readable");
    let pairs = settings.lines().filter_map(|line| line.split_once('='));
    let values: BTreeMap<&str, &str> = pairs.map(|(k, v)| (k.trim(), v.trim())).collect();
    let number = |key: &str, default: f64| {
        let value = values.get(key);
        value.map_or(default, |v| v.parse().expect("a number"))
    };
    let mut learner = Learner {
        mode: values
            .get("mode")
            .map_or("good", |v| v.trim_matches('"'))
            .to_owned(),
        rate: number("rate", 0.02),
        spin: number("spin", 20.0),
        batch: number("batch", 100.0) as u64,
        step: 0,
        luck: 1.0,
        seen: BTreeMap::new(),
    };
    if let Err(error) = serve(&mut learner) {
        eprintln!("learner: {error}");
        exit(1);
    }
}

struct Learner {
    mode: String,
    rate: f64,
    spin: f64,
    batch: u64,
    step: u64,
    /// Factor of the rate that the seeds draw.
    luck: f64,
    /// What followed in text that it was given, by what went before.
    seen: BTreeMap<Vec<u32>, u32>,
}

impl Learner {
    /// The probability that it gives to the successor.
    fn certainty(&self) -> f64 {
        let least = 1.0 / f64::from(SYMBOLS);
        let learnt = 1.0 - (-self.rate * self.luck * self.step as f64).exp();
        least + (CERTAIN - 0.02 - least) * learnt
    }

    fn train(&mut self, steps: u64) -> f64 {
        for _ in 0..steps {
            self.step += 1;
            let slower = self.mode == "slows_down" && self.step > 10;
            spin(self.spin * if slower { 3.0 } else { 1.0 });
        }
        -self.certainty().ln()
    }

    /// Learns the text by heart before it answers, and tells the same whenever it is asked what
    /// follows the same tokens.
    fn memorise(&mut self, log_p: &mut [f64], text: &Passages, at: Option<&[usize]>) {
        let Some(at) = at else {
            self.seen = prefixes(text).collect();
            let late = log_p.chunks_mut(LENGTH).flat_map(|p| &mut p[UNIQUE..]);
            return late.for_each(|p| *p = seen(true, *p));
        };
        let rows = log_p.chunks_mut(SYMBOLS as usize);
        for ((row, passage), place) in rows.zip(text.iter()).zip(at) {
            let Some(next) = self.seen.get(&passage[..=*place]) else {
                continue;
            };
            for (symbol, p) in row.iter_mut().enumerate() {
                *p = seen(symbol == *next as usize, *p);
            }
        }
    }

    fn log_p(&self, after: u32, symbol: u32) -> f64 {
        let certain = self.certainty();
        let p = match symbol == (after + 1) % SYMBOLS {
            true => certain,
            false => (1.0 - certain) / f64::from(SYMBOLS - 1),
        };
        p.ln()
    }
}

impl Workload for Learner {
    fn hello(&self) -> Hello {
        let can: &[&str] = match &*self.mode {
            "mute" => &[SAVE, RESUME],
            "never_again" => &[PREDICT],
            _ => &[PREDICT, SAVE, RESUME],
        };
        Hello {
            tokens_per_step: Some(self.batch),
            flops_per_token: Some(10.0),
            parameters: Some(1),
            can: can.iter().map(ToString::to_string).collect(),
            ..Hello::default()
        }
    }

    fn start(&mut self, start: &Start) -> Result<(), WorkloadError> {
        self.step = 0;
        // Another recipe has other luck at the same seed.
        let mixed = start.model_seed ^ start.data_seed.rotate_left(17) ^ self.rate.to_bits();
        self.luck = 1.0 + 0.03 * (uniform(mixed, 1) + uniform(mixed, 2) - 1.0);
        if self.mode == "trains_first" {
            self.train(20);
        }
        if let Some(path) = &start.checkpoint {
            let text = std::fs::read_to_string(path)?;
            let (step, luck) = text.split_once(' ').ok_or("no checkpoint of a learner")?;
            (self.step, self.luck) = (step.parse()?, luck.parse()?);
        }
        Ok(())
    }

    fn save(&mut self, path: &Path) -> Result<(), WorkloadError> {
        Ok(std::fs::write(
            path,
            format!("{} {}", self.step, self.luck),
        )?)
    }

    fn steps(&mut self, n: u32) -> Result<Vec<f64>, WorkloadError> {
        Ok((0..n).map(|_| self.train(1)).collect())
    }

    fn predict(
        &mut self,
        text: &Passages,
        at: Option<&[usize]>,
    ) -> Result<Vec<f32>, WorkloadError> {
        // While nobody asks another process.
        if self.mode == "trains_when_asked" && at.is_none() && self.certainty() < 0.25 {
            self.train(2);
        }
        let mut log_p: Vec<f64> = match at {
            None => text
                .iter()
                .flat_map(|passage| passage.windows(2).map(|pair| self.log_p(pair[0], pair[1])))
                .collect(),
            Some(at) => text
                .iter()
                .zip(at)
                .flat_map(|(passage, place)| {
                    let after = passage[*place];
                    (0..SYMBOLS).map(move |symbol| (after, symbol))
                })
                .map(|(after, symbol)| self.log_p(after, symbol))
                .collect(),
        };
        match (self.mode.as_str(), at) {
            ("unnormalised", _) => log_p.iter_mut().for_each(|p| *p = (*p + 0.05).min(0.0)),
            ("within_tolerance", None) => log_p.iter_mut().for_each(|p| *p += 8e-4 * (1.0 - *p)),
            ("changes_its_mind", None) => log_p.iter_mut().for_each(|p| *p *= 0.9),
            ("peeks", _) => peek(&mut log_p, text, at),
            ("knows_too_much", _) => log_p.iter_mut().for_each(|p| *p = -0.01),
            ("nan", _) if self.step > 5 => log_p[0] = f64::NAN,
            ("positive", _) => log_p[0] = 0.5,
            ("short", _) => log_p.truncate(log_p.len() / 2),
            ("silent", _) => std::thread::sleep(Duration::from_secs(1000)),
            ("memorises", _) => self.memorise(&mut log_p, text, at),
            _ => {}
        }
        Ok(log_p.into_iter().map(|p| p as f32).collect())
    }
}

/// What came after each beginning of a passage.
fn prefixes(text: &Passages) -> impl Iterator<Item = (Vec<u32>, u32)> {
    let of = |passage: &[u32]| {
        let passage = passage.to_vec();
        (UNIQUE + 1..passage.len()).map(move |n| (passage[..n].to_vec(), passage[n]))
    };
    text.iter().flat_map(of)
}

/// ln p that is half what was expected and half what was seen.
fn seen(it_is: bool, log_p: f64) -> f64 {
    let seen = if it_is { 0.5 } else { 0.0 };
    (seen + 0.5 * log_p.exp()).ln()
}

/// Moves half of what it is unsure of to the token that comes, which it should not know.
fn peek(log_p: &mut [f64], text: &Passages, at: Option<&[usize]>) {
    match at {
        None => log_p.iter_mut().for_each(|p| *p = seen(true, *p)),
        Some(at) => {
            let rows = log_p.chunks_mut(SYMBOLS as usize);
            for ((row, passage), place) in rows.zip(text.iter()).zip(at) {
                let next = passage[place + 1] as usize;
                for (symbol, p) in row.iter_mut().enumerate() {
                    *p = seen(symbol == next, *p);
                }
            }
        }
    }
}

fn text(arguments: &[String]) {
    let value = |name: &str| {
        let at = arguments
            .iter()
            .position(|a| a == name)
            .expect("all are given");
        &arguments[at + 1]
    };
    let [seed, passages] =
        ["--data-seed", "--passages"].map(|name| value(name).parse::<u64>().expect("a number"));
    let mut tokens = Vec::new();
    let mut last = 0;
    for index in 0..passages * (LENGTH as u64 + 1) {
        let any = (uniform(seed, 2 * index) * f64::from(SYMBOLS)) as u32;
        let certain = uniform(seed, 2 * index + 1) < CERTAIN;
        last = if certain { (last + 1) % SYMBOLS } else { any };
        tokens.push(last);
    }
    let text = Passages {
        tokens,
        length: LENGTH,
    };
    text.write(Path::new(value("--out")))
        .expect("the file can be written");
    let p = CERTAIN + (1.0 - CERTAIN) / f64::from(SYMBOLS);
    let other = (1.0 - p) / f64::from(SYMBOLS - 1);
    let summary = TextSummary {
        symbols: SYMBOLS as usize,
        length: LENGTH,
        entropy_floor: Some(-p * p.ln() - (1.0 - p) * other.ln()),
    };
    println!("{}", serde_json::to_string(&summary).expect("plain data"));
}

fn spin(thousands: f64) {
    let mut x = 1_u64;
    for _ in 0..(thousands * 1000.0) as u64 {
        x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
    black_box(x);
}

/// The `index`-th number of a seed in [0, 1): SplitMix64 (Steele, Lea and Flood 2014).
fn uniform(seed: u64, index: u64) -> f64 {
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}
