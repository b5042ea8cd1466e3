//! One trial's GPUs: the pilot shows which are used and how much memory each side needs, from which follows where the processes of the
//! blocks live; then the GPUs are watched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use outpace_record::{GpuConditions, GpuMode};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;

use super::sampler::{Sampler, conditions};
use super::{Device, Driver, Fault, visible};
use crate::{Launcher, PeerError, Residence, Side, Subject};

/// A program that uses a GPU holds a context there, of hundreds of MiB; a desktop moves less than this.
const CONTEXT_MIB: f64 = 64.0;
/// Share of the memory that is not given to the two processes: it is fragmented, and the pilot may not have seen the most they need.
const RESERVE: f64 = 0.03;
/// The driver's averages reach back so far at most; only what it samples later tells of a process that waits.
const SETTLING: Duration = Duration::from_millis(1200);
/// It samples at least once in this time.
const LISTENING: Duration = Duration::from_millis(1000);
/// A waiting process may use so much of a GPU: the driver counts whole per cents, and any kernel of another program in the same container as one.
pub(crate) const WAITING_GPU: f64 = 0.02;
/// How a program says that a GPU's memory is full: CUDA, cuBLAS, PyTorch, JAX, candle.
const FULL: [&str; 5] = [
    "out of memory",
    "out_of_memory",
    "alloc_failed",
    "memory allocation failure",
    "resource_exhausted",
];

/// What is known of where the processes live.
#[derive(Debug, Clone, PartialEq)]
enum State {
    /// The pilot runs.
    Looking,
    /// The workload uses no GPU, or nobody shall look.
    Off,
    /// Settled: on these GPUs.
    Placed {
        mode: GpuMode,
        devices: Vec<Device>,
        /// Where each side's process goes when each has one of its own.
        seats: [usize; 2],
    },
}

/// The GPUs of one trial; what a machine without any does not have.
pub struct Gpus {
    driver: Arc<dyn Driver>,
    visible: Vec<Device>,
    asked: GpuMode,
    state: State,
    sampler: Sampler,
    /// MiB in use on each visible GPU before the side of the pilot was started, and what each side added at most.
    before_mib: Vec<f64>,
    needs_mib: [Option<Vec<f64>>; 2],
    /// Knows whether the user wants to stop.
    launcher: Launcher,
}

impl std::fmt::Debug for Gpus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpus")
            .field("asked", &self.asked)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Gpus {
    /// None where nothing is to be watched: nobody wants it, or there is no GPU and none is demanded.
    ///
    /// # Errors
    /// `asked` demands GPUs and there are none, or the driver does not answer.
    pub(crate) fn find(
        asked: GpuMode,
        workload: &Subject,
        launcher: &Launcher,
    ) -> Result<Option<Self>, PeerError> {
        if asked == GpuMode::None {
            return Ok(None);
        }
        let found = super::driver().and_then(|driver| {
            let chosen = workload.env.get("CUDA_VISIBLE_DEVICES");
            let devices = visible(&*driver, chosen.map(String::as_str))?;
            match devices.is_empty() {
                true => Err(Fault::None("the NVIDIA driver shows no GPU".into())),
                false => Ok((driver, devices)),
            }
        });
        match found {
            Ok((driver, devices)) => Ok(Some(Self::new(driver, devices, asked, launcher))),
            Err(Fault::None(_)) if asked == GpuMode::Auto => Ok(None),
            Err(fault) => Err(lost(format!(
                "{fault}, and the workload wants one (gpu = \"{}\")",
                asked.as_str()
            ))),
        }
    }

    fn new(
        driver: Arc<dyn Driver>,
        visible: Vec<Device>,
        asked: GpuMode,
        launcher: &Launcher,
    ) -> Self {
        Self {
            sampler: Sampler::start(Arc::clone(&driver), visible.clone()),
            driver,
            visible,
            asked,
            state: State::Looking,
            before_mib: Vec::new(),
            needs_mib: [None, None],
            launcher: launcher.clone(),
        }
    }

    /// Variables for a process of `side`: as long for one side as for the other.
    pub(crate) fn environment(&self, side: Side) -> BTreeMap<String, String> {
        let seat = match &self.state {
            State::Placed {
                mode: GpuMode::Apart,
                devices,
                seats,
            } => devices.get(seats[side.index()]),
            State::Looking if self.asked == GpuMode::Apart => self.visible.first(),
            _ => None,
        };
        seat.map(|device| ("CUDA_VISIBLE_DEVICES".to_owned(), device.uuid.clone()))
            .into_iter()
            .collect()
    }

    /// A side of the pilot is about to be started.
    ///
    /// # Errors
    /// A GPU does not answer.
    pub(crate) fn look(&mut self) -> Result<(), PeerError> {
        self.before_mib = self.used_mib()?;
        self.sampler.take();
        self.sampler.switch(true);
        Ok(())
    }

    /// A side of the pilot is about to be ended.
    ///
    /// # Errors
    /// A GPU does not answer.
    pub(crate) fn looked(&mut self, side: Side) -> Result<(), PeerError> {
        self.sampler.switch(false);
        let mut most = self.used_mib()?;
        for (n, reading) in self.sampler.take() {
            most[n] = most[n].max(reading.used_mib);
        }
        let grown = most.iter().zip(&self.before_mib);
        self.needs_mib[side.index()] = Some(grown.map(|(m, b)| (m - b).max(0.0)).collect());
        Ok(())
    }

    /// The pilot is over: where the processes of the blocks live, and a line about it. `whole`: turns are whole commands, which never live at once.
    ///
    /// # Errors
    /// What was asked for is not possible.
    pub(crate) fn settle(&mut self, whole: bool) -> Result<(Residence, Option<String>), PeerError> {
        let used = self.used();
        if used.is_empty() && self.asked == GpuMode::Auto {
            self.state = State::Off;
            return Ok((Residence::Together, None));
        }
        // A driver that shows no memory (MPS and virtual GPUs may not) still shows clocks.
        let devices: Vec<Device> = match used.is_empty() {
            true => self.visible.clone(),
            false => used.iter().map(|n| self.visible[*n].clone()).collect(),
        };
        let (mode, devices) = if whole {
            (GpuMode::Alternating, devices)
        } else {
            self.choose(devices)?
        };
        self.sampler = Sampler::start(Arc::clone(&self.driver), devices.clone());
        let line = self.line(mode, &devices, whole);
        self.state = State::Placed {
            mode,
            devices,
            seats: [0, 0],
        };
        let residence = match mode {
            GpuMode::Alternating if !whole => Residence::Alternating,
            _ => Residence::Together,
        };
        Ok((residence, Some(line)))
    }

    fn choose(&self, used: Vec<Device>) -> Result<(GpuMode, Vec<Device>), PeerError> {
        let equal = self.equal_to(&used[0]);
        let can_be_apart = used.len() == 1 && equal.len() > 1;
        let full = self.cannot_share();
        match (self.asked, full) {
            (GpuMode::Auto | GpuMode::Shared, None) => Ok((GpuMode::Shared, used)),
            (GpuMode::Shared, Some(why)) => Err(passing(format!(
                "{why}. Hint: gpu = \"auto\" lets them take turns as whole processes"
            ))),
            (GpuMode::Auto | GpuMode::Apart, _) if can_be_apart => Ok((GpuMode::Apart, equal)),
            (GpuMode::Apart, _) => Err(lost(format!(
                "gpu = \"apart\" needs two equal GPUs and a workload that uses one; {} can be seen, the workload used {}",
                self.visible
                    .iter()
                    .map(Device::called)
                    .collect::<Vec<_>>()
                    .join(", "),
                used.len()
            ))),
            _ => Ok((GpuMode::Alternating, used)),
        }
    }

    /// Whether both processes are on the same GPUs at once.
    pub(crate) fn are_shared(&self) -> bool {
        matches!(
            self.state,
            State::Placed {
                mode: GpuMode::Shared,
                ..
            }
        )
    }

    /// Before every block: each side's GPU, where each has its own. The draw comes from the trial's generator, so that a seed replays it.
    pub(crate) fn place(&mut self, rng: &mut ChaCha20Rng) {
        if let State::Placed {
            mode: GpuMode::Apart,
            devices,
            seats,
        } = &mut self.state
        {
            let first = rng.random_range(0..devices.len());
            let step = rng.random_range(1..devices.len());
            *seats = [first, (first + step) % devices.len()];
        }
    }

    /// From now on the GPUs are read, or not.
    pub(crate) fn record(&self, on: bool) {
        self.sampler
            .switch(on && matches!(self.state, State::Placed { .. }));
    }

    /// How they were since this was last asked.
    pub(crate) fn conditions(&self) -> Vec<GpuConditions> {
        let State::Placed {
            mode,
            devices,
            seats,
        } = &self.state
        else {
            return Vec::new();
        };
        let readings = self.sampler.take();
        let of = |n: usize, side: Option<&str>| {
            let own: Vec<_> = readings
                .iter()
                .filter(|(d, _)| *d == n)
                .map(|(_, r)| r)
                .collect();
            (!own.is_empty()).then(|| conditions(&devices[n], side, &own))
        };
        match mode {
            GpuMode::Apart => Side::BOTH
                .into_iter()
                .filter_map(|side| of(seats[side.index()], Some(side.as_str())))
                .collect(),
            _ => (0..devices.len()).filter_map(|n| of(n, None)).collect(),
        }
    }

    /// Both processes wait: the share of the GPUs that each uses all the same. None where there is nothing to listen to.
    ///
    /// # Errors
    /// A GPU is busy and the driver does not say who it is; the user asked to stop.
    pub(crate) fn listen(&self, processes: &[Vec<u32>; 2]) -> Result<Option<[f64; 2]>, PeerError> {
        let State::Placed { mode, devices, .. } = &self.state else {
            return Ok(None);
        };
        if *mode == GpuMode::Alternating {
            return Ok(None);
        }
        let shares = |since_us| -> Result<Option<[f64; 2]>, PeerError> {
            let mut shares = None;
            for device in devices {
                for (pid, share) in self
                    .driver
                    .activity(device, since_us)?
                    .into_iter()
                    .flatten()
                {
                    if let Some(side) = processes.iter().position(|pids| pids.contains(&pid)) {
                        let known: &mut [f64; 2] = shares.get_or_insert([0.0; 2]);
                        known[side] = known[side].max(share);
                    }
                }
            }
            Ok(shares)
        };
        // Both have just trained: a driver that knows our processes by these numbers has samples of them.
        let names_us = shares(0)?.is_some();
        self.pause(SETTLING)?;
        let since_us = unix_us();
        let (mut busy, steps) = (0.0_f64, 4);
        for _ in 0..steps {
            self.pause(LISTENING / steps)?;
            for device in devices {
                busy = busy.max(self.driver.read(device)?.busy.unwrap_or(0.0));
            }
        }
        if names_us {
            return Ok(Some(shares(since_us)?.unwrap_or_default()));
        }
        if busy > WAITING_GPU {
            return Err(passing(format!(
                "{} was {:.0} % busy while both programs waited, and the driver does not say by whom. Hint: let nothing else use it; in a container \
                 the driver names processes only with the host's process numbers (`docker run --pid=host`)",
                devices[0].called(),
                busy * 100.0
            )));
        }
        Ok(Some([busy; 2]))
    }

    /// Who is to blame for a failure: the GPU where it is gone, or where it was full with both on it; otherwise whoever failed.
    pub(crate) fn blame(&self, error: PeerError) -> PeerError {
        if error.is_cancelled() || error.is_machine() || self.state == State::Off {
            return error;
        }
        let devices = match &self.state {
            State::Placed { devices, .. } => devices,
            _ => &self.visible,
        };
        if let Some(fault) = devices.iter().find_map(|d| self.driver.read(d).err()) {
            return lost(format!(
                "{fault}. Hint: `nvidia-smi` and `dmesg | grep -i xid` tell more\nThe program: {error}"
            ));
        }
        let text = error.to_string().to_lowercase();
        if self.are_shared() && FULL.iter().any(|words| text.contains(words)) {
            return passing(format!(
                "{} is full with both programs on it, though the pilot fitted. Hint: gpu = \"alternating\" in the workload's section\nThe program: {error}",
                devices[0].called()
            ));
        }
        error
    }

    fn pause(&self, time: Duration) -> Result<(), PeerError> {
        let begin = Instant::now();
        while let Some(left) = time.checked_sub(begin.elapsed()) {
            if self.launcher.cancelled() {
                return Err(PeerError::Cancelled);
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
        Ok(())
    }

    fn used_mib(&self) -> Result<Vec<f64>, PeerError> {
        let used = |device| Ok(self.driver.read(device)?.used_mib);
        self.visible.iter().map(used).collect()
    }

    /// What a side needs on a visible GPU; of a pilot with one side, what that one does.
    fn need_mib(&self, side: Side, n: usize) -> f64 {
        let own = self.needs_mib[side.index()].as_ref();
        let any = own.or(self.needs_mib.iter().flatten().next());
        any.map_or(0.0, |mib| mib[n])
    }

    /// Numbers of the visible GPUs that a side used.
    fn used(&self) -> Vec<usize> {
        let most = |n| {
            Side::BOTH
                .map(|side| self.need_mib(side, n))
                .into_iter()
                .fold(0.0, f64::max)
        };
        (0..self.visible.len())
            .filter(|n| most(*n) > CONTEXT_MIB)
            .collect()
    }

    fn equal_to(&self, device: &Device) -> Vec<Device> {
        let kind = |d: &Device| {
            (
                d.name.clone(),
                d.memory_mib.to_bits(),
                d.power_limit_w.map(f64::to_bits),
            )
        };
        let equal = self.visible.iter().filter(|d| kind(d) == kind(device));
        equal.cloned().collect()
    }

    /// Why both cannot be on the same GPUs at once.
    fn cannot_share(&self) -> Option<String> {
        self.used().into_iter().find_map(|n| {
            let device = &self.visible[n];
            if device.exclusive && !device.mps {
                return Some(format!(
                    "{} takes one process only (compute mode \"exclusive process\")",
                    device.called()
                ));
            }
            let needs = Side::BOTH.map(|side| self.need_mib(side, n));
            let free = device.memory_mib * (1.0 - RESERVE) - self.before_mib[n];
            (needs[0] + needs[1] > free).then(|| {
                format!(
                    "the two programs need {:.0} and {:.0} MiB of {}, which has {free:.0} to give",
                    needs[0],
                    needs[1],
                    device.called()
                )
            })
        })
    }

    fn line(&self, mode: GpuMode, devices: &[Device], whole: bool) -> String {
        let names = devices
            .iter()
            .map(Device::called)
            .collect::<Vec<_>>()
            .join(", ");
        let needs = Side::BOTH.map(|side| {
            (0..self.visible.len())
                .map(|n| self.need_mib(side, n))
                .fold(0.0, f64::max)
        });
        let mib = format!(
            "{:.0} and {:.0} MiB of {:.0}",
            needs[0], needs[1], devices[0].memory_mib
        );
        match mode {
            _ if whole => format!("{names}, whole commands"),
            GpuMode::Shared => format!("both on {names}: {mib}"),
            GpuMode::Apart => format!("one each of {names}, drawn for every block: {mib}"),
            _ => format!("one after the other on {names}: {mib}"),
        }
    }
}

impl From<Fault> for PeerError {
    fn from(fault: Fault) -> Self {
        lost(fault.to_string())
    }
}

fn lost(message: String) -> PeerError {
    PeerError::Gpu {
        message,
        lost: true,
    }
}

fn passing(message: String) -> PeerError {
    PeerError::Gpu {
        message,
        lost: false,
    }
}

fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
}
