//! One run to a loss: train, ask, and stop where the target is passed or out of reach.

use std::time::Instant;

use outpace_process::{Context, Subject};
use outpace_record::{LossCurve, LossTarget};
use outpace_stats::{CurvePoint, is_reached, median};
use outpace_step::{MAX_STEPS, RESUME, SAVE};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::ask::{Asked, Kept, Question, only_rounded};
use super::text::Text;
use crate::WorkloadError;
use crate::client::StepClient;

/// Share of evaluations whose predictions are opened.
const OPENED_SHARE: f64 = 0.1;
/// Shares of the base's steps to the target at which a run may be given up.
const LOOKS: [f64; 3] = [0.25, 0.5, 0.75];
/// It is where its last losses are above the base's at this share of the steps.
const BEHIND: f64 = 0.5;
/// Or once it has taken so many times as long as the base's runs.
const DEADLINE: f64 = 4.0;
/// From this share of the way to the target on, evaluations are opened in another process.
const NEAR: f64 = 0.1;
/// So many of these checkpoints are kept for it, and the last one's.
const MOST_KEPT: usize = 2;
/// Losses of a curve that are looked at together.
const SMOOTHED: usize = 3;
/// A candidate of smaller batches gets more steps, up to so many times as many, and the reverse.
const SHAPES: std::ops::RangeInclusive<f64> = 0.125..=8.0;

/// What one run is made from.
pub(crate) struct RunPlan<'a> {
    pub(crate) subject: &'a Subject,
    /// Of the weights and the data.
    pub(crate) seeds: [u64; 2],
    pub(crate) text: &'a Text,
    pub(crate) target: LossTarget,
    /// Steps between evaluations, and the most steps.
    pub(crate) steps: [u64; 2],
    /// Draws what is opened. Not those of the other side, which could tell the candidate.
    pub(crate) open_seed: u64,
    /// The base can be asked from its checkpoints, and so has this program to.
    pub(crate) again: bool,
    /// What a candidate that is far behind is held against.
    pub(crate) reference: Option<&'a Reference>,
}

/// Steps between evaluations and the most steps of a program that trains on `tokens` a step, the
/// base on `of_base`: both are evaluated after as many tokens.
pub(crate) fn steps_for(
    target: &LossTarget,
    tokens: Option<u64>,
    of_base: Option<u64>,
) -> [u64; 2] {
    let ratio = match (tokens, of_base) {
        (Some(own), Some(base)) if own > 0 && base > 0 => base as f64 / own as f64,
        _ => 1.0,
    };
    let ratio = ratio.clamp(*SHAPES.start(), *SHAPES.end());
    let scaled = |steps: u64| ((steps as f64 * ratio).round() as u64).max(1);
    // Never finer than the base's: a coarse grid moves a crossing.
    let every = scaled(target.evaluate_every).max(target.evaluate_every);
    let every = every.min(MAX_STEPS.into());
    [every, scaled(target.max_steps).max(every)]
}

/// Evaluations of a run that never comes to the target.
pub(crate) fn evaluations([every, most]: [u64; 2]) -> usize {
    (most / every) as usize
}

/// Runs it; `tell` hears of every evaluation.
pub(crate) fn run(
    context: &Context,
    plan: &RunPlan<'_>,
    tell: &dyn Fn(CurvePoint),
) -> Result<LossCurve, WorkloadError> {
    let begin = Instant::now();
    let mut client = StepClient::start(context, plan.subject)?;
    if plan.again {
        must_start_again(&client)?;
    }
    client.begin(plan.seeds[0], plan.seeds[1], None)?;
    let [every, most] = plan.steps;
    let mut rng = ChaCha20Rng::seed_from_u64(plan.open_seed);
    let mut curve = LossCurve {
        every,
        ready_s: Some(since(begin)),
        ..LossCurve::default()
    };
    let near = near(plan.text, &plan.target);
    let mut is_near = false;
    let mut greater = Vec::new();
    let mut unopened = Vec::new();
    let mut trained = 0_u64;
    let mut asked = Asked::new(&mut client)?;
    for index in 0..evaluations([every, most]) {
        let n = u32::try_from(every).unwrap_or(u32::MAX);
        let (seconds, _) = asked.client().step(n)?;
        curve.seconds.push(to_the_microsecond(seconds));
        trained += every;
        let passages = plan.text.evaluation(index);
        let drawn = rng.random::<f64>() < OPENED_SHARE;
        let about = &plan.text.about;
        let begin = Instant::now();
        // Before it is given the text: what it learnt from it is not in there.
        let kept = match plan.again && is_near {
            true => Some(asked.checkpoint()?),
            false => None,
        };
        if kept.is_some() {
            curve.checkpoints_from.get_or_insert(index);
        }
        let (loss, committed) = asked.commit(&passages, about)?;
        curve.asked_s.push(since(begin));
        tell((trained, loss));
        is_near |= loss <= near;
        curve
            .losses
            .push(Some(loss).filter(|loss| loss.is_finite()));
        let points = curve.points();
        let reached = is_reached(&points, plan.target.target_loss);
        if reached || (drawn && unopened.len() < MOST_KEPT) {
            let question = Question::draw(passages, about, committed, &mut rng);
            match kept {
                Some(kept) => unopened.push((kept, question)),
                None => {
                    let begin = Instant::now();
                    greater.extend(asked.open(&question)?);
                    curve.opened_s.push(since(begin));
                }
            }
        }
        if reached {
            break;
        }
        let given_up = |reference: &Reference| {
            reference.is_far_behind(&points, every, &plan.target)
                || curve.total_s() > DEADLINE * reference.total_s
        };
        if plan.reference.is_some_and(given_up) {
            curve.stopped = true;
            break;
        }
    }
    client.stop()?;
    // Only now: it could have told another process what it was given.
    for (kept, question) in &unopened {
        greater.extend(open_again(context, plan, kept, question)?);
    }
    only_rounded(&greater)?;
    Ok(curve)
}

fn since(begin: Instant) -> f64 {
    to_the_microsecond(begin.elapsed().as_secs_f64())
}

fn to_the_microsecond(seconds: f64) -> f64 {
    (seconds * 1e6).round() * 1e-6
}

/// The loss from which on a run is near the target: a tenth of the way from a model that knows
/// nothing.
fn near(text: &Text, target: &LossTarget) -> f64 {
    let ignorant = (text.about.symbols as f64).ln();
    target.target_loss + NEAR * (ignorant - target.target_loss).max(0.0)
}

fn must_start_again(client: &StepClient) -> Result<(), WorkloadError> {
    if client.can(SAVE) && client.can(RESUME) {
        return Ok(());
    }
    Err(WorkloadError::Reported(
        "the base can be asked again from its checkpoints and it cannot: `save` and `resume` are \
         not both in `can` of its `hello`"
            .into(),
    ))
}

/// Opens in a process of its own, which knows the model as it was before it was given the text and
/// is given other text from the opened places on.
fn open_again(
    context: &Context,
    plan: &RunPlan<'_>,
    kept: &Kept,
    question: &Question,
) -> Result<Vec<f64>, WorkloadError> {
    let mut client = StepClient::start(context, plan.subject)?;
    client.resume(plan.seeds, &kept.path)?;
    let greater = Asked::new(&mut client)?.open_unseen(question)?;
    client.stop()?;
    Ok(greater)
}

/// Curves of the base, and how many steps it takes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reference {
    curves: Vec<Vec<CurvePoint>>,
    steps: f64,
    /// Seconds of a run.
    total_s: f64,
}

impl Reference {
    /// None where the base never came to the target.
    pub(crate) fn of<'a>(
        curves: impl Iterator<Item = &'a LossCurve>,
        target: &LossTarget,
    ) -> Option<Self> {
        let (mut reference, mut steps, mut total_s) = (Self::default(), Vec::new(), Vec::new());
        for curve in curves {
            reference.curves.push(curve.points());
            steps.extend(curve.steps_to(target.target_loss));
            total_s.push(curve.total_s());
        }
        if steps.is_empty() {
            return None;
        }
        reference.steps = median(&steps);
        reference.total_s = median(&total_s);
        Some(reference)
    }

    /// Whether a run has, at one of the looks, a loss that the base had at half of its steps.
    fn is_far_behind(&self, points: &[CurvePoint], every: u64, target: &LossTarget) -> bool {
        let Some((step, _)) = points.last() else {
            return false;
        };
        // In steps of the base.
        let scale = target.evaluate_every as f64 / every as f64;
        let [now, before] = [*step, step.saturating_sub(every)].map(|s| s as f64 * scale);
        let looked = LOOKS.map(|share| share * self.steps);
        if !looked.iter().any(|look| before < *look && *look <= now) || points.len() < SMOOTHED {
            return false;
        }
        let last = &points[points.len() - SMOOTHED..];
        let own = last.iter().map(|(_, loss)| loss).sum::<f64>() / SMOOTHED as f64;
        let base: Vec<f64> = self
            .curves
            .iter()
            .filter_map(|curve| smoothed_at(curve, BEHIND * now))
            .collect();
        // A loss that is not finite is infinite here, and far behind.
        !base.is_empty() && own > median(&base)
    }
}

/// A curve's smoothed loss at a step, before which it has points.
fn smoothed_at(curve: &[CurvePoint], step: f64) -> Option<f64> {
    let until = curve.iter().take_while(|(s, _)| *s as f64 <= step).count();
    let window = curve.get(until.checked_sub(SMOOTHED)?..until)?;
    Some(window.iter().map(|(_, loss)| loss).sum::<f64>() / SMOOTHED as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: LossTarget = LossTarget {
        target_loss: 2.0,
        max_steps: 200,
        evaluate_every: 2,
        tokens: 1024,
        equal_steps: false,
        confirmed_steps: false,
    };

    #[test]
    fn both_sides_are_evaluated_after_as_many_tokens() {
        assert_eq!(steps_for(&TARGET, Some(100), Some(100)), [2, 200]);
        assert_eq!(steps_for(&TARGET, Some(50), Some(100)), [4, 400]);
        assert_eq!(steps_for(&TARGET, Some(400), Some(100)), [2, 50]);
        // No further than a factor of 8, whatever it says.
        assert_eq!(steps_for(&TARGET, Some(1), Some(100)), [16, 1600]);
        assert_eq!(steps_for(&TARGET, None, Some(100)), [2, 200]);
        assert_eq!(steps_for(&TARGET, Some(0), Some(100)), [2, 200]);
    }

    /// Falls as 20 / step from step 2 on, until the target and a little further.
    fn curve(slower: f64, every: u64, steps: u64) -> LossCurve {
        let losses = (1..=steps / every).map(|i| Some(slower * 20.0 / (i * every) as f64));
        LossCurve {
            every,
            losses: losses.collect(),
            ..LossCurve::default()
        }
    }

    #[test]
    fn who_is_far_behind_at_a_look_is_given_up() {
        let target = LossTarget {
            evaluate_every: 1,
            ..TARGET
        };
        let base = [curve(1.0, 1, 12)];
        let reference = Reference::of(base.iter(), &target).unwrap();
        let given_up = |slower: f64, every: u64| {
            let points = curve(slower, every, 100).points();
            let at =
                (1..=points.len()).find(|n| reference.is_far_behind(&points[..*n], every, &target));
            at.map(|n| points[n - 1].0)
        };
        assert_eq!(given_up(1.0, 1), None);
        assert_eq!(given_up(2.0, 1), None);
        assert_eq!(given_up(2.9, 1), Some(8));
        // Of half the batch, at twice the steps.
        assert_eq!(given_up(5.8, 2), Some(16));
        // A base that never came there is no measure.
        assert!(Reference::of([curve(1.0, 2, 4)].iter(), &TARGET).is_none());
    }

    #[test]
    fn a_loss_that_is_not_finite_is_far_behind() {
        let base = [curve(1.0, 1, 12)];
        let reference = Reference::of(base.iter(), &TARGET).unwrap();
        let mut broken = curve(1.0, 1, 12);
        broken.losses.iter_mut().for_each(|loss| *loss = None);
        let points = broken.points();
        let at = (1..=points.len()).any(|n| {
            reference.is_far_behind(
                &points[..n],
                1,
                &LossTarget {
                    evaluate_every: 1,
                    ..TARGET
                },
            )
        });
        assert!(at);
    }
}
