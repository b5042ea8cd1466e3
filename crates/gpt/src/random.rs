//! Random numbers that are a function of what they are for: a domain, a seed and an index. A step's
//! batch can be drawn again without drawing those before it, so that a resumed run continues with
//! the same text.

use candle_core::DType;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

/// What numbers are drawn for; different domains never share a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Initial weights; the index is the parameter's number.
    Weights = 1,
    /// Signs of a perturbation.
    Perturbation = 2,
    /// The rules of the generated language.
    Language = 3,
    /// Training text; the index is the step.
    Training = 4,
    /// Validation text; the index is the batch.
    Validation = 5,
    /// Choices of `sample`.
    Sample = 6,
    /// Inputs of a drill; the index is the input's number.
    Drill = 7,
}

/// Words of 32 bits that a normal number takes: two uniform ones of 64 bits.
const WORDS_PER_NORMAL: usize = 4;
/// A task takes about a millisecond.
const NORMALS_PER_TASK: usize = 1 << 15;

/// The distance to the next number, in units of f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Of f32.
    F32 = 1,
    /// Of bf16, which is the upper half of an f32.
    Bf16 = 1 << 16,
}

impl Unit {
    /// Of the numbers that train.
    #[must_use]
    pub fn of(dtype: DType) -> Self {
        match dtype {
            DType::BF16 => Self::Bf16,
            _ => Self::F32,
        }
    }
}

/// Moves every value by one unit in the last place, up or down by coin toss: the innocent
/// disturbance that tells how far two honest runs may drift apart.
pub fn nudge(values: &mut [f32], unit: Unit, seed: u64, index: u64) {
    let mut stream = Stream::new(Domain::Perturbation, seed, index);
    for value in values {
        *value = moved(*value, unit as u32, stream.coin());
    }
}

/// Bits of floats are ordered as their magnitudes are. Zero moves to the smallest number of its
/// unit; what is not finite stays.
fn moved(value: f32, units: u32, up: bool) -> f32 {
    if !value.is_finite() {
        return value;
    }
    let magnitude = value.abs().to_bits();
    let away = up != value.is_sign_negative();
    let (bits, crosses) = match magnitude.checked_sub(units) {
        _ if away => (magnitude + units, false),
        Some(smaller) => (smaller, false),
        None => (units - magnitude, true),
    };
    let magnitude = f32::from_bits(bits);
    if value.is_sign_negative() == crosses {
        magnitude
    } else {
        -magnitude
    }
}

/// A stream of random numbers.
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of `domain`, `seed` and `index`.
    #[must_use]
    pub fn new(domain: Domain, seed: u64, index: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(domain as u64).to_le_bytes());
        key[8..16].copy_from_slice(&seed.to_le_bytes());
        key[16..24].copy_from_slice(&index.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform below `n`, by the multiply-shift method; its bias is below 2^-32 for any `n` used
    /// here.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// Normally distributed with mean 0 and variance 1 (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// The first `n` numbers that [`Stream::normal`] would give, on all threads: the cipher can
    /// begin at any word.
    #[must_use]
    pub fn normals(&self, n: usize) -> Vec<f64> {
        let mut values = vec![0.0; n];
        let tasks = values.par_chunks_mut(NORMALS_PER_TASK).enumerate();
        tasks.for_each(|(task, values)| {
            let mut own = Self(self.0.clone());
            own.0
                .set_word_pos((task * NORMALS_PER_TASK * WORDS_PER_NORMAL) as u128);
            values.fill_with(|| own.normal());
        });
        values
    }

    /// True or false.
    pub fn coin(&mut self) -> bool {
        self.0.next_u32() & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_are_the_same_on_all_threads() {
        let n = 2 * NORMALS_PER_TASK + 7;
        let mut stream = Stream::new(Domain::Weights, 3, 4);
        let all = stream.normals(n);
        for (k, value) in all.iter().enumerate() {
            assert_eq!(value.to_bits(), stream.normal().to_bits(), "number {k}");
        }
    }

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |domain, seed, index| Stream::new(domain, seed, index).uniform();
        let first = draw(Domain::Weights, 1, 2);
        assert_eq!(first.to_bits(), draw(Domain::Weights, 1, 2).to_bits());
        for other in [
            draw(Domain::Training, 1, 2),
            draw(Domain::Weights, 2, 2),
            draw(Domain::Weights, 1, 3),
        ] {
            assert_ne!(first.to_bits(), other.to_bits());
        }
    }

    #[test]
    fn a_unit_up_and_a_unit_down_are_neighbours() {
        for value in [1.5_f32, -1.5, 1.0, f32::MIN_POSITIVE, -3e-39] {
            assert_eq!(moved(value, 1, true), value.next_up(), "{value}");
            assert_eq!(moved(value, 1, false), value.next_down(), "{value}");
        }
        // bf16 has 8 bits: the next one above 1 is 1 + 2^-7, the one below 1 - 2^-8.
        assert_eq!(moved(1.0, Unit::Bf16 as u32, true), 1.0 + 2f32.powi(-7));
        assert_eq!(moved(-1.0, Unit::Bf16 as u32, true), -(1.0 - 2f32.powi(-8)));
        assert!(moved(1e-42, Unit::Bf16 as u32, false) < 0.0);
        assert!(moved(f32::NAN, 1, true).is_nan() && moved(f32::INFINITY, 1, false).is_infinite());
        assert!(moved(0.0, 1, true) > 0.0 && moved(0.0, 1, false) < 0.0);
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        const N: usize = 40_000;
        let mut stream = Stream::new(Domain::Sample, 7, 0);
        let normals: Vec<f64> = (0..N).map(|_| stream.normal()).collect();
        let mean = normals.iter().sum::<f64>() / N as f64;
        let variance = normals.iter().map(|x| x * x).sum::<f64>() / N as f64;
        // Five standard errors.
        assert!(
            mean.abs() < 0.025 && (variance - 1.0).abs() < 0.036,
            "{mean} {variance}"
        );
        assert!((0..N).all(|_| stream.below(3) < 3));
    }
}
