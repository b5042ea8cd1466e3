//! How many pairs a block has.

use std::ops::RangeInclusive;

/// Blocks that are short, and as many again that are half as long as the rest.
///
/// Large gains are bound by the number of blocks and small ones by noise, so blocks begin short and
/// grow.
const SHORT_BLOCKS: usize = 12;

/// No block that is not a single pair has fewer: a median of two is no median.
const FEWEST_PAIRS: usize = 3;

/// How long blocks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Pairs of a block once they have grown, at least 1. Where it is 1, every block is one pair.
    pub pairs: usize,
    /// Pairs that take as long as starting both processes: with fewer, starting would be more than
    /// half of a block. Absent where all blocks are of one length.
    pub worth_starting: Option<usize>,
}

impl Schedule {
    /// Blocks that are all of one length.
    pub fn constant(pairs: usize) -> Self {
        Self {
            pairs,
            worth_starting: None,
        }
    }

    /// Pairs that the block after `n_blocks` may have; one of them is drawn, so that no program
    /// knows when its process ends.
    pub fn pairs(&self, n_blocks: usize) -> RangeInclusive<usize> {
        let Some(worth_starting) = self.worth_starting.filter(|_| self.pairs > 1) else {
            return self.pairs..=self.pairs;
        };
        let share = match n_blocks / SHORT_BLOCKS {
            0 => 4,
            1 => 2,
            _ => 1,
        };
        let fewest = FEWEST_PAIRS.min(self.pairs);
        let typical = (self.pairs / share).max(fewest);
        // A full block is as long as was asked for, however long starting takes.
        let low = typical.div_ceil(2).max(worth_starting.min(self.pairs));
        let low = low.max(fewest);
        low..=(3 * typical / 2).max(low + low / 2)
    }

    /// Pairs that this many blocks have together, on average.
    pub fn expected_pairs(&self, n_blocks: usize) -> f64 {
        let of = |n: usize| {
            let range = self.pairs(n);
            (range.start() + range.end()) as f64 / 2.0
        };
        (0..n_blocks).map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(pairs: usize, worth_starting: usize) -> Schedule {
        Schedule {
            pairs,
            worth_starting: Some(worth_starting),
        }
    }

    #[test]
    fn blocks_begin_short_and_grow() {
        let schedule = schedule(40, 2);
        assert_eq!(schedule.pairs(0), 5..=15);
        assert_eq!(schedule.pairs(11), 5..=15);
        assert_eq!(schedule.pairs(12), 10..=30);
        assert_eq!(schedule.pairs(23), 10..=30);
        assert_eq!(schedule.pairs(24), 20..=60);
        assert_eq!(schedule.pairs(1000), 20..=60);
        assert_eq!(
            schedule.expected_pairs(25),
            12.0 * 10.0 + 12.0 * 20.0 + 40.0
        );
    }

    #[test]
    fn starting_is_never_more_than_half_of_a_block_unless_that_was_asked_for() {
        assert_eq!(schedule(40, 25).pairs(0), 25..=37);
        assert_eq!(schedule(40, 25).pairs(24), 25..=60);
        assert_eq!(schedule(40, 400).pairs(0), 40..=60);
    }

    #[test]
    fn a_block_has_a_median_unless_it_is_a_single_pair() {
        assert_eq!(schedule(1, 0).pairs(0), 1..=1);
        assert_eq!(schedule(5, 0).pairs(0), 3..=4);
        assert_eq!(schedule(2, 0).pairs(30), 2..=3);
        assert_eq!(Schedule::constant(7).pairs(0), 7..=7);
    }
}
