//! The trial of the time-to-loss track: the same seeds on both sides, a loss curve each, and the
//! steps that both took to the target. Nothing here is timed but for a sign of steps that become
//! slower later; the time of a step is the business of blocks.

mod ask;
mod guards;
mod run;
mod screen;
mod text;

use std::sync::mpsc::channel;
use std::time::Instant;

use outpace_process::{Context, MachineLock, MachineUse, Subject};
use outpace_record::{
    Block, Check, Event, LossCurve, LossTarget, Observer, Role, SeedRun, seed_evidence,
};
use outpace_stats::{Decision, Outcome, Reason, SeedEvidence, SeedRule, median};
use outpace_step::{RESUME, SAVE, TextSummary};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::block::seed;
use crate::client::StepClient;
use crate::{Side, SideError, WorkloadError, lock_machine};
use run::{Reference, RunPlan, evaluations, run, steps_for};
pub use screen::ScreeningRuns;
use text::{Text, about};

/// Sets the draws of what is opened apart from those that a recorded seed replays: a program that
/// knew them would be honest there only.
const OPEN_SEED: u64 = 0x09E4_ED00;
/// After so many seeds in which neither side came to the target, it is out of reach.
const UNREACHED: usize = 3;

/// The programs of a trial.
#[derive(Debug, Clone, Copy)]
pub struct Programs<'a> {
    /// The one that stands.
    pub base: &'a Subject,
    /// The one that wants to replace it.
    pub candidate: &'a Subject,
    /// The base's command that draws validation text.
    pub text: &'a Subject,
}

/// What a trial of seeds is run with.
#[derive(Debug, Clone)]
pub struct SeedSettings {
    /// Name of the workload, for messages.
    pub workload: String,
    /// The rule of proof.
    pub rule: SeedRule,
    /// What runs are measured by.
    pub target: LossTarget,
    /// Seed of every draw.
    pub seed: u64,
    /// What both programs say of themselves, base first ([`shapes`]).
    pub shapes: [Shapes; 2],
    /// Both sides of a seed run at once.
    pub parallel: bool,
    /// Blocks of the time of a step; they decide nothing where it is equal.
    pub blocks: Vec<Block>,
    /// Seeds of an earlier trial of the same comparison, which proved nothing.
    pub earlier: Vec<SeedRun>,
    /// Seconds after which a trial that has proven nothing is `not_proven`.
    pub max_s: f64,
}

/// What a trial of seeds found.
#[derive(Debug, Clone)]
pub struct SeedTrial {
    /// The decision; absent when it was interrupted.
    pub decision: Option<Decision>,
    /// Raw samples.
    pub runs: Vec<SeedRun>,
    /// The evidence in numbers.
    pub evidence: SeedEvidence,
    /// What was watched.
    pub checks: Vec<Check>,
    /// Wall seconds.
    pub trial_s: f64,
}

/// What a program says of its shapes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shapes {
    /// Tokens that a step trains on.
    pub tokens_per_step: Option<u64>,
    /// Floating-point operations for a token.
    pub flops_per_token: Option<f64>,
    /// Trainable parameters.
    pub parameters: Option<u64>,
    /// It can be asked from a checkpoint, in a process that has not seen the text.
    pub asked_again: bool,
}

/// Starts both programs, base first, to hear what they say of their shapes.
///
/// # Errors
/// One does not start, or the machine cannot be locked.
pub fn shapes(
    context: &Context,
    subjects: [&Subject; 2],
    observer: &mut dyn Observer,
) -> Result<[Shapes; 2], SideError> {
    let _machine = locked(context, observer)?;
    let of = |side: Side| said(context, subjects[side.index()]).map_err(|error| (side, error));
    Ok([of(Side::Base)?, of(Side::Candidate)?])
}

fn said(context: &Context, subject: &Subject) -> Result<Shapes, WorkloadError> {
    let client = StepClient::start(context, subject)?;
    let hello = &client.hello;
    let shapes = Shapes {
        tokens_per_step: hello.tokens_per_step,
        flops_per_token: hello.flops_per_token,
        parameters: hello.parameters,
        asked_again: client.can(SAVE) && client.can(RESUME),
    };
    client.stop()?;
    Ok(shapes)
}

/// Others may work meanwhile, and nobody may time.
fn locked(context: &Context, observer: &mut dyn Observer) -> Result<MachineLock, SideError> {
    let locked = lock_machine(context, MachineUse::Work, observer);
    Ok(locked.map_err(|error| (Side::Base, error))?)
}

/// A run of the base by itself.
#[derive(Debug)]
struct BaseRun {
    seeds: [u64; 2],
    text: Text,
    curve: LossCurve,
}

/// What all runs of a trial have in common.
struct Runner<'a> {
    context: &'a Context,
    programs: Programs<'a>,
    settings: &'a SeedSettings,
    about: TextSummary,
    /// Of base and candidate: steps between evaluations, and the most.
    steps: [[u64; 2]; 2],
}

/// Runs seed after seed until the rule decides. Ctrl-C ends it with the seeds that are done.
///
/// `screening` are runs of the base on seeds that are no evidence: a candidate that does not look
/// faster there is not tried further. None where nothing is screened. `keep` is called after every
/// seed.
///
/// # Errors
/// A side failed, or the machine.
pub fn run_seeds(
    context: &Context,
    programs: Programs<'_>,
    settings: &SeedSettings,
    screening: Option<&mut ScreeningRuns>,
    keep: &mut dyn FnMut(&SeedTrial),
    observer: &mut dyn Observer,
) -> Result<SeedTrial, SideError> {
    let begin = Instant::now();
    let _machine = locked(context, observer)?;
    let [base, _] = settings.shapes;
    let runner = Runner::new(context, programs, settings)?;
    let mut evidence = seed_evidence(settings.rule, &settings.target, &settings.blocks)?;
    for run in &settings.earlier {
        evidence.push(run.log_ratio(&settings.target));
    }
    let mut trial = SeedTrial {
        decision: None,
        runs: settings.earlier.clone(),
        evidence,
        checks: Vec::new(),
        trial_s: 0.0,
    };
    let mut known = Vec::new();
    if let Some(screening) = screening {
        match screen::look(&runner, screening, observer) {
            Ok(look) => {
                let out = Decision::from(Reason::ScreenedOut);
                trial.decision = look.out.then_some(out);
                trial.checks.push(look.line);
                known.extend(screening.curves().cloned());
            }
            Err(error) if error.is_cancelled() => return Ok(trial),
            Err(error) => return Err(error),
        }
    }
    if trial.decision.is_none() {
        trial.checks.push(guards::openings(base));
        runner.begins(false, observer);
    }
    while trial.decision.is_none() {
        if begin.elapsed().as_secs_f64() > settings.max_s {
            let decided = trial.evidence.decision();
            trial.decision = Some(decided.unwrap_or(Reason::TimeExhausted.into()));
            break;
        }
        let reference = Reference::of(
            known.iter().chain(trial.runs.iter().map(|run| &run.base)),
            &settings.target,
        );
        let number = trial.runs.len() + 1;
        let unreached = trial
            .runs
            .iter()
            .filter(|run| runner.is_unreached(run))
            .count();
        if unreached >= UNREACHED {
            return Err((Side::Base, runner.out_of_reach()).into());
        }
        let pair = match runner.pair(number, reference.as_ref(), observer) {
            Ok(pair) => pair,
            Err(error) if error.is_cancelled() => break,
            Err(error) => return Err(error),
        };
        trial.decision = trial.evidence.push(pair.log_ratio(&settings.target));
        trial.runs.push(pair);
        keep(&trial);
        runner.tell(&trial.evidence, &trial.runs, observer);
    }
    trial
        .checks
        .extend(guards::slower_later(&trial.runs, settings)?);
    let target = settings.target.target_loss;
    let faster = trial.decision.is_some_and(|d| d.outcome == Outcome::Faster);
    trial.checks.extend(guards::outside_of_steps(
        &trial.runs,
        target,
        settings.parallel,
        faster,
    ));
    trial.trial_s = begin.elapsed().as_secs_f64();
    Ok(trial)
}

/// Runs the base on so many fresh seeds, one after the other; fewer where the target is out of
/// reach. Its candidate is never started.
///
/// # Errors
/// It failed, or the machine, or the user asked to stop.
pub fn run_base_seeds(
    context: &Context,
    programs: Programs<'_>,
    settings: &SeedSettings,
    seeds: usize,
    observer: &mut dyn Observer,
) -> Result<Vec<LossCurve>, SideError> {
    let _machine = locked(context, observer)?;
    let runner = Runner::new(context, programs, settings)?;
    runner.begins(false, observer);
    let mut rng = ChaCha20Rng::seed_from_u64(settings.seed);
    let mut curves: Vec<LossCurve> = Vec::new();
    while curves.len() < seeds {
        let run = runner.base_alone(curves.len() + 1, &mut rng, observer);
        curves.push(run.map_err(|error| (Side::Base, error))?.curve);
        let reached = |c: &LossCurve| c.steps_to(settings.target.target_loss).is_some();
        if curves.len() >= UNREACHED && !curves.iter().any(reached) {
            break;
        }
    }
    Ok(curves)
}

impl<'a> Runner<'a> {
    fn new(
        context: &'a Context,
        programs: Programs<'a>,
        settings: &'a SeedSettings,
    ) -> Result<Self, SideError> {
        let [base, _] = settings.shapes;
        let steps =
            |s: Shapes| steps_for(&settings.target, s.tokens_per_step, base.tokens_per_step);
        let about = about(context, programs.text).map_err(|error| (Side::Base, error))?;
        Ok(Self {
            context,
            programs,
            settings,
            about,
            steps: settings.shapes.map(steps),
        })
    }
}

impl Runner<'_> {
    fn is_unreached(&self, run: &SeedRun) -> bool {
        let target = self.settings.target.target_loss;
        [&run.base, &run.candidate]
            .iter()
            .all(|curve| curve.steps_to(target).is_none())
    }

    fn out_of_reach(&self) -> WorkloadError {
        let target = &self.settings.target;
        WorkloadError::Reported(format!(
            "{} nats were not reached within {} steps, by neither side and in {UNREACHED} seeds. \
             Hint: change `target_loss` or `max_steps`",
            target.target_loss, target.max_steps
        ))
    }

    fn plan<'t>(
        &'t self,
        side: Side,
        seeds: [u64; 2],
        text: &'t Text,
        open_seed: u64,
        reference: Option<&'t Reference>,
    ) -> RunPlan<'t> {
        RunPlan {
            subject: match side {
                Side::Base => self.programs.base,
                Side::Candidate => self.programs.candidate,
            },
            seeds,
            text,
            target: self.settings.target,
            steps: self.steps[side.index()],
            open_seed,
            again: self.settings.shapes[0].asked_again,
            reference,
        }
    }

    /// Text for as many evaluations as the longer side has.
    fn text(&self, seed: u64) -> Result<Text, WorkloadError> {
        let evaluations = self.steps.map(evaluations);
        let most = evaluations[0].max(evaluations[1]);
        let passages = (self.settings.target.tokens as usize).div_ceil(self.about.length);
        Text::draw(self.context, self.programs.text, seed, [most, passages])
    }

    /// Seed `number` of this trial, from 1, on both sides.
    fn pair(
        &self,
        number: usize,
        reference: Option<&Reference>,
        observer: &mut dyn Observer,
    ) -> Result<SeedRun, SideError> {
        let mut rng = ChaCha20Rng::seed_from_u64(self.settings.seed);
        rng.set_stream(number as u64);
        let [model_seed, data_seed, text_seed] = std::array::from_fn(|_| seed(&mut rng));
        let candidate_first: bool = rng.random();
        let text = self.text(text_seed).map_err(|error| (Side::Base, error))?;
        let plan = |side: Side| {
            let open_seed = text_seed ^ OPEN_SEED ^ side.index() as u64;
            let reference = reference.filter(|_| side == Side::Candidate);
            self.plan(side, [model_seed, data_seed], &text, open_seed, reference)
        };
        let order = match candidate_first {
            true => [Side::Candidate, Side::Base],
            false => Side::BOTH,
        };
        let plans = order.map(|side| (side, plan(side)));
        let curves = match self.settings.parallel {
            true => self.at_once(&plans, number, observer),
            false => self.in_turn(&plans, number, observer),
        };
        let [first, second] = curves.map_err(SideError::from)?;
        let [base, candidate] = match candidate_first {
            true => [second, first],
            false => [first, second],
        };
        Ok(SeedRun {
            model_seed,
            data_seed,
            text_seed,
            base,
            candidate,
        })
    }

    fn in_turn(
        &self,
        plans: &[(Side, RunPlan<'_>); 2],
        number: usize,
        observer: &mut dyn Observer,
    ) -> Result<[LossCurve; 2], (Side, WorkloadError)> {
        let mut one = |(side, plan): &(Side, RunPlan<'_>)| {
            self.one(*side, plan, number, observer)
                .map_err(|error| (*side, error))
        };
        Ok([one(&plans[0])?, one(&plans[1])?])
    }

    /// A run of the base on fresh seeds, with no candidate beside it.
    fn base_alone(
        &self,
        number: usize,
        rng: &mut ChaCha20Rng,
        observer: &mut dyn Observer,
    ) -> Result<BaseRun, WorkloadError> {
        let [model_seed, data_seed, text_seed] = std::array::from_fn(|_| seed(rng));
        let text = self.text(text_seed)?;
        let seeds = [model_seed, data_seed];
        let plan = self.plan(Side::Base, seeds, &text, rng.random(), None);
        let curve = self.one(Side::Base, &plan, number, observer)?;
        Ok(BaseRun { seeds, text, curve })
    }

    /// One run, whose points are told as they come.
    fn one(
        &self,
        side: Side,
        plan: &RunPlan<'_>,
        number: usize,
        observer: &mut dyn Observer,
    ) -> Result<LossCurve, WorkloadError> {
        let observer = std::cell::RefCell::new(observer);
        run(self.context, plan, &|(step, loss)| {
            observer
                .borrow_mut()
                .on(&self.point(number, side, step, loss));
        })
    }

    fn at_once(
        &self,
        plans: &[(Side, RunPlan<'_>); 2],
        number: usize,
        observer: &mut dyn Observer,
    ) -> Result<[LossCurve; 2], (Side, WorkloadError)> {
        let (sender, points) = channel();
        let [first, second] = std::thread::scope(|scope| {
            let threads = [0, 1].map(|i| {
                let ((side, plan), sender) = (&plans[i], sender.clone());
                scope.spawn(move || {
                    let told = run(self.context, plan, &|point| {
                        // Nobody hears it where the observer is gone.
                        let _ = sender.send((*side, point));
                    });
                    told.map_err(|error| (*side, error))
                })
            });
            drop(sender);
            for (side, (step, loss)) in points {
                observer.on(&self.point(number, side, step, loss));
            }
            threads.map(|thread| thread.join().expect("a run does not panic"))
        });
        // Where both fail, it is not the candidate's fault.
        match (first, second) {
            (Ok(first), Ok(second)) => Ok([first, second]),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
            (Err(_), Err(second)) if second.0 == Side::Base => Err(second),
            (Err(first), Err(_)) => Err(first),
        }
    }

    fn point(&self, number: usize, side: Side, step: u64, loss: f64) -> Event {
        Event::LossPoint {
            workload: self.settings.workload.clone(),
            seed: number,
            role: match side {
                Side::Base => Role::Base,
                Side::Candidate => Role::Candidate,
            },
            step,
            loss,
            target: self.settings.target.target_loss,
        }
    }

    fn begins(&self, screening: bool, observer: &mut dyn Observer) {
        observer.on(&Event::SeedsStarted {
            workload: self.settings.workload.clone(),
            target: self.settings.target.target_loss,
            screening,
        });
    }

    fn tell(&self, evidence: &SeedEvidence, runs: &[SeedRun], observer: &mut dyn Observer) {
        let target = self.settings.target.target_loss;
        let last = runs
            .last()
            .map(|run| [&run.base, &run.candidate].map(|curve| curve.steps_to(target)));
        let gain = median(evidence.log_ratios()).exp_m1();
        observer.on(&Event::Seed {
            workload: self.settings.workload.clone(),
            n_seeds: runs.len(),
            log_e: evidence.log_e(),
            threshold: self.settings.rule.threshold,
            steps: last.unwrap_or_default(),
            speedup: Some(gain).filter(|gain| gain.is_finite()),
        });
    }
}
