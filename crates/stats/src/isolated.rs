//! Runs with one process at a time: what a step costs when the whole life of its process is priced.

use crate::{Decision, Evidence, Pair, Rule, StatsError, Summary};

/// One run of base and candidate, one after the other, in seconds; base first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IsolatedRun<'a> {
    /// Turns after the warm-up, paired by number.
    pub pairs: &'a [Pair],
    /// From start to ready.
    pub ready_s: [f64; 2],
    /// All warm-up turns.
    pub warmup_s: [f64; 2],
    /// From the request to stop to the exit.
    pub exit_s: [f64; 2],
}

/// How isolated runs are laid out and priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsolatedShape {
    /// Steps in a turn, at least 1.
    pub steps_per_turn: u32,
    /// Turns of the warm-up.
    pub warmup_turns: u32,
    /// Steps of a real run, over which what a process costs once is spread. At least 1.
    pub steps_per_run: u64,
    /// So many runs come first that an earlier trial of the same two programs measured: they are
    /// evidence, and decide nothing.
    pub earlier_runs: usize,
}

/// `ln(t_base / t_candidate)` with
/// `t = (ready + warm-up beyond its turns + exit) / steps_per_run + seconds of a step`, in seconds.
///
/// Seconds of a step are the mean over the second half of the turns: what was made ahead for the
/// first of them is used up by then. A warm-up costs what it takes beyond as many turns of that
/// half.
///
/// # Errors
/// [`StatsError::EmptyBlock`] without pairs, [`StatsError::BadPair`] where a figure is impossible.
pub fn isolated_log_ratio(run: &IsolatedRun<'_>, shape: &IsolatedShape) -> Result<f64, StatsError> {
    let second_half = &run.pairs[run.pairs.len() / 2..];
    let [base, candidate] = [0, 1].map(|side| step_s(run, shape, second_half, side));
    crate::block_log_ratio(&[[base, candidate]]).map_err(|error| match run.pairs {
        [] => StatsError::EmptyBlock,
        _ => error,
    })
}

fn step_s(run: &IsolatedRun<'_>, shape: &IsolatedShape, half: &[Pair], side: usize) -> f64 {
    let turn_s = half.iter().map(|pair| pair[side]).sum::<f64>() / half.len() as f64;
    let warmup_s = run.warmup_s[side] - f64::from(shape.warmup_turns) * turn_s;
    let once_s = run.ready_s[side] + warmup_s.max(0.0) + run.exit_s[side];
    once_s / shape.steps_per_run as f64 + turn_s / f64::from(shape.steps_per_turn)
}

/// Evidence from isolated runs, by [`Rule::isolated`].
///
/// All turns after the warm-up together have to be shorter too, so that nothing is moved from the
/// second half into the first.
#[derive(Debug, Clone)]
pub struct Isolated {
    shape: IsolatedShape,
    evidence: Evidence,
}

impl Isolated {
    /// No runs yet.
    ///
    /// # Errors
    /// None that the rule gives cause for.
    pub fn new(shape: IsolatedShape) -> Result<Self, StatsError> {
        let rule = Rule::isolated();
        let evidence = Evidence::new(&Rule {
            max_blocks: rule.max_blocks + shape.earlier_runs,
            earlier_blocks: shape.earlier_runs,
            ..rule
        })?;
        Ok(Self { shape, evidence })
    }

    /// Adds a run and judges; `None` means go on.
    ///
    /// # Errors
    /// Those of [`isolated_log_ratio`].
    pub fn push(&mut self, run: &IsolatedRun<'_>) -> Result<Option<Decision>, StatsError> {
        let x = isolated_log_ratio(run, &self.shape)?;
        self.evidence.push_with_sums(x, run.pairs)
    }

    /// The decision, once there is one.
    pub fn decision(&self) -> Option<Decision> {
        self.evidence.decision()
    }

    /// The figures so far.
    pub fn summary(&self) -> Summary {
        self.evidence.summary()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    const SHAPE: IsolatedShape = IsolatedShape {
        steps_per_turn: 2,
        warmup_turns: 2,
        steps_per_run: 1000,
        earlier_runs: 0,
    };

    fn run(pairs: &[Pair]) -> IsolatedRun<'_> {
        IsolatedRun {
            pairs,
            ready_s: [1.0, 1.0],
            warmup_s: [0.2, 0.2],
            exit_s: [0.0; 2],
        }
    }

    #[track_caller]
    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} and {b}");
    }

    #[test]
    fn the_second_half_counts_and_the_life_of_the_process_is_spread() {
        // 1 s / 1000 steps + 0.1 s / 2 steps.
        let mut pairs = vec![[0.1, 0.1]; 8];
        near(isolated_log_ratio(&run(&pairs), &SHAPE).unwrap(), 0.0);
        pairs[..4].fill([0.1, 0.01]);
        near(isolated_log_ratio(&run(&pairs), &SHAPE).unwrap(), 0.0);
        pairs[4..].fill([0.1, 0.05]);
        let both = (0.001 + 0.05_f64) / (0.001 + 0.15 / 1000.0 + 0.025);
        let shorter = IsolatedRun {
            warmup_s: [0.2, 0.25],
            ..run(&pairs)
        };
        near(isolated_log_ratio(&shorter, &SHAPE).unwrap(), both.ln());
    }

    #[test]
    fn a_longer_start_is_charged_and_not_forbidden() {
        let pairs = vec![[0.1, 0.08]; 8];
        let starting = |s: f64| IsolatedRun {
            ready_s: [1.0, 1.0 + s],
            ..run(&pairs)
        };
        assert!(isolated_log_ratio(&starting(5.0), &SHAPE).unwrap() > 0.0);
        assert!(isolated_log_ratio(&starting(11.0), &SHAPE).unwrap() < 0.0);
        let warming = IsolatedRun {
            warmup_s: [0.2, 11.2],
            ..run(&pairs)
        };
        assert!(isolated_log_ratio(&warming, &SHAPE).unwrap() < 0.0);
        let leaving = IsolatedRun {
            exit_s: [0.0, 11.0],
            ..run(&pairs)
        };
        assert!(isolated_log_ratio(&leaving, &SHAPE).unwrap() < 0.0);
    }

    fn judged(runs: usize, pairs: &[Pair]) -> Option<Decision> {
        let mut isolated = Isolated::new(SHAPE).unwrap();
        let mut last = None;
        for _ in 0..runs {
            last = isolated.push(&run(pairs)).unwrap();
        }
        last
    }

    #[test]
    fn a_few_runs_confirm_a_loss_ends_it_and_no_gain_takes_all() {
        let outcome = |runs, pairs| judged(runs, pairs).map(|d| d.outcome);
        assert_eq!(outcome(4, &[[0.1, 1e-6]; 8]), None);
        assert_eq!(outcome(6, &[[0.1, 0.08]; 8]), Some(Outcome::Faster));
        assert_eq!(outcome(6, &[[0.1, 0.11]; 8]), Some(Outcome::Slower));
        assert_eq!(outcome(23, &[[0.1, 0.1]; 8]), None);
        assert_eq!(outcome(24, &[[0.1, 0.1]; 8]), Some(Outcome::NotProven));
    }

    #[test]
    fn work_moved_into_the_first_half_is_no_gain() {
        let mut pairs = vec![[0.1, 0.13]; 8];
        pairs[4..].fill([0.1, 0.08]);
        assert_eq!(
            judged(24, &pairs).map(|d| d.outcome),
            Some(Outcome::NotProven)
        );
    }

    #[test]
    fn impossible_figures_are_refused() {
        assert_eq!(
            isolated_log_ratio(&run(&[]), &SHAPE),
            Err(StatsError::EmptyBlock)
        );
        let bad = run(&[[0.1, f64::NAN]; 2]);
        assert!(isolated_log_ratio(&bad, &SHAPE).is_err());
    }
}
