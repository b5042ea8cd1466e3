//! The narrow view of programs that scheduling needs, so that it is tested with a fake clock and
//! fake programs. Real executors are in `executors`.

use outpace_record::Protocol;

use crate::{Checkpoint, Gpus, WorkloadError};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The revision that stands.
    Base,
    /// The one that wants to replace it.
    Candidate,
}

impl Side {
    /// Both, base first.
    pub const BOTH: [Self; 2] = [Self::Base, Self::Candidate];

    /// 0 for the base, 1 for the candidate.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The word for messages.
    pub fn as_str(self) -> &'static str {
        ["base", "candidate"][self.index()]
    }
}

/// A monotonic clock in seconds.
pub trait Clock {
    /// Seconds since some fixed moment.
    fn now_s(&self) -> f64;
}

/// One measured turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turn {
    /// Seconds from the request to the answer.
    pub seconds: f64,
    /// Loss of each step; `NaN` where it was not finite.
    pub losses: Vec<f64>,
}

/// What is known of a program after its end.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Closed {
    /// Wall seconds from start to exit.
    pub wall_s: f64,
    /// Wall seconds from the request to stop to its exit.
    pub exit_s: f64,
    /// Peak resident memory in MiB, where the system says so.
    pub peak_mib: Option<f64>,
}

/// A started, ready program.
pub trait WorkloadProcess {
    /// Seconds from its start to ready.
    fn ready_s(&self) -> f64;
    /// Tokens that one step trains on, if it says so.
    fn tokens_per_step(&self) -> Option<u64>;
    /// Runs one turn.
    ///
    /// # Errors
    /// The program died, hung, or broke the protocol.
    fn turn(&mut self, steps: u32) -> Result<Turn, WorkloadError>;
    /// CPU seconds that it has used, where the system says so.
    fn cpu_s(&mut self) -> Option<f64>;
    /// Writes a checkpoint, if it can.
    ///
    /// # Errors
    /// It died, hung, or broke the protocol.
    fn save(&mut self) -> Result<Option<Checkpoint>, WorkloadError> {
        Ok(None)
    }
    /// Its processes.
    fn processes(&self) -> Vec<u32> {
        Vec::new()
    }
    /// Ends it in good order.
    ///
    /// # Errors
    /// It does not end, or not with 0.
    fn close(self: Box<Self>) -> Result<Closed, WorkloadError>;
}

/// Starts programs of both sides.
pub trait Executor {
    /// Starts a fresh process of `side` and makes it ready to train.
    ///
    /// # Errors
    /// It does not start or does not speak the protocol.
    fn open(
        &mut self,
        side: Side,
        model_seed: u64,
        data_seed: u64,
    ) -> Result<Box<dyn WorkloadProcess>, WorkloadError>;
    /// The same with every initial weight moved by one unit in the last place, and whether the
    /// program can do that.
    ///
    /// # Errors
    /// It does not start or does not speak the protocol.
    fn open_perturbed(
        &mut self,
        side: Side,
        model_seed: u64,
        data_seed: u64,
    ) -> Result<(Box<dyn WorkloadProcess>, bool), WorkloadError> {
        Ok((self.open(side, model_seed, data_seed)?, false))
    }
    /// Whether a turn is a whole command: fresh by itself, never warm.
    fn whole_commands(&self) -> bool {
        false
    }
    /// The clock that blocks are timed with.
    fn clock(&self) -> &dyn Clock;
    /// The GPUs that its programs may use, where there are any and they are to be watched.
    fn gpus(&mut self) -> Option<&mut Gpus> {
        None
    }
}

/// Whether the two processes of a block live at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Placement {
    /// Both are there for the whole block and take their turns beside each other.
    #[default]
    CoResident,
    /// One after the other, in random order: both do not fit on the GPU. Their turns are paired by
    /// number.
    Alternating,
}

/// Pairs in a block where `steps` are wanted of a program that speaks the step protocol: of whole
/// commands each pair is evidence by itself.
pub fn pairs_of(protocol: Protocol, steps: usize) -> usize {
    match protocol {
        Protocol::Steps => steps,
        Protocol::Process => 1,
    }
}

/// To 100 ns: finer than any clock call, and the record stays short. What is judged is what is
/// recorded.
pub(crate) fn rounded(seconds: f64) -> f64 {
    (seconds * 1e7).round() / 1e7
}
