//! The generated language: every machine has the same bytes, validation text can be drawn fresh for
//! every check, and the best possible loss is known exactly.
//!
//! A sparse Markov chain of order 2, like text: what comes next is one of a few successors of the
//! last symbol, and which of them is likely depends on the class of the symbol before it. With
//! probability `smoothing` any symbol at all comes next. Its state is (class of the symbol before
//! the last, last symbol), so that its stationary distribution and with it the entropy rate H = sum
//! over states of pi(state) H(next | state) (Cover and Thomas 2006, equation 4.27) come from a
//! power iteration over few states.

use crate::config;
use crate::random::{Domain, Stream};
use std::collections::HashMap;

/// Spread of the log-weights of successors: at 1.5 the likeliest of six takes about half.
const LOG_WEIGHT_SPREAD: f64 = 1.5;
/// The power iteration shrinks the error at least by 1 - smoothing a round; it stops when a round
/// moves less than this in total.
const STATIONARY_TOLERANCE: f64 = 1e-14;
const MOST_ROUNDS: usize = 100_000;

/// A language, ready to speak.
#[derive(Clone, Debug)]
pub struct Language {
    symbols: usize,
    successors: usize,
    classes: usize,
    smoothing: f64,
    class_of: Vec<usize>,
    /// For each symbol its successors.
    next: Vec<u32>,
    /// For each (class, symbol) the cumulative probabilities of its successors.
    cumulative: Vec<f64>,
}

impl Language {
    /// The language of a config.
    #[must_use]
    pub fn new(config: &config::Language, symbols: usize) -> Self {
        let mut stream = Stream::new(Domain::Language, config.seed, symbols as u64);
        let class_of = (0..symbols).map(|_| stream.below(config.classes)).collect();
        let next = (0..symbols)
            .flat_map(|_| distinct(symbols, config.successors, &mut stream))
            .collect();
        let cumulative = (0..config.classes * symbols)
            .flat_map(|_| cumulative_weights(config.successors, &mut stream))
            .collect();
        Self {
            symbols,
            successors: config.successors,
            classes: config.classes,
            smoothing: config.smoothing,
            class_of,
            next,
            cumulative,
        }
    }

    /// Fills `text` with a passage that starts at a random place.
    pub fn write(&self, stream: &mut Stream, text: &mut [u32]) {
        let mut state = self.state(stream.below(self.symbols), stream.below(self.symbols));
        for symbol in text {
            let chosen = self.draw(state, stream);
            *symbol = chosen as u32;
            state = self.state(state % self.symbols, chosen);
        }
    }

    /// Entropy rate in nats a symbol: no model can predict this language better on average.
    #[must_use]
    pub fn entropy(&self) -> f64 {
        let stationary = self.stationary();
        let entropies = (0..stationary.len()).map(|state| self.entropy_of(state));
        stationary.iter().zip(entropies).map(|(p, h)| p * h).sum()
    }

    fn state(&self, before: usize, last: usize) -> usize {
        self.class_of[before] * self.symbols + last
    }

    fn draw(&self, state: usize, stream: &mut Stream) -> usize {
        if stream.uniform() < self.smoothing {
            return stream.below(self.symbols);
        }
        let u = stream.uniform();
        let weights = &self.cumulative[state * self.successors..][..self.successors];
        let choice = weights
            .iter()
            .position(|&c| u < c)
            .unwrap_or(self.successors - 1);
        self.next[state % self.symbols * self.successors + choice] as usize
    }

    /// Successors of a state and their probabilities without the smoothing.
    fn likely(&self, state: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let next = &self.next[state % self.symbols * self.successors..][..self.successors];
        let weights = &self.cumulative[state * self.successors..][..self.successors];
        next.iter().enumerate().map(|(i, &symbol)| {
            let below = if i == 0 { 0.0 } else { weights[i - 1] };
            (symbol as usize, weights[i] - below)
        })
    }

    fn entropy_of(&self, state: usize) -> f64 {
        let uniform = self.smoothing / self.symbols as f64;
        let likely = self
            .likely(state)
            .map(|(_, p)| (1.0 - self.smoothing) * p + uniform);
        let rest = (self.symbols - self.successors) as f64;
        likely.map(surprise).sum::<f64>() + rest * surprise(uniform)
    }

    fn stationary(&self) -> Vec<f64> {
        let states = self.classes * self.symbols;
        let mut now = vec![1.0 / states as f64; states];
        for _ in 0..MOST_ROUNDS {
            let next = self.advance(&now);
            let moved: f64 = now.iter().zip(&next).map(|(a, b)| (a - b).abs()).sum();
            now = next;
            if moved < STATIONARY_TOLERANCE {
                break;
            }
        }
        now
    }

    /// One step of the chain on a distribution over states.
    fn advance(&self, now: &[f64]) -> Vec<f64> {
        let mut next = vec![0.0; now.len()];
        // Smoothing depends only on the class of the last symbol.
        let mut by_class = vec![0.0; self.classes];
        for (state, &p) in now.iter().enumerate() {
            let last = state % self.symbols;
            by_class[self.class_of[last]] += p * self.smoothing / self.symbols as f64;
            for (symbol, weight) in self.likely(state) {
                next[self.state(last, symbol)] += p * (1.0 - self.smoothing) * weight;
            }
        }
        for (states, p) in next.chunks_mut(self.symbols).zip(by_class) {
            for state in states {
                *state += p;
            }
        }
        next
    }
}

fn surprise(p: f64) -> f64 {
    if p > 0.0 { -p * p.ln() } else { 0.0 }
}

/// `n` different numbers below `symbols` (the start of a Fisher-Yates shuffle).
fn distinct(symbols: usize, n: usize, stream: &mut Stream) -> Vec<u32> {
    // The beginning of a shuffle of all symbols, of which only those that moved are written down.
    let mut moved = HashMap::new();
    let at = |moved: &HashMap<usize, u32>, i| moved.get(&i).copied().unwrap_or(i as u32);
    (0..n)
        .map(|i| {
            let chosen = i + stream.below(symbols - i);
            let symbol = at(&moved, chosen);
            moved.insert(chosen, at(&moved, i));
            symbol
        })
        .collect()
}

fn cumulative_weights(n: usize, stream: &mut Stream) -> Vec<f64> {
    let weights: Vec<f64> = (0..n)
        .map(|_| (LOG_WEIGHT_SPREAD * stream.normal()).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    let mut cumulative: Vec<f64> = weights
        .iter()
        .map(|w| {
            sum += w / total;
            sum
        })
        .collect();
    // Rounding may leave the last a hair off one, and a draw above it would have no successor.
    cumulative[n - 1] = 1.0;
    cumulative
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(symbols: usize, successors: usize, classes: usize, smoothing: f64) -> Language {
        let config = config::Language {
            seed: 5,
            successors,
            classes,
            smoothing,
        };
        Language::new(&config, symbols)
    }

    #[test]
    fn known_entropies_come_out() {
        // Everything uniform: ln of the number of symbols.
        assert!((language(32, 4, 2, 1.0).entropy() - 32f64.ln()).abs() < 1e-12);
        // One successor and hardly any smoothing: nearly certain.
        assert!(language(32, 1, 1, 1e-9).entropy() < 1e-6);
        // One state a symbol, always the same distribution over two symbols.
        let h = language(2, 2, 1, 0.5).entropy();
        assert!(h > 0.5 && h < 2f64.ln(), "{h}");
    }

    #[test]
    fn the_stationary_distribution_stays() {
        let language = language(16, 3, 4, 0.05);
        let stationary = language.stationary();
        assert!((stationary.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        for (a, b) in stationary.iter().zip(language.advance(&stationary)) {
            assert!((a - b).abs() < 1e-13);
        }
    }

    #[test]
    fn the_text_has_the_entropy_that_was_computed() {
        let language = language(24, 4, 3, 0.03);
        let mut text = vec![0; 200_000];
        language.write(&mut Stream::new(Domain::Training, 1, 0), &mut text);
        let mut total = 0.0;
        for triple in text.windows(3) {
            let [a, b, c] = [triple[0], triple[1], triple[2]].map(|s| s as usize);
            let state = language.state(a, b);
            let likely = language.likely(state).find(|&(symbol, _)| symbol == c);
            let p = (1.0 - 0.03) * likely.map_or(0.0, |(_, p)| p) + 0.03 / 24.0;
            total -= p.ln();
        }
        let mean = total / (text.len() - 2) as f64;
        // The standard error is about 1 / sqrt(200,000) = 0.0022 nats.
        assert!(
            (mean - language.entropy()).abs() < 0.01,
            "{mean} {}",
            language.entropy()
        );
    }
}
