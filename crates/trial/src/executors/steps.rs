//! Programs that speak the step protocol: processes, sockets, the system's monotonic clock, CPU
//! time from the kernel.

use outpace_process::ProcessTree;

use super::{Setup, placed, renewed};
use crate::check::save;
use crate::client::StepClient;
use crate::executor::rounded;
use crate::{
    Checkpoint, Clock, Closed, Executor, Gpus, Side, Turn, WorkloadError, WorkloadProcess,
};

/// Starts the workload processes of both sides.
#[derive(Debug)]
pub(super) struct StepExecutor<'a>(pub(super) Setup<'a>);

impl StepExecutor<'_> {
    fn start(&self, side: Side) -> Result<StepClient, WorkloadError> {
        let subject = self.0.subjects[side.index()];
        renewed(subject)?;
        StepClient::start(self.0.context, &placed(subject, side, self.0.gpus.as_ref()))
    }
}

impl Executor for StepExecutor<'_> {
    fn open(
        &mut self,
        side: Side,
        model_seed: u64,
        data_seed: u64,
    ) -> Result<Box<dyn WorkloadProcess>, WorkloadError> {
        let mut client = self.start(side)?;
        client.begin(model_seed, data_seed, None)?;
        Ok(Box::new(Process::new(client)))
    }

    fn open_perturbed(
        &mut self,
        side: Side,
        model_seed: u64,
        data_seed: u64,
    ) -> Result<(Box<dyn WorkloadProcess>, bool), WorkloadError> {
        let mut client = self.start(side)?;
        let can = client.can("perturb");
        client.begin(model_seed, data_seed, can.then_some(1))?;
        Ok((Box::new(Process::new(client)), can))
    }

    fn clock(&self) -> &dyn Clock {
        &self.0.clock
    }

    fn gpus(&mut self) -> Option<&mut Gpus> {
        self.0.gpus.as_mut()
    }
}

#[derive(Debug)]
struct Process {
    client: StepClient,
    ready_s: f64,
    tree: ProcessTree,
}

impl Process {
    fn new(client: StepClient) -> Self {
        Self {
            ready_s: client.running.age_s(),
            tree: ProcessTree::of(&client.running),
            client,
        }
    }
}

impl WorkloadProcess for Process {
    fn ready_s(&self) -> f64 {
        self.ready_s
    }

    fn tokens_per_step(&self) -> Option<u64> {
        self.client.hello.tokens_per_step
    }

    fn turn(&mut self, steps: u32) -> Result<Turn, WorkloadError> {
        let (seconds, losses) = self.client.step(steps)?;
        Ok(Turn {
            seconds: rounded(seconds),
            losses,
        })
    }

    fn cpu_s(&mut self) -> Option<f64> {
        self.tree.cpu_s()
    }

    fn save(&mut self) -> Result<Option<Checkpoint>, WorkloadError> {
        save(&mut self.client)
    }

    fn processes(&self) -> Vec<u32> {
        self.tree.processes()
    }

    fn close(self: Box<Self>) -> Result<Closed, WorkloadError> {
        let peak_mib = self.tree.peak_mib();
        let (wall_s, exit_s) = self.client.stop()?;
        Ok(Closed {
            wall_s,
            exit_s,
            peak_mib,
        })
    }
}
