//! Work that a side left behind on a GPU when it said that its turn was done. It delays whoever runs next there: the other side half of the time and more, itself
//! otherwise. The order of turns is random, so the two cases can be told apart.

use outpace_record::Check;
use outpace_stats::{median, standard_deviation};

use crate::Side;
use crate::trial::at_most;

/// So much of a turn may be left: caches of a GPU refill in microseconds, its clocks follow the power of the last turn by a per cent or so.
const LEFT: f64 = 0.02;
/// Noise passes for nothing: the difference has to be so many standard errors above that.
const ERRORS: f64 = 3.0;
/// Turns of each kind, without which nothing is said.
const FEWEST: usize = 8;
/// Share of the turns that is cut off at either end: a stall of the machine is nobody's work.
const TRIMMED: f64 = 0.2;

/// Turns in the order in which they ran, with their seconds.
pub(crate) type Turns = Vec<(Side, f64)>;

/// Whether the candidate leaves work for the base's turns: how much longer those are after one of the candidate's than after one of their own, less the
/// same of the candidate, which clears what any change of programs costs. Sides that leave nothing differ by 0 there, and work `d` by `2 d`.
pub(crate) fn check<'a>(blocks: impl Iterator<Item = &'a Turns>) -> Option<Check> {
    // By side; after a turn of the other and of its own.
    let mut kinds: [[Vec<f64>; 2]; 2] = Default::default();
    for turns in blocks {
        let of = |side| -> Vec<f64> {
            let own = turns.iter().filter(|(s, _)| *s == side);
            own.map(|(_, seconds)| *seconds).collect()
        };
        let typical = Side::BOTH.map(of).map(|all| match all.is_empty() {
            true => 1.0,
            false => median(&all),
        });
        for two in turns.windows(2) {
            let (before, (side, seconds)) = (two[0].0, two[1]);
            let kind = usize::from(before == side);
            kinds[side.index()][kind].push(seconds / typical[side.index()]);
        }
    }
    if kinds.iter().flatten().any(|kind| kind.len() < FEWEST) {
        return None;
    }
    let [base, candidate] = kinds.map(|[other, own]| {
        let (other, own) = (trimmed_mean(other), trimmed_mean(own));
        (other.0 - own.0, other.1 + own.1)
    });
    let left = (base.0 - candidate.0) / 2.0;
    let error = (base.1 + candidate.1).sqrt() / 2.0;
    Some(at_most(
        "left over",
        (left - ERRORS * error).max(0.0),
        LEFT,
        "share of a turn that the candidate leaves to be done in the base's, at least",
    ))
}

/// Trimmed mean and its variance, from the winsorised one (Tukey and McLaughlin 1963; Yuen 1974).
fn trimmed_mean(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let (n, cut) = (values.len(), (TRIMMED * values.len() as f64) as usize);
    let kept = &values[cut..n - cut];
    let mean = kept.iter().sum::<f64>() / kept.len() as f64;
    let ends = (kept[0], kept[kept.len() - 1]);
    let pulled: Vec<f64> = values.iter().map(|v| v.clamp(ends.0, ends.1)).collect();
    let of_kept = kept.len() as f64 / n as f64;
    let variance = standard_deviation(&pulled).powi(2) / (of_kept.powi(2) * n as f64);
    (mean, variance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha20Rng;

    /// A GPU that works off what it is given in order: each side's turn costs it 1, of which the candidate leaves `left` behind; whoever comes next after a
    /// turn of the other pays `cold` besides.
    fn turns(left: f64, cold: [f64; 2], noise: f64, seed: u64) -> Vec<Turns> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let block = |rng: &mut ChaCha20Rng| {
            let (mut turns, mut owed, mut last) = (Turns::new(), 0.0, Side::Base);
            for _ in 0..20 {
                let first = Side::BOTH[usize::from(rng.random::<bool>())];
                for side in [first, Side::BOTH[1 - first.index()]] {
                    let mut seconds = 1.0 + owed + noise * (rng.random::<f64>() - 0.5);
                    if last != side {
                        seconds += cold[side.index()];
                    }
                    owed = if side == Side::Candidate { left } else { 0.0 };
                    turns.push((side, seconds - owed));
                    last = side;
                }
            }
            turns
        };
        (0..6).map(|_| block(&mut rng)).collect()
    }

    #[test]
    fn what_is_left_for_the_other_is_found_and_cold_caches_are_not() {
        for seed in 0..50 {
            let passes = |left, cold, noise| {
                let blocks = turns(left, cold, noise, seed);
                check(blocks.iter()).unwrap().passed
            };
            assert!(passes(0.0, [0.0, 0.0], 0.05));
            assert!(passes(0.0, [0.1, 0.1], 0.05));
            assert!(passes(0.0, [0.02, 0.04], 0.05));
            assert!(passes(-0.1, [0.0, 0.0], 0.05), "the base's loss");
            assert!(!passes(0.05, [0.0, 0.0], 0.05), "seed {seed}");
            assert!(!passes(0.10, [0.1, 0.1], 0.10), "seed {seed}");
        }
        assert_eq!(check(std::iter::empty()), None);
    }
}
