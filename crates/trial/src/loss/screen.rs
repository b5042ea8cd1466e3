//! Screening: a look at a candidate on seeds that are no evidence, beside runs of the base that are
//! kept. No agent sees these seeds. It can only lose wins.

use outpace_record::{Check, LossCurve, Observer, SCREENING_CHECK};
use outpace_stats::{StatsError, block_log_ratio, mean, median, steps_log_ratio};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::run::Reference;
use super::{BaseRun, Runner, SeedSettings};
use crate::guards::line;
use crate::{Side, SideError};

/// Seeds of the base that are kept.
const KEPT: usize = 2;
/// What a candidate has to show on the first seed, and on all of them at the median, as a log ratio
/// of time.
const SHOWN: [f64; KEPT] = [0.0, 0.01];

/// Runs of a base that candidates are screened against.
#[derive(Debug, Default)]
pub struct ScreeningRuns {
    runs: Vec<BaseRun>,
}

impl ScreeningRuns {
    pub(super) fn curves(&self) -> impl Iterator<Item = &LossCurve> {
        self.runs.iter().map(|kept| &kept.curve)
    }
}

/// What a look shows.
pub(super) struct Look {
    /// The candidate does not look faster than the base.
    pub(super) out: bool,
    /// What it showed, for who proposes patches.
    pub(super) line: Check,
}

/// What the candidate's steps gain, as a log ratio of time. From the blocks, which timed both sides
/// beside each other: a run of the base that is kept saw the machine at another hour.
fn step_time(settings: &SeedSettings) -> Result<f64, StatsError> {
    if settings.target.equal_steps {
        return Ok(0.0);
    }
    let ratios = settings.blocks.iter().map(|b| block_log_ratio(b.as_ref()));
    Ok(median(&ratios.collect::<Result<Vec<_>, _>>()?))
}

/// Holds the candidate against the base. Runs of the base that are missing are made first.
pub(super) fn look(
    runner: &Runner<'_>,
    screening: &mut ScreeningRuns,
    observer: &mut dyn Observer,
) -> Result<Look, SideError> {
    runner.begins(true, observer);
    // From the system: seeds that follow from a recorded one could be foreseen.
    let mut rng = ChaCha20Rng::from_rng(&mut rand::rng());
    while screening.runs.len() < KEPT {
        let run = runner.base_alone(0, &mut rng, observer);
        screening
            .runs
            .push(run.map_err(|error| (Side::Base, error))?);
    }
    let target = runner.settings.target;
    let reference = Reference::of(screening.curves(), &target);
    let step = step_time(runner.settings)?;
    let mut shown: Vec<f64> = Vec::new();
    let mut out = false;
    for (kept, needed) in screening.runs.iter().zip(SHOWN) {
        // A candidate of smaller batches is evaluated more often than the text was drawn for.
        let plan = runner.plan(
            Side::Candidate,
            kept.seeds,
            &kept.text,
            rng.random(),
            reference.as_ref(),
        );
        let curve = runner.one(Side::Candidate, &plan, 0, observer);
        let curve = curve.map_err(|error| (Side::Candidate, error))?;
        let [base, own] = [&kept.curve, &curve].map(|curve| curve.steps_to(target.target_loss));
        let steps = steps_log_ratio(base, own);
        shown.push(steps + step);
        let shows = mean(&shown);
        out = shows <= needed || shows.is_nan();
        if out {
            break;
        }
    }
    let gain = mean(&shown).exp_m1();
    let seeds = outpace_text::counted(shown.len(), "seed");
    let detail = match gain > -1.0 && gain.is_finite() {
        true => format!("{:+.1} % on {seeds} that are no evidence", 100.0 * gain),
        false => format!("far behind on {seeds} that are no evidence"),
    };
    Ok(Look {
        out,
        line: Check {
            value: Some(gain).filter(|gain| gain.is_finite()),
            ..line(SCREENING_CHECK, detail)
        },
    })
}
