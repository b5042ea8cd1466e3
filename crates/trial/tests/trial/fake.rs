//! Programs that take exactly as long as a test says, on a clock that only they move.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use outpace_record::NoObserver;
use outpace_stats::Rule;
use outpace_trial::{
    Checkpoint, Clock, Closed, Earlier, Executor, Settings, Side, Trial, Turn, WorkloadError,
    WorkloadProcess, run_trial,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// How a side behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) step_s: f64,
    pub(crate) noise: f64,
    pub(crate) launch_noise: f64,
    pub(crate) ready_s: f64,
    pub(crate) exit_s: f64,
    pub(crate) tokens: u64,
    pub(crate) loss: f64,
    /// In every so many turns it does half of the work of all of them, and in the others the rest.
    pub(crate) gathers: Option<usize>,
    /// In every third block the start takes so long.
    pub(crate) slow_ready_s: Option<f64>,
    /// CPU seconds that it uses during each turn of the other.
    pub(crate) idle_s: f64,
    /// Its first turn takes so much longer.
    pub(crate) cold_s: f64,
    /// Its first turn has this loss.
    pub(crate) first_loss: Option<f64>,
    /// From this turn on its loss is another one.
    pub(crate) loss_from: Option<(usize, f64)>,
    /// After 30 turns its losses do not repeat: by such a share.
    pub(crate) loss_noise: f64,
    /// Seconds that a checkpoint takes.
    pub(crate) save_s: f64,
    /// After each turn it works so long and says nothing of it.
    pub(crate) unsaid_s: f64,
    pub(crate) peak_mib: f64,
    /// Its first turns, so many, take so many seconds less.
    pub(crate) ahead: Option<(usize, f64)>,
    pub(crate) fails_to_open: bool,
    /// It ends where another process is there, whichever side it is of.
    pub(crate) needs_the_port: bool,
    pub(crate) fails_to_close: bool,
    /// The turn (counted over the whole process) at which it fails.
    pub(crate) fails_at: Option<usize>,
    /// The block after which the user presses Ctrl-C.
    pub(crate) cancelled_after: Option<usize>,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            step_s: 0.020,
            noise: 0.01,
            launch_noise: 0.003,
            ready_s: 0.1,
            exit_s: 0.01,
            tokens: 1024,
            loss: 5.0,
            gathers: None,
            slow_ready_s: None,
            idle_s: 0.0,
            cold_s: 0.0,
            first_loss: None,
            loss_from: None,
            loss_noise: 0.0,
            save_s: 0.0,
            unsaid_s: 0.0,
            peak_mib: 10.0,
            ahead: None,
            fails_to_open: false,
            needs_the_port: false,
            fails_to_close: false,
            fails_at: None,
            cancelled_after: None,
        }
    }
}

impl Manner {
    /// Every turn takes exactly its time.
    pub(crate) fn exact(step_s: f64) -> Self {
        Self {
            step_s,
            noise: 0.0,
            launch_noise: 0.0,
            ..Self::default()
        }
    }
}

/// What happened, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Note {
    Open(Side),
    Turn(Side, u32),
    Save(Side),
    Close(Side),
}

#[derive(Default)]
pub(crate) struct Shared {
    now_s: RefCell<f64>,
    pub(crate) notes: RefCell<Vec<Note>>,
    alive: Cell<usize>,
    /// Seeds of model and data of each process.
    pub(crate) seeds: RefCell<Vec<[u64; 2]>>,
}

impl Clock for Shared {
    fn now_s(&self) -> f64 {
        *self.now_s.borrow()
    }
}

/// An executor of fakes.
pub(crate) struct FakeExecutor {
    pub(crate) manners: [Manner; 2],
    pub(crate) shared: Rc<Shared>,
    /// A turn is a whole command.
    pub(crate) whole: bool,
    rng: ChaCha20Rng,
    opened: usize,
}

impl FakeExecutor {
    pub(crate) fn new(base: Manner, candidate: Manner, seed: u64) -> Self {
        Self {
            manners: [base, candidate],
            shared: Rc::default(),
            whole: false,
            rng: ChaCha20Rng::seed_from_u64(seed),
            opened: 0,
        }
    }
}

struct Fake {
    side: Side,
    manner: Manner,
    speed: f64,
    rng: ChaCha20Rng,
    shared: Rc<Shared>,
    turns: usize,
    cpu_s: f64,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.alive.set(self.shared.alive.get() - 1);
    }
}

/// Roughly Gaussian.
fn noise(rng: &mut ChaCha20Rng, sd: f64) -> f64 {
    let sum: f64 = (0..12).map(|_| rng.random::<f64>()).sum();
    sd * (sum - 6.0)
}

impl Executor for FakeExecutor {
    fn open(
        &mut self,
        side: Side,
        model: u64,
        data: u64,
    ) -> Result<Box<dyn WorkloadProcess>, WorkloadError> {
        let manner = self.manners[side as usize];
        self.opened += 1;
        if manner
            .cancelled_after
            .is_some_and(|blocks| self.opened > 2 + 2 * blocks)
        {
            return Err(WorkloadError::Cancelled);
        }
        if manner.fails_to_open || (manner.needs_the_port && self.shared.alive.get() > 0) {
            return Err(WorkloadError::Reported("it does not start".into()));
        }
        self.shared.alive.set(self.shared.alive.get() + 1);
        self.shared.notes.borrow_mut().push(Note::Open(side));
        self.shared.seeds.borrow_mut().push([model, data]);
        let ready_s = match manner.slow_ready_s {
            Some(slow_s) if (self.opened - 1) / 2 % 3 == 2 => slow_s,
            _ => manner.ready_s,
        };
        let manner = Manner { ready_s, ..manner };
        *self.shared.now_s.borrow_mut() += ready_s;
        let speed = noise(&mut self.rng, manner.launch_noise).exp();
        let rng = ChaCha20Rng::seed_from_u64(self.rng.random());
        let shared = Rc::clone(&self.shared);
        Ok(Box::new(Fake {
            side,
            manner,
            speed,
            rng,
            shared,
            turns: 0,
            cpu_s: 0.0,
        }))
    }

    fn whole_commands(&self) -> bool {
        self.whole
    }

    fn clock(&self) -> &dyn Clock {
        &*self.shared
    }
}

impl WorkloadProcess for Fake {
    fn ready_s(&self) -> f64 {
        self.manner.ready_s
    }

    fn tokens_per_step(&self) -> Option<u64> {
        Some(self.manner.tokens)
    }

    fn turn(&mut self, steps: u32) -> Result<Turn, WorkloadError> {
        self.turns += 1;
        if self.manner.fails_at == Some(self.turns) {
            return Err(WorkloadError::Reported("it broke".into()));
        }
        self.shared
            .notes
            .borrow_mut()
            .push(Note::Turn(self.side, steps));
        let step_s =
            self.manner.step_s * self.speed * noise(&mut self.rng, self.manner.noise).exp();
        let share = match self.manner.gathers {
            Some(n) if self.turns.is_multiple_of(n) => 0.5 * n as f64,
            Some(n) => 0.5 * n as f64 / (n - 1) as f64,
            None => 1.0,
        };
        let is_first = self.turns == 1;
        let cold_s = if is_first { self.manner.cold_s } else { 0.0 };
        let ahead_s = match self.manner.ahead {
            Some((turns, ahead_s)) if self.turns <= turns => ahead_s,
            _ => 0.0,
        };
        let seconds = step_s * f64::from(steps) * share + cold_s - ahead_s;
        *self.shared.now_s.borrow_mut() += seconds + self.manner.unsaid_s;
        self.cpu_s += seconds;
        let first_loss = self.manner.first_loss.filter(|_| is_first);
        let later = self
            .manner
            .loss_from
            .filter(|(turn, _)| self.turns >= *turn);
        let later = later.map(|(_, loss)| loss);
        let loss = first_loss.or(later).unwrap_or(self.manner.loss);
        let loss = match self.manner.loss_noise {
            0.0 => loss,
            _ if self.turns < 30 => loss,
            sd => loss * noise(&mut self.rng, sd).exp(),
        };
        Ok(Turn {
            seconds,
            losses: vec![loss; steps as usize],
        })
    }

    fn cpu_s(&mut self) -> Option<f64> {
        // Asked before and after each of its turns: half of the idle time falls on each.
        self.cpu_s += self.manner.idle_s / 2.0;
        Some(self.cpu_s)
    }

    fn save(&mut self) -> Result<Option<Checkpoint>, WorkloadError> {
        *self.shared.now_s.borrow_mut() += self.manner.save_s;
        self.shared.notes.borrow_mut().push(Note::Save(self.side));
        Ok(None)
    }

    fn close(self: Box<Self>) -> Result<Closed, WorkloadError> {
        if self.manner.fails_to_close {
            return Err(WorkloadError::Reported("it does not end".into()));
        }
        self.shared.notes.borrow_mut().push(Note::Close(self.side));
        Ok(Closed {
            wall_s: self.manner.ready_s + self.cpu_s,
            exit_s: self.manner.exit_s,
            peak_mib: Some(self.manner.peak_mib),
        })
    }
}

/// What the trials here are run with.
pub(crate) fn settings(seed: u64) -> Settings {
    Settings {
        workload: "w".into(),
        rule: Rule::default(),
        pairs: 15,
        min_turn_s: 0.020,
        seed,
        steps_per_run: 10_000,
        same_model: None,
        other_mathematics: false,
        earlier: Earlier::default(),
        max_s: 3600.0,
    }
}

/// A trial of two programs, and what happened.
pub(crate) fn trial_with(
    settings: &Settings,
    base: Manner,
    candidate: Manner,
) -> (Trial, Vec<Note>) {
    let mut executor = FakeExecutor::new(base, candidate, settings.seed);
    let trial = run_trial(&mut executor, settings, &mut NoObserver).unwrap();
    let notes = executor.shared.notes.borrow().clone();
    (trial, notes)
}
